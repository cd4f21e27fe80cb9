import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  base64Bytes,
  parseBase64,
  parseBase64Into,
  parseWithBuffer,
  writeBase64,
} from "./bytes.ts";

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("base64 is that of RFC 4648, at any length and of any byte", () => {
  const vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
  vectors.forEach((text, length) => {
    const bytes = new TextEncoder().encode("foobar".slice(0, length));
    assertEquals(ascii(base64Bytes(bytes)), text);
    assertEquals(parseBase64(text), bytes);
  });
  const all = Uint8Array.from({ length: 1000 }, (_, at) => at);
  assertEquals(parseBase64(ascii(base64Bytes(all))), all);
  assertEquals(ascii(base64Bytes(all.subarray(3, 6))), "AwQF", "a part of a buffer");
});

Deno.test("base64 of many bytes is written in pieces, which nobody can tell", () => {
  for (const length of [49_151, 49_152, 49_153, 49_154, 98_304, 98_305, 200_000]) {
    const bytes = Uint8Array.from({ length }, (_, at) => at * 7);
    const expected = Buffer.from(bytes).toString("base64");
    assertEquals(ascii(base64Bytes(bytes)) === expected, true, `${length} bytes`);
    const target = new Uint8Array(expected.length + 4);
    assertEquals(writeBase64(target, 2, bytes), expected.length + 2);
    assertEquals(ascii(target) === `\0\0${expected}\0\0`, true, `${length} bytes, in the middle`);
  }
  assertThrows(() => writeBase64(new Uint8Array(7), 0, new Uint8Array(4)), Error, "no room");
});

Deno.test("what is not exactly the base64 of some bytes is refused, native or not", () => {
  const wrong = [
    "Z",
    "Zg",
    "Zg=",
    "Zg===",
    "Zh==",
    "Zm9=",
    "=",
    "====",
    "Zm 9",
    "Zm9v\n",
    "Zg==Zg==",
  ];
  for (const text of [...wrong, "Zm9v    ", " Zg=", "Zm9-", "Zm9_", "Zm9\u00ff", "Zm9\u0100"]) {
    assertEquals(parseBase64(text), null, JSON.stringify(text));
    for (let length = 0; length < 8; length++) {
      assertEquals(parseWithBuffer(text, new Uint8Array(length)), false, JSON.stringify(text));
    }
  }
});

Deno.test("a text fills a target of its own size only", () => {
  const buffer = new Uint8Array(6);
  assertEquals(parseBase64Into("Zm9v", buffer.subarray(1, 4)), true);
  assertEquals(ascii(buffer), "\0foo\0\0");
  assertEquals(parseBase64Into("Zm9v", buffer), false);
  assertEquals(parseBase64Into("Zm9v", buffer.subarray(0, 2)), false);
  const target = new Uint8Array(3);
  assertEquals([parseWithBuffer("YmFy", target), ascii(target)], [true, "bar"]);
});
