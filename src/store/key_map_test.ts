import { assert, assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { HASHED_KEY_LENGTH_MAX, type HashSeed, seedOf } from "./key_hash.ts";
import { KeyMap } from "./key_map.ts";
import type { Keyed } from "./key_segment.ts";

/** So that many keys have a hash in common: only bytes from this place on count. */
function colliding(from: number): HashSeed {
  return seedOf(2).map((word, at) => at >= from && at < HASHED_KEY_LENGTH_MAX ? word : 0);
}

Deno.test("a key map behaves like a map, for keys of any length and name, colliding or not", () => {
  const names = ["", "a", "__proto__", "constructor", "\0", "\xff".repeat(7)];
  for (let length = HASHED_KEY_LENGTH_MAX - 2; length <= HASHED_KEY_LENGTH_MAX + 2; length++) {
    names.push("x".repeat(length), "x".repeat(length - 1) + "y");
  }
  for (
    const [seed, keys] of [[seedOf(1), 20_000], [colliding(5), 400], [
      colliding(3),
      12_000,
    ]] as const
  ) {
    const random = seededRandom(keys);
    const map = new KeyMap<Keyed>(seed);
    const model = new Map<string, Keyed>();
    const numbered = (number: number) => names[number] ?? String(100_000 + number);
    // Grows, shrinks and grows again.
    for (const additions of [0.9, 0.1, 0.9, 0]) {
      for (let step = 0; step < 2 * keys; step++) {
        const key = numbered(randomInteger(random, keys));
        assert(map.get(key) === model.get(key) && map.has(key) === model.has(key), key);
        if (random() >= additions) {
          assert(map.delete(key) === model.delete(key), key);
        } else if (!model.has(key)) {
          const item = { key };
          map.add(item);
          model.set(key, item);
        }
      }
      for (let number = 0; number < keys; number++) {
        assert(map.get(numbered(number)) === model.get(numbered(number)));
      }
    }
    for (const key of model.keys()) assertEquals(map.delete(key), true);
  }
});
