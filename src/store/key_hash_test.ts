import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  DEFAULT_HASH_SEED,
  HASH_BITS,
  HASHED_KEY_LENGTH_MAX,
  hashOf,
  seedOf,
} from "./key_table.ts";

const NAMINGS = [
  String,
  (n: number) => `key:${String(n).padStart(12, "0")}`,
  (n: number) => `user:${n}:name`,
  (n: number) => String.fromCharCode(n >> 16, 0, 0, 0, (n >> 8) & 255, 0, 0, n & 255),
];

function largestBucket(hashes: readonly number[], bucketOf: (hash: number) => number): number {
  const counts = new Map<number, number>();
  for (const hash of hashes) counts.set(bucketOf(hash), (counts.get(bucketOf(hash)) ?? 0) + 1);
  return Math.max(...counts.values());
}

Deno.test("numbered keys spread by the upper bits and by the lower ones, with any seed", () => {
  for (const seed of [DEFAULT_HASH_SEED, seedOf(2), seedOf(3)]) {
    for (const nameOf of NAMINGS) {
      const hashes = Array.from({ length: 65_536 }, (_, n) => hashOf(seed, nameOf(n + 100_000)));
      const upper = largestBucket(hashes, (hash) => hash >>> (HASH_BITS - 12));
      const lower = largestBucket(hashes, (hash) => hash & 4095);
      // 16 on average; a random function goes to about 35.
      assert(upper < 48 && lower < 48, `${upper} and ${lower} share a bucket, for ${nameOf(1)}`);
      assert(new Set(hashes).size > 65_536 - 20, `hashes collide, for ${nameOf(1)}`);
    }
  }
});

Deno.test("each byte, the length and the seed change the hash", () => {
  const key = "\0".repeat(HASHED_KEY_LENGTH_MAX);
  const seen = new Set<number>();
  for (let at = 0; at < key.length; at++) {
    seen.add(hashOf(DEFAULT_HASH_SEED, `${key.slice(0, at)}\x80${key.slice(at + 1)}`));
    seen.add(hashOf(DEFAULT_HASH_SEED, key.slice(0, at)));
  }
  seen.add(hashOf(DEFAULT_HASH_SEED, key));
  assertEquals(seen.size, 2 * HASHED_KEY_LENGTH_MAX + 1);
  assertNotEquals(hashOf(seedOf(2), "k"), hashOf(seedOf(3), "k"));
  assert([...seen].every((hash) => hash >= 0 && hash < 2 ** HASH_BITS));
});
