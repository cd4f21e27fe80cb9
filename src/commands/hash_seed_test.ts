import { assert, assertEquals } from "@std/assert";
import { RandomHistory } from "../../tests/support/random_history.ts";
import { seededRandom } from "../base/random.ts";
import { DEFAULT_HASH_SEED, HASH_SEED_WORDS, seedOf } from "../store/key_table.ts";
import { StateMachine } from "./state_machine.ts";
import { lookup } from "./table.ts";

function chunksOf(machine: StateMachine): Uint8Array[] {
  const snapshot = machine.beginSnapshot();
  const chunks: Uint8Array[] = [];
  for (let chunk = snapshot.next(500); chunk !== null; chunk = snapshot.next(500)) {
    chunks.push(chunk);
  }
  return chunks;
}

Deno.test("the hash seed changes no reply and no snapshot", () => {
  const seeds = [DEFAULT_HASH_SEED, seedOf(2), new Int32Array(HASH_SEED_WORDS)];
  const machines = seeds.map((hashSeed) => new StateMachine({ hashSeed }));
  const history = new RandomHistory(seededRandom(1));
  for (let step = 0; step < 3000; step++) {
    const [first, ...others] = history.step(machines);
    for (const other of others) assertEquals(other, first);
  }
  const [first, ...others] = machines.map(chunksOf);
  for (const other of others) assertEquals(other, first);
});

Deno.test("a state is looked up with the machine's hash seed, restored or emptied too", () => {
  const SET = lookup("SET");
  assert(SET !== undefined);
  let reads = 0;
  const hashSeed = new Proxy(seedOf(3), {
    get(words, name) {
      reads++;
      return words[name as unknown as number];
    },
  });
  const machine = new StateMachine({ hashSeed });
  const looksUp = () => {
    reads = 0;
    machine.execute(SET, ["SET", "key", "value"], 1);
    return reads > 0;
  };
  assert(looksUp());
  const loader = machine.newLoader();
  for (const chunk of chunksOf(machine)) loader.push(chunk);
  machine.restore(loader, 1);
  assert(looksUp(), "a restored state has another seed");
  machine.keyspace.clear();
  assert(looksUp(), "an emptied state has another seed");
});
