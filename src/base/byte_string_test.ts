import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { copyOf, LONG_BYTES_MIN, partOf, shareOf, textOf, writeByteString } from "./byte_string.ts";

const bytes = Uint8Array.from({ length: 2 * LONG_BYTES_MIN + 10 }, (_, at) => at * 7 % 256);
const sum = (text: string | Uint8Array) =>
  [...(typeof text === "string" ? Buffer.from(text, "latin1") : text)].join();

Deno.test("a short byte string is text, a long one is bytes, and both are equal", () => {
  for (const length of [0, 1, 255, LONG_BYTES_MIN - 1, LONG_BYTES_MIN, LONG_BYTES_MIN + 1]) {
    for (const made of [copyOf(bytes, 3, 3 + length), shareOf(bytes, 3, 3 + length)]) {
      assertEquals(typeof made === "string", length < LONG_BYTES_MIN, `${length}`);
      assertEquals(made.length, length);
      assertEquals(sum(textOf(made)), sum(bytes.subarray(3, 3 + length)));
    }
  }
});

Deno.test("a copy has its own memory, whatever the kind of array", () => {
  for (const source of [new Uint8Array(bytes), Buffer.from(bytes)]) {
    const copy = copyOf(source, 0, LONG_BYTES_MIN);
    assert(typeof copy !== "string" && copy.buffer !== source.buffer);
    source.fill(1);
    assertEquals(copy[1], 7);
  }
});

Deno.test("only a slice that takes at least half of the memory shares it", () => {
  const half = new Uint8Array(2 * LONG_BYTES_MIN);
  const shared = shareOf(half, 0, LONG_BYTES_MIN);
  assert(typeof shared !== "string" && shared.buffer === half.buffer);
  const more = new Uint8Array(2 * LONG_BYTES_MIN + 1);
  const copied = shareOf(more, 0, LONG_BYTES_MIN);
  assert(typeof copied !== "string" && copied.buffer !== more.buffer);
  // What counts is what would stay in memory, not what the array shows of it.
  const window = shareOf(more.subarray(0, LONG_BYTES_MIN), 0, LONG_BYTES_MIN);
  assert(typeof window !== "string" && window.buffer !== more.buffer);
});

Deno.test("a slice is the same for either form", () => {
  const text = textOf(bytes);
  for (
    const [from, to] of [[0, 0], [5, 6], [1, LONG_BYTES_MIN], [1, LONG_BYTES_MIN + 9]] as const
  ) {
    const ofBytes = partOf(bytes, from, to);
    assertEquals(textOf(ofBytes), textOf(partOf(text, from, to)));
    assertEquals(typeof ofBytes === "string", to - from < LONG_BYTES_MIN);
  }
});

Deno.test("either form is written if it fits, and rejected otherwise", () => {
  const target = new Uint8Array(bytes.length + 2);
  for (const value of [bytes, textOf(bytes)]) {
    target.fill(0);
    assertEquals(writeByteString(target, 1, value), bytes.length + 1);
    assertEquals(Buffer.compare(target.subarray(1, -1), bytes), 0);
    assertEquals([target[0], target.at(-1)], [0, 0]);
    assertThrows(() => writeByteString(target, 3, value), RangeError);
  }
});
