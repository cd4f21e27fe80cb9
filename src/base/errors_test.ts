import { assertEquals, assertThrows } from "@std/assert";
import {
  assert,
  AssertionFailure,
  assertNever,
  cannotListen,
  errorOf,
  messageOf,
} from "./errors.ts";

Deno.test("what is thrown is an error with a message, whatever it is", () => {
  const error = new RangeError("wrong");
  assertEquals([messageOf(error), messageOf("just text"), messageOf(null)], [
    "wrong",
    "just text",
    "null",
  ]);
  assertEquals(errorOf(error), error);
  assertEquals(errorOf("just text").message, "just text");
});

Deno.test("why an address cannot be listened on is told", () => {
  const address = { host: "::1", port: 7001 };
  const inUse = Object.assign(new Error("listen EADDRINUSE ::1:7001"), { code: "EADDRINUSE" });
  const denied = Object.assign(new Error("no permission"), { code: "EACCES" });
  assertEquals([inUse, denied].map((error) => cannotListen(address, error).message), [
    "Cannot listen on [::1]:7001: the port is in use",
    "Cannot listen on [::1]:7001: no permission",
  ]);
});

Deno.test("a broken invariant is an error of its own kind", () => {
  assert(true, "holds");
  assertThrows(() => assert(false, "does not hold"), AssertionFailure, "does not hold");
  assertThrows(() => assertNever("other" as never), AssertionFailure, '"other"');
});
