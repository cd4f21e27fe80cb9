import { assert, assertEquals } from "@std/assert";
import { type Keyed, OWN_KEYS } from "../../tests/support/store/keyed.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { HASHED_KEY_LENGTH_MAX, type HashSeed, KeyIndex, seedOf } from "./key_table.ts";

/** So that many keys have a hash in common: only bytes from this place on count. */
function colliding(from: number): HashSeed {
  return seedOf(2).map((word, at) => at >= from && at < HASHED_KEY_LENGTH_MAX ? word : 0);
}

Deno.test("a key index behaves like a map, for keys of any length and name, colliding or not", () => {
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
    const index = new KeyIndex<Keyed>(seed, OWN_KEYS);
    const model = new Map<string, Keyed>();
    const numbered = (number: number) => names[number] ?? String(100_000 + number);
    // Grows, shrinks and grows again.
    for (const additions of [0.9, 0.1, 0.9, 0]) {
      for (let step = 0; step < 2 * keys; step++) {
        const key = numbered(randomInteger(random, keys));
        const before = model.get(key);
        assert(index.get(key) === before, key);
        if (random() >= additions) {
          assert(index.delete(key) === model.delete(key), key);
        } else {
          const item = { key };
          if (before === undefined) index.add(key, item);
          else index.replace(key, before, item);
          model.set(key, item);
        }
      }
      for (let number = 0; number < keys; number++) {
        assert(index.get(numbered(number)) === model.get(numbered(number)));
      }
    }
    for (const key of model.keys()) assertEquals(index.delete(key), true);
  }
});
