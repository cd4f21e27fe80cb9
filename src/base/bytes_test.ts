import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import {
  base64Bytes,
  latin1,
  latin1ByBase64,
  latin1Bytes,
  parseBase64,
  parseBase64Into,
  parseWithBuffer,
  readUint32,
  readUint53,
  varintBytes,
  VarintReader,
  writeBase64,
  writeByBase64,
  writeLatin1,
  writeUint32,
  writeUint53,
  writeVarint,
} from "./bytes.ts";
import { AssertionFailure } from "./errors.ts";

const POWERS = Array.from({ length: 54 }, (_, exponent) => 2 ** exponent);
const SAFE = [0, ...POWERS.flatMap((power) => [power - 1, power, power + 1])]
  .filter((value) => value >= 0 && Number.isSafeInteger(value));

Deno.test("numbers of fixed length are written big-endian and read back", () => {
  const bytes = new Uint8Array(10);
  writeUint32(bytes, 1, 0xfedcba98);
  assertEquals([...bytes.subarray(0, 6)], [0, 0xfe, 0xdc, 0xba, 0x98, 0]);
  assertEquals(readUint32(bytes, 1), 0xfedcba98);
  for (const value of SAFE) {
    writeUint53(bytes, 1, value);
    const view = new DataView(bytes.buffer);
    assertEquals([readUint53(bytes, 1), Number(view.getBigUint64(1))], [value, value]);
  }
  assertEquals(Number.isSafeInteger(readUint53(new Uint8Array(8).fill(0xff), 0)), false);
});

Deno.test("a variable-length number has one form, and as many bytes as announced", () => {
  for (const value of SAFE) {
    const bytes = new Uint8Array(12);
    const end = writeVarint(bytes, 2, value);
    assertEquals(end, 2 + varintBytes(value));
    const reader = new VarintReader(bytes, 2);
    assertEquals([reader.next(), reader.at], [value, end]);
  }
  assertEquals([127, 128, 2 ** 28 - 1, 2 ** 28].map(varintBytes), [1, 2, 4, 5]);
});

Deno.test("an invalid variable-length number is rejected", () => {
  const wrong = [[], [0x80], [0xff, 0xff], [0x80, 0x00], [0xff, 0x80, 0x00]];
  const tooLarge = [[...Array(7).fill(0xff), 0x10], [...Array(7).fill(0xff), 0x8f, 0x01]];
  for (const bytes of [...wrong, ...tooLarge, Array(20).fill(0xff)]) {
    assertEquals(new VarintReader(Uint8Array.from(bytes), 0).next(), null, `${bytes}`);
  }
});

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("base64 is that of RFC 4648, for any length and any byte", () => {
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

Deno.test("base64 of many bytes is written in pieces, with the same result", () => {
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

Deno.test("invalid base64 is rejected, native or not", () => {
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

Deno.test("the workaround for a slow runtime decodes the same text", () => {
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
    // Written in pieces, each in the way that suits it.
    "a".repeat(200_000) + "\xfe\0" + "\xffb".repeat(100_000) + "\x80\xff",
  ];
  for (const text of texts) {
    const bytes = new Uint8Array(text.length + 4).fill(7);
    assertEquals(writeLatin1(bytes, 2, text), text.length + 2);
    const expected = [7, 7, ...Array.from(text, (character) => character.charCodeAt(0)), 7, 7];
    assert(expected.every((byte, at) => bytes[at] === byte), text.slice(0, 9));
  }
});

Deno.test("the workaround for a slow runtime writes the same bytes", () => {
  const bytes = Uint8Array.from({ length: 5_000 }, (_, at) => at * 7);
  const target = new Uint8Array(5_000);
  assertEquals(writeByBase64(target, latin1(bytes, 0, 5_000)), true);
  assertEquals(target, bytes);
  assertEquals(writeByBase64(target, "\u0100".repeat(5_000)), false);
});

Deno.test("text that does not fit, or is not bytes, is a bug", () => {
  assertThrows(() => writeLatin1(new Uint8Array(4), 2, "abc"), RangeError);
  for (const text of ["\u0100", "abc\u20ac", "\ud83c\udfb5", "\xff".repeat(5000) + "\u0100"]) {
    assertThrows(() => writeLatin1(new Uint8Array(9999), 0, text), AssertionFailure);
  }
});
