import { assert, assertEquals } from "@std/assert";
import { formatRingId, ID_COUNT, ringId, ringIds } from "./ring_id.ts";

Deno.test("an id is the first 52 bits of the SHA-256 of the name", () => {
  // FIPS 180-2, appendix B.1: the hash of "abc" begins with ba7816bf8f01cfea.
  assertEquals(ringId("abc"), 0xba7816bf8f01c);
  assertEquals(formatRingId(ringId("abc")), "ba7816bf8f01c");
});

Deno.test("an id is printed with all its digits", () => {
  assertEquals(formatRingId(0), "0000000000000");
  assertEquals(formatRingId(ID_COUNT - 1), "fffffffffffff");
});

Deno.test("names of any script have ids, each its own", () => {
  const names = ["", "a", "A", "ä", "日本", "🎵", "a/b"];
  assertEquals(new Set(names.map(ringId)).size, names.length);
});

Deno.test("a longer list of ids begins with the shorter one", () => {
  const long = ringIds("node n1", 1_000);
  for (const count of [0, 1, 4, 5, 999]) {
    assertEquals([...ringIds("node n1", count)], [...long.subarray(0, count)]);
  }
  assertEquals(new Set(long).size, 1_000);
  assert(long.every((id) => Number.isInteger(id) && id >= 0 && id < ID_COUNT));
});
