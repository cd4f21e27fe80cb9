import { assertEquals } from "@std/assert";
import { stringType } from "./string_type.ts";

Deno.test("a string takes its bytes, and is encoded as Redis says", () => {
  for (
    const [value, bytes, encoding] of [
      ["", 0, "embstr"],
      ["-12", 3, "int"],
      ["012", 3, "embstr"],
      ["x".repeat(44), 44, "embstr"],
      ["x".repeat(45), 45, "raw"],
      [new Uint8Array(100), 100, "raw"],
    ] as const
  ) assertEquals([stringType.bytes(value), stringType.encoding(value)], [bytes, encoding]);
});
