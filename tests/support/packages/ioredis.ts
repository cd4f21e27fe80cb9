// deno-lint-ignore no-import-prefix
export * from "npm:ioredis@6.0.0";
