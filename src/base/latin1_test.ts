import { assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "./latin1.ts";

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
