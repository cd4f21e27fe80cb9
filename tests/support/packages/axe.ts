// deno-lint-ignore no-import-prefix
export { default } from "npm:axe-core@4.14.1";
