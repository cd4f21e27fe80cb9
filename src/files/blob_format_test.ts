import { assertEquals } from "@std/assert";
import {
  ChecksumTable,
  CHUNK_BYTES,
  contentBytes,
  decodeFooter,
  encodeFooter,
  fileBytes,
  firstWrongChunk,
  FOOTER_BYTES,
  isBlobId,
} from "./blob_format.ts";

const footer = {
  id: "00112233445566778899aabbccddeeff",
  size: 2 ** 40 + 1,
  sha256: "ab".repeat(32),
  tableCrc: 0xfedcba98,
};

Deno.test("a footer comes back as it was, and with any bit flipped it is none", () => {
  const bytes = encodeFooter(footer);
  assertEquals(bytes.length, FOOTER_BYTES);
  assertEquals(decodeFooter(bytes), footer);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const wrong = bytes.slice();
    wrong[bit >> 3]! ^= 1 << (bit & 7);
    assertEquals(decodeFooter(wrong), null, `bit ${bit}`);
  }
});

Deno.test("the size of the content follows from the size of the file", () => {
  const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 2 ** 20 - 1, 2 ** 30 + 1, 2 ** 45];
  for (const size of sizes) assertEquals(contentBytes(fileBytes(size)), size);
  // Between the two there is a file with content of no whole byte in its last chunk.
  for (const bytes of [0, FOOTER_BYTES - 1, FOOTER_BYTES + 1, FOOTER_BYTES + 4]) {
    assertEquals(contentBytes(bytes), null);
  }
});

Deno.test("an id is 32 lower-case hexadecimal digits, and nothing that is a path", () => {
  assertEquals(isBlobId(footer.id), true);
  for (const id of ["", footer.id.toUpperCase(), `${footer.id}\n`, `../${footer.id.slice(3)}`]) {
    assertEquals(isBlobId(id), false, id);
  }
});

Deno.test("checksums do not depend on how the content comes", () => {
  const content = Uint8Array.from({ length: 3 * CHUNK_BYTES + 5 }, (_, at) => (at * 31) % 251);
  const whole = new ChecksumTable();
  whole.add(content);
  for (const step of [1_000, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1]) {
    const table = new ChecksumTable();
    for (let at = 0; at < content.length; at += step) table.add(content.subarray(at, at + step));
    assertEquals(table.encoded(), whole.encoded());
    assertEquals(table.digest(), whole.digest());
  }
  assertEquals(firstWrongChunk(content, whole.encoded()), -1);
});
