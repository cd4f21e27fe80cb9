// @ts-self-types="./assert.d.ts"
// deno-lint-ignore no-import-prefix
export * from "npm:/deno-std@1.4.0/assert/mod.js";
