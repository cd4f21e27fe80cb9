import { assertEquals } from "@std/assert";
import {
  readUint32,
  readUint53,
  varintBytes,
  VarintReader,
  writeUint32,
  writeUint53,
  writeVarint,
} from "./bytes.ts";

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

Deno.test("a number of variable length has one form, and as many bytes as were announced", () => {
  for (const value of SAFE) {
    const bytes = new Uint8Array(12);
    const end = writeVarint(bytes, 2, value);
    assertEquals(end, 2 + varintBytes(value));
    const reader = new VarintReader(bytes, 2);
    assertEquals([reader.next(), reader.at], [value, end]);
  }
  assertEquals([127, 128, 2 ** 28 - 1, 2 ** 28].map(varintBytes), [1, 2, 4, 5]);
});

Deno.test("what is no number of variable length is refused", () => {
  const wrong = [[], [0x80], [0xff, 0xff], [0x80, 0x00], [0xff, 0x80, 0x00]];
  const tooLarge = [[...Array(7).fill(0xff), 0x10], [...Array(7).fill(0xff), 0x8f, 0x01]];
  for (const bytes of [...wrong, ...tooLarge, Array(20).fill(0xff)]) {
    assertEquals(new VarintReader(Uint8Array.from(bytes), 0).next(), null, `${bytes}`);
  }
});
