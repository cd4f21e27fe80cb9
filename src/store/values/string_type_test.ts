import { assert, assertEquals } from "@std/assert";
import { usedHeapBytes } from "../../../tests/support/used_heap.ts";
import { latin1 } from "../../base/bytes.ts";
import { append, flatten, stringType } from "./string_type.ts";

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

Deno.test("appending pieces of any length gives the same as joining them", () => {
  const pieces = Array.from({ length: 3000 }, (_, index) => "ab".repeat(index % 7 * (index % 11)));
  pieces.splice(100, 0, "x".repeat(5000), "y".repeat(100_000));
  assertEquals(pieces.reduce(append, ""), pieces.join(""));
});

Deno.test("a value that is made of single bytes takes little more than its length", () => {
  const length = 1_000_000;
  const before = usedHeapBytes();
  let value = "";
  for (let index = 0; index < length; index++) value = append(value, index % 2 ? "a" : "b");
  const used = usedHeapBytes() - before;
  assert(used < 3 * length, `${used} bytes are used for ${value.length}`);
});

Deno.test("a flattened value keeps nothing of the strings that it was made from", () => {
  const before = usedHeapBytes();
  const values = Array.from({ length: 20 }, (_, index) => {
    const large = latin1(new Uint8Array(1_000_000).fill(97 + index), 0, 1_000_000);
    return flatten(large.slice(10, 50) + large.slice(60, 100));
  });
  const used = usedHeapBytes() - before;
  assert(used < 1_000_000, `${used} bytes are used for ${values.length * 80}`);
});

Deno.test("flattening changes no character", () => {
  assertEquals(flatten("a".repeat(20) + "b".repeat(20)), "a".repeat(20) + "b".repeat(20));
  assertEquals(flatten(""), "");
});
