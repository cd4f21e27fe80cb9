// deno-lint-ignore no-import-prefix
export { default } from "npm:typescript@5.9.3";
