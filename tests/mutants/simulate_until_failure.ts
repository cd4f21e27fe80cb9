/**
 * The simulation as a killer of mutants: runs seeds until one fails, and prints that one. The exit
 * code is then 1.
 *
 * deno run tests/mutants/simulate_until_failure.ts FIRST_SEED COUNT
 */
import { simulate } from "../simulation/simulation.ts";

const [firstSeed = 1, seedCount = 1] = Deno.args.map(Number);
for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) {
  const { failure } = await simulate(seed, { nodeCount: null });
  if (failure === null) continue;
  console.log(`seed ${seed}: ${failure}`);
  Deno.exit(1);
}
