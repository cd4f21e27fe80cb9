import { assertEquals, assertLess } from "@std/assert";
import { base64Text } from "../../base/bytes.ts";
import { ENTRY_PART_BYTES, EntryParts } from "./message_codec.ts";

const MIB = 2 ** 20;

Deno.test("an entry of any length is reassembled", () => {
  for (const sizeBytes of [1, ENTRY_PART_BYTES, 4 * MIB, 4 * MIB + 1, 13 * MIB]) {
    const entry = Uint8Array.from({ length: sizeBytes }, (_, at) => at * 31 >> 4);
    const parts = new EntryParts(64 * MIB);
    for (let offset = 0; offset < sizeBytes; offset += ENTRY_PART_BYTES) {
      const bytes = base64Text(entry.subarray(offset, offset + ENTRY_PART_BYTES));
      parts.add({ index: 7, offset, sizeBytes, bytes });
    }
    const taken = parts.take(7);
    assertEquals(taken.length, sizeBytes);
    assertEquals(taken.every((byte, at) => byte === entry[at]), true);
    parts.end();
  }
});

Deno.test("an entry takes memory as it arrives, and not as announced", () => {
  const before = Deno.memoryUsage().external;
  const all = Array.from({ length: 32 }, () => {
    const parts = new EntryParts(512 * MIB);
    parts.add({ index: 1, offset: 0, sizeBytes: 512 * MIB, bytes: "AAAA" });
    return parts;
  });
  assertLess((Deno.memoryUsage().external - before) / MIB, 32 * 8);
  assertEquals(all.length, 32);
});
