import { assert, assertEquals } from "@std/assert";
import { type Keyed, OWN_KEYS } from "../../tests/support/store/keyed.ts";
import { DEFAULT_HASH_SEED, HASH_SEED_WORDS, KeyTable } from "./key_table.ts";

/** What one split of a segment of 6144 cells takes, with a directory of a thousand. */
const STEPS_AT_ONCE_MAX = 2 * (6144 + 4096) + 4 * 1024;

function addKey(table: KeyTable<Keyed>, key: string): void {
  table.add(key, { key });
}

Deno.test("no operation moves more than a few thousand cells, and all together few for each", () => {
  const count = 300_000;
  const table = new KeyTable<Keyed>(DEFAULT_HASH_SEED, OWN_KEYS);
  let before = 0;
  let most = 0;
  const note = () => {
    most = Math.max(most, table.steps - before);
    before = table.steps;
  };
  for (let number = 0; number < count; number++) {
    addKey(table, `key:${number}`);
    note();
  }
  assert(most > 6144 && most <= STEPS_AT_ONCE_MAX, `one key took ${most} steps`);
  assert(table.steps < 12 * count, `${count} keys took ${table.steps} steps`);
  const grown = table.steps;
  for (let number = 0; number < count; number++) {
    assert(table.delete(`key:${number}`));
    note();
  }
  assert(most <= STEPS_AT_ONCE_MAX, `one key took ${most} steps`);
  const { steps } = table;
  assert(steps > grown, "the cells of removed keys were kept");
  assert(steps < 20 * count, `${count} keys there and back took ${steps} steps`);
});

Deno.test("keys that come and go in equal number cost no growth", () => {
  const table = new KeyTable<Keyed>(DEFAULT_HASH_SEED, OWN_KEYS);
  for (let number = 0; number < 2000; number++) addKey(table, `key:${number}`);
  const { steps } = table;
  for (let number = 2000; number < 100_000; number++) {
    addKey(table, `key:${number}`);
    assert(table.delete(`key:${number - 2000}`));
  }
  assertEquals(table.steps, steps);
});

Deno.test("more keys of one hash than a segment holds are found all the same", () => {
  const table = new KeyTable<Keyed>(new Int32Array(HASH_SEED_WORDS), OWN_KEYS);
  for (let number = 0; number < 5000; number++) addKey(table, `${number}`);
  assertEquals(table.get("0")?.key, "0");
  assertEquals(table.get("4999")?.key, "4999");
  assertEquals(table.get("5000"), undefined);
  for (let number = 0; number < 5000; number += 2) assert(table.delete(`${number}`));
  assertEquals([table.get("1000"), table.get("1001")?.key], [undefined, "1001"]);
});
