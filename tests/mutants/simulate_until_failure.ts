/**
 * The simulation as a killer of mutants: lives through seeds until one fails, and tells what of it.
 * The exit code is 1 then.
 *
 * deno run tests/mutants/simulate_until_failure.ts SEEDS
 */
import { simulate } from "../simulation/simulation.ts";

const seedCount = Number(Deno.args[0]);
for (let seed = 1; seed <= seedCount; seed++) {
  const { failure } = await simulate(seed, { nodeCount: null });
  if (failure === null) continue;
  console.log(`seed ${seed}: ${failure}`);
  Deno.exit(1);
}
