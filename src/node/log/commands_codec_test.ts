import { assert, assertEquals } from "@std/assert";
import { LONG_BYTES_MIN, textOf } from "../../base/byte_string.ts";
import { decodeCommands, encodeCommands } from "./entry.ts";

const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");

Deno.test("commands are a table of lengths, and the bytes of their arguments", () => {
  const text = Array.from("SETkvDEL\xff", (character) => character.charCodeAt(0));
  const long = "x".repeat(200);
  assertEquals(
    [...encodeCommands([["SET", "k", "v"], ["DEL", "\xff"]], 2)],
    [0, 0, 2, 3, 3, 1, 1, 2, 3, 1, ...text],
  );
  assertEquals([...encodeCommands([[long]], 0).subarray(0, 5)], [1, 1, 200, 1, 0x78]);
  assertEquals([...encodeCommands([], 1)], [0, 0]);
});

Deno.test("encoded commands are decoded, with every byte and empty ones", () => {
  const cases: string[][][] = [
    [],
    [["SET", "k", ALL_BYTES], ["DEL", ""]],
    [["__proto__", "constructor", "\u00ef\u00bb\u00bf"]],
    [["x".repeat(300_000), "", ALL_BYTES.repeat(2_000), "y"]],
    Array.from({ length: 1000 }, (_, i) => ["SET", `key:${i}`, "v".repeat(i % 300)]),
    [Array.from({ length: 70_000 }, (_, i) => `${i}`)],
  ];
  for (const commands of cases) {
    const bytes = encodeCommands(commands, 5);
    assertEquals(decodeCommands(bytes, 5)?.map((command) => command.map(textOf)), commands);
    assertEquals([...bytes.subarray(0, 5)], [0, 0, 0, 0, 0]);
  }
});

Deno.test("a long argument is encoded the same as text or bytes, and decoded as bytes", () => {
  const long = new Uint8Array(LONG_BYTES_MIN).fill(0xfe);
  const commands = [["SET", "k", "v"], ["SET", "long", long, "KEEPTTL"], ["DEL", "k"]];
  const bytes = encodeCommands(commands, 5);
  assertEquals(bytes, encodeCommands(commands.map((command) => command.map(textOf)), 5));
  const decoded = decodeCommands(bytes, 5);
  assertEquals(decoded, commands);
  const argument = decoded?.[1]?.[2];
  assert(argument instanceof Uint8Array && argument.buffer === bytes.buffer, "it was copied");
});

Deno.test("truncated, overlong and inconsistent encodings are rejected", () => {
  const whole = encodeCommands([["SET", "k", "v"], ["DEL", "a"]], 0);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(decodeCommands(whole.subarray(0, length), 0), null, `${length} bytes`);
  }
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  const wrong = [
    [...whole, 0],
    [0, 0],
    [1],
    [1, 0],
    [1, 1],
    [1, 1, 2, 0x61],
    [1, 2, 1, 0x61],
    huge,
    [1, ...huge],
    [1, 1, ...huge],
    // Not the shortest form of 1.
    [0x81, 0x00, 1, 1, 0x61],
  ];
  for (const bytes of wrong) {
    assertEquals(decodeCommands(Uint8Array.from(bytes), 0), null, `${bytes}`);
  }
});
