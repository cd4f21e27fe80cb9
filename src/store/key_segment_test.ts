import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Keyed, OWN_KEYS } from "../../tests/support/store/keyed.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { KeySegment } from "./key_table.ts";

Deno.test("a segment behaves like a map, whatever cells its keys want", () => {
  for (const hashes of [1, 2, 5, 40]) {
    const random = seededRandom(hashes);
    const segment = new KeySegment<Keyed>(OWN_KEYS, 0, 16);
    const model = new Map<string, Keyed>();
    const places = Array.from({ length: 40 }, () => randomInteger(random, hashes) * 7 + 12);
    for (let step = 0; step < 20_000; step++) {
      const number = randomInteger(random, places.length);
      const key = `k${number}`;
      const hash = places[number] as number;
      assert(segment.find(hash, key) === model.get(key));
      const item = { key };
      if (model.has(key) && random() < 0.3) {
        segment.replace(hash, model.get(key) as Keyed, item);
        model.set(key, item);
      } else if (random() < 0.5) {
        assertEquals(segment.delete(hash, key), model.delete(key));
      } else if (!model.has(key) && !segment.isFull) {
        segment.add(hash, key, item);
        model.set(key, item);
      }
      // Nothing that was removed takes a cell, or this would stay so.
      assertEquals(segment.isFull, model.size >= 13);
    }
  }
});

Deno.test("what was removed leaves cells empty, where a search ends", () => {
  const segment = new KeySegment<Keyed>(OWN_KEYS, 0, 16);
  for (let hash = 0; hash < 1000; hash++) {
    segment.add(hash, "k", { key: "k" });
    assert(segment.delete(hash, "k"));
  }
  assertEquals(segment.find(5, "absent"), undefined);
});

Deno.test("a key is added once", () => {
  const segment = new KeySegment<Keyed>(OWN_KEYS, 0, 16);
  segment.add(3, "k", { key: "k" });
  assertThrows(() => segment.add(3, "k", { key: "k" }), Error, "it is there already");
});

Deno.test("only an item that is there is replaced", () => {
  const segment = new KeySegment<Keyed>(OWN_KEYS, 0, 16);
  const item = { key: "k" };
  segment.add(3, "k", item);
  const absent = { key: "k" };
  assertThrows(() => segment.replace(3, absent, item), Error, "it is not there");
  assertThrows(() => segment.replace(4, item, absent), Error, "it is not there");
  assert(segment.find(3, "k") === item);
});

Deno.test("a segment splits into two that hold its items, however unevenly", () => {
  for (const inSet of [0, 1, 6, 11, 12]) {
    const segment = new KeySegment<Keyed>(OWN_KEYS, 3, 16);
    for (let hash = 0; hash < 12; hash++) {
      segment.add(hash + (hash < inSet ? 64 : 0), `${hash}`, { key: `${hash}` });
    }
    const [clear, set] = segment.split(6, 12);
    for (let hash = 0; hash < 12; hash++) {
      const isSet = hash < inSet;
      const found = [clear.find(hash, `${hash}`), set.find(hash + 64, `${hash}`)];
      assertEquals(found.map((item) => item !== undefined), [!isSet, isSet]);
    }
    assertEquals([clear.size, set.size], [12 - inSet > 9 ? 16 : 12, inSet > 9 ? 16 : 12]);
    assertEquals([clear.depth, set.depth], [4, 4]);
  }
});
