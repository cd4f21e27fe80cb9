/**
 * Runs real nodes and proxies under faults, and judges what their clients saw. Exits with 1 when a
 * promise was broken; data and logs are kept then. The seed decides faults and requests; the timing
 * of real processes is never the same twice.
 *
 * deno task nemesis [--minutes N] [--seed N] [--nodes 3|5] [--keep]
 */
import { integer, toggle, type Values } from "../src/cli/flags.ts";
import { runNemesis, type RunReport } from "../tests/nemesis/run_nemesis.ts";
import { runTask } from "./run_task.ts";

const flags = {
  minutes: integer("N", { help: "How long", fallback: 1, min: 1, max: 10_000 }),
  seed: integer("N", {
    help: "Decides the faults",
    fallback: Math.floor(Math.random() * 2 ** 31),
    min: 0,
    max: 2 ** 32 - 1,
  }),
  nodes: integer("N", { help: "Nodes of the cluster", fallback: 3, min: 3, max: 9 }),
  keep: toggle({ help: "Keep data and logs when all was well, too" }),
};

/** A cluster of its own for each: a history that is judged in one piece must not grow for ever. */
const MINUTES_OF_A_RUN = 2;

async function run({ minutes, seed, nodes, keep }: Values<typeof flags>): Promise<number> {
  let hasFailed = false;
  for (let done = 0; done < minutes && !hasFailed; done += MINUTES_OF_A_RUN) {
    const runMinutes = Math.min(MINUTES_OF_A_RUN, minutes - done);
    const runSeed = (seed + done) % 2 ** 32;
    console.log(`seed ${runSeed}, ${runMinutes} minutes, ${nodes} nodes`);
    const durationMs = runMinutes * 60_000;
    const report = await runNemesis({ seed: runSeed, durationMs, nodes, keep, log: console.log });
    tell(runSeed, report);
    hasFailed = report.violations.length > 0;
  }
  return hasFailed ? 1 : 0;
}

function tell(seed: number, report: RunReport): void {
  const { operations, unknown, refused, faults, longestGap, violations, dir } = report;
  const listed = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, count]) => `${what} ${count}`).join(", ");
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${operations} operations: ${unknown} of unknown outcome, ${refused} refused`);
  console.log(`clients were told: ${listed(report.errors)}`);
  console.log(`${total} faults: ${listed(faults)}`);
  const { added, removed, transferred } = report.changes;
  console.log(
    `${added} members added, ${removed} removed, leadership handed over ${transferred} times`,
  );
  const { taken, installed } = report.snapshots;
  console.log(`${taken} snapshots taken, ${installed} installed`);
  if (!report.hadSmallDisk) {
    console.log("no disk was filled: that needs root, to mount a small one");
  }
  const { atMs, forMs } = longestGap;
  console.log(
    `longest time without service: ${Math.round(forMs)} ms, from ${Math.round(atMs)} ms on`,
  );
  for (const violation of violations) console.log(violation);
  if (dir !== null) console.log(`data and logs are in ${dir}`);
  console.log(
    violations.length === 0
      ? "verdict: linearizable, all nodes equal"
      : `verdict: BROKEN with seed ${seed}`,
  );
}

await runTask({
  name: "nemesis",
  about: "Runs real nodes and proxies under faults, and judges what their clients saw.",
  flags,
  run,
});
