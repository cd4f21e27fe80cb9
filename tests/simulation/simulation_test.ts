import { assertEquals } from "@std/assert";
import { KEPT_SEEDS } from "./kept_seeds.ts";
import { failureText, runSeeds } from "./run_seeds.ts";
import { simulate } from "./simulation.ts";

const FRESH_MS = 6_000;

for (const { seed, nodeCount, showed } of KEPT_SEEDS) {
  Deno.test(`simulation: seed ${seed} (${showed})`, async () => {
    const result = await simulate(seed, { nodeCount });
    if (result.failure !== null) throw new Error(failureText(result, nodeCount));
  });
}

Deno.test("simulation: fresh seeds", async () => {
  const firstSeed = Date.now() % 1_000_000_000;
  const failures: string[] = [];
  const totals = await runSeeds({
    firstSeed,
    seedsMax: Infinity,
    untilMs: FRESH_MS,
    nodeCount: null,
    onFailure: (result) => failures.push(failureText(result, null)),
  });
  console.log(`seeds from ${firstSeed}: ${totals}`);
  assertEquals(failures.join("\n"), "");
});
