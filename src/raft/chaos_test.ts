import { assert } from "@std/assert";
import { Chaos } from "../../tests/support/raft/chaos.ts";

const SEED_COUNT = 600;
/**
 * These meet with rare events: a late answer to an older read round, a longer log of an older term,
 * entries truncated before the Ready that brings them, a snapshot in flight among changes.
 */
const KEPT_SEEDS = [396, 683, 1047, 1761];
const STEP_COUNT = 4000;

// One failing seed by itself: deno test --allow-read src/raft/chaos_test.ts -- --seed=N
const argument = Deno.args.find((arg) => arg.startsWith("--seed="));
const seeds = argument === undefined
  ? [...Array.from({ length: SEED_COUNT }, (_, i) => i + 1), ...KEPT_SEEDS]
  : [Number(argument.slice("--seed=".length))];

Deno.test("Raft paper, figure 3: the properties hold under random faults, then progress returns", () => {
  const total: Record<string, number> = {};
  for (const seed of seeds) {
    const chaos = new Chaos(seed, seed % 3 === 0 ? 5 : 3);
    try {
      chaos.run(STEP_COUNT);
      chaos.recover();
      for (const [name, count] of Object.entries(chaos.tally)) {
        total[name] = (total[name] ?? 0) + count;
      }
    } catch (error) {
      throw new Error(`Chaos of seed ${seed} found a fault after:\n${chaos.trace}`, {
        cause: error,
      });
    }
  }
  // What never happens proves nothing.
  if (seeds.length === 1) return;
  for (const name of ["changes", "restored", "transfers", "leaders"]) {
    assert((total[name] ?? 0) > seeds.length / 2, `too few ${name} in ${JSON.stringify(total)}`);
  }
});
