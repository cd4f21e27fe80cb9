import { assert, assertEquals, assertThrows } from "@std/assert";
import { latin1, latin1ByBase64, latin1Bytes, writeByBase64, writeLatin1 } from "./bytes.ts";
import { AssertionFailure } from "./errors.ts";

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);

Deno.test("every byte becomes the character of the same number, at every length", () => {
  for (let from = 0; from < 256; from += 17) {
    for (let to = from; to <= 256; to++) {
      const text = latin1(everyByte, from, to);
      assertEquals(text.length, to - from);
      for (let i = 0; i < text.length; i++) assertEquals(text.charCodeAt(i), from + i);
    }
  }
});

Deno.test("the way around a slow runtime reads the same text", () => {
  const bytes = Uint8Array.from({ length: 3_000 }, (_, at) => at * 7);
  for (const [from, to] of [[0, 0], [0, 3_000], [1, 2_999], [5, 133], [77, 78]] as const) {
    assertEquals(latin1ByBase64(bytes, from, to), latin1(bytes, from, to));
  }
});

Deno.test("text goes back to the same bytes", () => {
  assertEquals(new Uint8Array(latin1Bytes(latin1(everyByte, 0, 256))), everyByte);
});

Deno.test("text is written into the middle of other bytes, which stay as they are", () => {
  const texts = [
    "",
    "a",
    "k".repeat(5000),
    "\x7f",
    "\x80",
    latin1(everyByte, 0, 256),
    "a\xff".repeat(999),
    "\xffa".repeat(3000),
    // In pieces, each written in the way that suits it.
    "a".repeat(200_000) + "\xfe\0" + "\xffb".repeat(100_000) + "\x80\xff",
  ];
  for (const text of texts) {
    const bytes = new Uint8Array(text.length + 4).fill(7);
    assertEquals(writeLatin1(bytes, 2, text), text.length + 2);
    const expected = [7, 7, ...Array.from(text, (character) => character.charCodeAt(0)), 7, 7];
    assert(expected.every((byte, at) => bytes[at] === byte), text.slice(0, 9));
  }
});

Deno.test("the way around a slow runtime writes the same bytes", () => {
  const bytes = Uint8Array.from({ length: 5_000 }, (_, at) => at * 7);
  const target = new Uint8Array(5_000);
  assertEquals(writeByBase64(target, latin1(bytes, 0, 5_000)), true);
  assertEquals(target, bytes);
  assertEquals(writeByBase64(target, "\u0100".repeat(5_000)), false);
});

Deno.test("text that does not fit, or is no bytes, is a bug", () => {
  assertThrows(() => writeLatin1(new Uint8Array(4), 2, "abc"), RangeError);
  for (const text of ["\u0100", "abc\u20ac", "\ud83c\udfb5", "\xff".repeat(5000) + "\u0100"]) {
    assertThrows(() => writeLatin1(new Uint8Array(9999), 0, text), AssertionFailure);
  }
});
