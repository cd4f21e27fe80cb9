import { seededRandom } from "../base/random.ts";

/** Longer keys are not hashed here: a loop over each of their bytes would be felt. */
export const HASHED_KEY_LENGTH_MAX = 256;

/** A word for each byte of the longest key, and one for each length. */
export const HASH_SEED_WORDS = 2 * HASHED_KEY_LENGTH_MAX + 1;

/**
 * `HASH_SEED_WORDS` random words. Who does not know them cannot choose keys that collide; each process
 * draws its own.
 */
export type HashSeed = Int32Array<ArrayBuffer>;

/** A seed that everybody can know, for states that no client reaches. */
export const DEFAULT_HASH_SEED: HashSeed = seedOf(1);

/**
 * 30 bits that depend on each byte of a key of at most `HASHED_KEY_LENGTH_MAX` bytes, and on the seed.
 *
 * First the sum of the bytes, each times a random word of its place: whatever two keys are compared,
 * the upper 25 bits of their sums differ as those of two random numbers would (Carter and Wegman,
 * "Universal classes of hash functions", 1979). The products do not wait for each other, as the steps
 * of a chained hash do. Then the bits are mixed one to one (MurmurHash3's last step), since like keys
 * have like sums.
 */
export function hashOf(seed: HashSeed, key: string): number {
  const { length } = key;
  let sum = seed[HASHED_KEY_LENGTH_MAX + length] as number;
  for (let at = 0; at < length; at++) {
    sum = (sum + Math.imul(seed[at] as number, key.charCodeAt(at))) | 0;
  }
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  // V8 keeps a number of 30 bits in an array without an object for it, on every machine.
  return (sum ^ (sum >>> 16)) >>> (32 - HASH_BITS);
}

/** How many bits `hashOf` gives. */
export const HASH_BITS = 30;

/** A seed out of a number, for tests. */
export function seedOf(number: number): HashSeed {
  const random = seededRandom(number);
  return Int32Array.from({ length: HASH_SEED_WORDS }, () => random() * 2 ** 32 | 0);
}
