/**
 * Runs real nodes and proxies under faults, and judges what their clients saw. In the first half of
 * each run all are on one machine, and everything may fail. In the second half each has a machine
 * of its own (a network namespace, which needs Linux and root), cables are cut, and clients have to
 * be served while a majority can be reached. Exits with 1 when a promise was broken, and keeps data
 * and logs then. The seed decides faults and requests; the timing of real processes is never the
 * same twice.
 *
 * deno task nemesis [--minutes N] [--seed N] [--nodes 3|5] [--keep]
 */
import { integer, toggle, type Values } from "../src/cli/flags.ts";
import { runInOwnNamespace } from "../tests/nemesis/network/own_namespace.ts";
import type { NetworkReport } from "../tests/nemesis/network/run_network_nemesis.ts";
import { runNemesis, type RunReport } from "../tests/nemesis/run_nemesis.ts";
import { runTask } from "./run_task.ts";

const flags = {
  minutes: integer("N", { help: "Duration in minutes", fallback: 1, min: 1, max: 10_000 }),
  seed: integer("N", {
    help: "The seed of the faults",
    fallback: Math.floor(Math.random() * 2 ** 31),
    min: 0,
    max: 2 ** 32 - 1,
  }),
  nodes: integer("N", { help: "Number of nodes", fallback: 3, min: 3, max: 9 }),
  keep: toggle({ help: "Keep data and logs even after a success" }),
};

/**
 * Each run has its own cluster: a history that is judged in one piece must not grow without bound.
 */
const MINUTES_OF_A_RUN = 2;
/**
 * Sizes of the data under network faults, in turn. The second one makes snapshots of real size.
 */
const LARGE_MIB = [4, 48];

async function run({ minutes, seed, nodes, keep }: Values<typeof flags>): Promise<number> {
  let hasFailed = false;
  for (let done = 0; done < minutes && !hasFailed; done += MINUTES_OF_A_RUN) {
    const runMinutes = Math.min(MINUTES_OF_A_RUN, minutes - done);
    const runSeed = (seed + done) % 2 ** 32;
    console.log(`seed ${runSeed}, ${runMinutes} minutes, ${nodes} nodes`);
    const durationMs = runMinutes * 30_000;
    const options = { seed: runSeed, durationMs, nodes, keep };
    const report = await runNemesis({ ...options, log: console.log });
    tell(runSeed, report);
    const largeMiB = LARGE_MIB[(done / MINUTES_OF_A_RUN) % LARGE_MIB.length] ?? 0;
    console.log(`each on a machine of its own, with ${largeMiB} MiB of large values`);
    const network = await runInOwnNamespace({ ...options, largeMiB }, console.log);
    tellOfNetwork(runSeed, network);
    hasFailed = [report, network].some((one) => one !== null && one.violations.length > 0);
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

function tellOfNetwork(seed: number, report: NetworkReport | null): void {
  if (report === null) return console.log("no cable was cut: that needs Linux and root");
  const { operations, unknown, refused, violations, snapshots, dir } = report;
  const listed = (counts: readonly (readonly [string, number])[]) =>
    counts.map(([what, count]) => `${what} ${count}`).join(", ");
  console.log(`${operations} operations: ${unknown} of unknown outcome, ${refused} refused`);
  console.log(`clients were told: ${listed(report.errors)}`);
  console.log(`faults: ${listed(report.faults)}`);
  console.log(`${snapshots.taken} snapshots taken, ${snapshots.installed} installed`);
  console.log(
    `longest wait for an answer: ${Math.round(report.longestAnswerMs)} ms; the bound was to be ` +
      `kept for ${Math.round(100 * report.shareOwed)} % of the time; ` +
      `the machine itself was busy for ${Math.round(report.busyMs)} ms`,
  );
  for (const violation of violations) console.log(violation);
  if (dir !== null) console.log(`data and logs are in ${dir}`);
  console.log(
    violations.length === 0
      ? "verdict: linearizable, all nodes equal, served whenever a majority could be reached"
      : `verdict: BROKEN with seed ${seed}`,
  );
}

await runTask({
  name: "nemesis",
  about: "Runs real nodes and proxies under faults, and judges what their clients saw.",
  flags,
  run,
});
