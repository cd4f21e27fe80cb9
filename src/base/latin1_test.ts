import { assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "./assert.ts";
import { latin1, latin1Bytes, writeLatin1 } from "./latin1.ts";

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
  ];
  for (const text of texts) {
    const bytes = new Uint8Array(text.length + 4).fill(7);
    assertEquals(writeLatin1(bytes, 2, text), text.length + 2);
    const expected = [7, 7, ...Array.from(text, (character) => character.charCodeAt(0)), 7, 7];
    assertEquals([...bytes], expected);
  }
});

Deno.test("text that does not fit, or is no bytes, is a bug", () => {
  assertThrows(() => writeLatin1(new Uint8Array(4), 2, "abc"), RangeError);
  for (const text of ["\u0100", "abc\u20ac", "\ud83c\udfb5"]) {
    assertThrows(() => writeLatin1(new Uint8Array(100), 0, text), AssertionFailure);
  }
});
