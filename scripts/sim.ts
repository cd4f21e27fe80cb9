/**
 * Runs clusters in one process, on simulated clocks, networks and disks, one cluster for each seed,
 * and checks that they keep the promises. See tests/README.md.
 *
 * deno task sim [--seed N] [--seeds N] [--seconds N] [--nodes 3|5]
 */
import { choice, type Flags, integer, optional, type Values } from "../src/cli/flags.ts";
import { failureText, runSeeds } from "../tests/simulation/run_seeds.ts";
import { runTask } from "./run_task.ts";

const PROGRESS_EVERY = 100;

const flags = {
  seed: optional(
    integer("N", {
      help: "The first seed; by default taken from the clock",
      defaultValue: 0,
      min: 0,
      max: 2 ** 32,
    }),
  ),
  seeds: optional(
    integer("N", {
      help: "Number of seeds; by default 100, 1 with --seed, or no limit with --seconds",
      defaultValue: 0,
      min: 1,
      max: 1e9,
    }),
  ),
  seconds: optional(
    integer("N", {
      help: "Time in seconds after which no further seed is started; by default no limit",
      defaultValue: 0,
      min: 1,
      max: 1e6,
    }),
  ),
  nodes: optional(
    choice(["3", "5"], { help: "Number of nodes; by default the seed chooses", defaultValue: "3" }),
  ),
} satisfies Flags;

async function run({ seed, seeds, seconds, nodes }: Values<typeof flags>): Promise<number> {
  const nodeCount = nodes === undefined ? null : Number(nodes);
  const firstSeed = seed ?? Date.now() % 1_000_000_000;
  const seedsMax = seeds ?? (seconds !== undefined ? Infinity : seed !== undefined ? 1 : 100);
  console.log(`seeds from ${firstSeed}`);
  const totals = await runSeeds({
    firstSeed,
    seedsMax,
    untilMs: seconds === undefined ? Infinity : seconds * 1000,
    nodeCount,
    onFailure: (result) => console.log(failureText(result, nodeCount)),
    onProgress: (totals) => {
      if (totals.seeds % PROGRESS_EVERY === 0) console.log(String(totals));
    },
  });
  console.log(String(totals));
  return totals.failures === 0 ? 0 : 1;
}

await runTask({
  name: "sim",
  about: "Runs clusters on simulated clocks, networks and disks, and checks them.",
  flags,
  run,
});
