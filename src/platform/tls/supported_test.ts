import { assertThrows } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { requireTlsSupport } from "./supported.ts";

Deno.test("a runtime that is too old for TLS is told as such", () => {
  for (const version of ["2.9.6", "2.10.0", "3.0.0"]) requireTlsSupport(version);
  for (const version of ["2.6.8", "2.8.1"]) {
    assertThrows(() => requireTlsSupport(version), UserError, `current version is ${version}`);
  }
});
