import { assert } from "@std/assert";
import { simulateFiles } from "./files_simulation.ts";

const FIRST_SEED = Number(Deno.env.get("FILES_SEED") ?? 1);
const SEEDS = Number(Deno.env.get("FILES_SEEDS") ?? 12);

Deno.test("no visible file is lost with up to k - 1 losses at a time, and repair ends", async () => {
  const totals = { puts: 0, refused: 0, unknown: 0, reads: 0, losses: 0 };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const outcome = await simulateFiles(seed);
    assert(outcome.failure === null, outcome.failure ?? "");
    for (const name of ["puts", "refused", "unknown", "reads", "losses"] as const) {
      totals[name] += outcome[name];
    }
  }
  // A simulation in which nothing happens proves nothing.
  assert(totals.puts > 20 * SEEDS && totals.reads > 5 * SEEDS && totals.losses > SEEDS);
});
