import { assert, assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { PartedMap, partOf } from "./key_table.ts";

Deno.test("a parted map behaves like a map, for keys of any length and name", () => {
  const random = seededRandom(1);
  const map = new PartedMap<number>();
  const model = new Map<string, number>();
  const names = ["", "a", "__proto__", "constructor", "\0", "\xff".repeat(7)];
  for (let step = 0; step < 20_000; step++) {
    const number = randomInteger(random, 300);
    const key = names[number] ?? "x".repeat(number % 13) + number;
    assertEquals([map.get(key), map.has(key)], [model.get(key), model.has(key)]);
    if (random() < 0.5) {
      map.set(key, step);
      model.set(key, step);
    } else {
      assertEquals(map.delete(key), model.delete(key));
    }
  }
});

Deno.test("numbered keys spread over the parts", () => {
  for (const nameOf of [String, (n: number) => `key:${n}`, (n: number) => `user:${n}:name`]) {
    const counts = new Map<number, number>();
    for (let number = 100_000; number < 164_000; number++) {
      const part = partOf(nameOf(number));
      counts.set(part, (counts.get(part) ?? 0) + 1);
    }
    assertEquals(counts.size, 64);
    const largest = Math.max(...counts.values());
    assert(largest < 3000, `${largest} of 64,000 keys share a part, for ${nameOf(1)}`);
  }
});
