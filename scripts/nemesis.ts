/**
 * Runs real nodes and proxies under faults, and checks what their clients saw. In the first half of
 * each run all processes are on one machine, and everything may fail. In the second half each has a
 * machine of its own (a network namespace, which needs Linux and root), cables are cut, and clients
 * must be served while a majority can be reached. If a promise was broken, the exit code is 1, and
 * data and logs are kept. The seed decides faults and requests. The timing of real processes
 * differs from run to run, so a seed does not repeat a run exactly.
 *
 * deno task nemesis [--minutes N] [--seed N] [--nodes 3|5] [--keep]
 */
import { integer, toggle, type Values } from "../src/cli/flags.ts";
import { runInOwnNamespace } from "../tests/nemesis/network/own_namespace.ts";
import type { NetworkReport } from "../tests/nemesis/network/run_network_nemesis.ts";
import { runNemesis, type RunReport } from "../tests/nemesis/run_nemesis.ts";
import { runTask } from "./run_task.ts";

const flags = {
  minutes: integer("N", { help: "Duration in minutes", defaultValue: 1, min: 1, max: 10_000 }),
  seed: integer("N", {
    help: "Seed of the faults and requests; the default is random",
    defaultValue: Math.floor(Math.random() * 2 ** 31),
    min: 0,
    max: 2 ** 32 - 1,
  }),
  nodes: integer("N", { help: "Number of nodes", defaultValue: 3, min: 3, max: 9 }),
  keep: toggle({ help: "Keep data and logs even if no promise was broken" }),
};

/**
 * Each run has its own cluster, so that its history stays short enough to be checked as a whole.
 */
const RUN_MINUTES_MAX = 2;
/**
 * Sizes of the large values under network faults, in MiB. Runs use them in turn. With the
 * second one, snapshots are large.
 */
const LARGE_MIB = [4, 48];

async function run({ minutes, seed, nodes, keep }: Values<typeof flags>): Promise<number> {
  let hasFailed = false;
  for (let done = 0; done < minutes && !hasFailed; done += RUN_MINUTES_MAX) {
    const runMinutes = Math.min(RUN_MINUTES_MAX, minutes - done);
    const runSeed = (seed + done) % 2 ** 32;
    console.log(`seed ${runSeed}, ${runMinutes} minutes, ${nodes} nodes`);
    const durationMs = runMinutes * 30_000;
    const options = { seed: runSeed, durationMs, nodes, keep };
    const report = await runNemesis({ ...options, log: console.log });
    printReport(runSeed, report);
    const largeMiB = LARGE_MIB[(done / RUN_MINUTES_MAX) % LARGE_MIB.length] ?? 0;
    console.log(`each on a machine of its own, with ${largeMiB} MiB of large values`);
    const network = await runInOwnNamespace({ ...options, largeMiB }, console.log);
    printNetworkReport(runSeed, network);
    hasFailed = [report, network].some((one) => one !== null && one.violations.length > 0);
  }
  return hasFailed ? 1 : 0;
}

function printReport(seed: number, report: RunReport): void {
  const { operations, unknown, refused, faults, longestGap, violations, dir } = report;
  const listed = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, count]) => `${what} ${count}`).join(", ");
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${operations} operations: ${unknown} of unknown outcome, ${refused} refused`);
  console.log(`errors that clients received: ${listed(report.errors)}`);
  console.log(`${total} faults: ${listed(faults)}`);
  const { added, removed, transferred } = report.changes;
  console.log(
    `${added} members added, ${removed} removed, leadership transferred ${transferred} times`,
  );
  const { taken, installed } = report.snapshots;
  console.log(`${taken} snapshots taken, ${installed} installed`);
  if (!report.hadSmallDisk) {
    console.log("no disk was filled: mounting a small one needs root");
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

function printNetworkReport(seed: number, report: NetworkReport | null): void {
  if (report === null) return console.log("no cable was cut: that needs Linux and root");
  const { operations, unknown, refused, violations, snapshots, dir } = report;
  const listed = (counts: readonly (readonly [string, number])[]) =>
    counts.map(([what, count]) => `${what} ${count}`).join(", ");
  console.log(`${operations} operations: ${unknown} of unknown outcome, ${refused} refused`);
  console.log(`errors that clients received: ${listed(report.errors)}`);
  console.log(`faults: ${listed(report.faults)}`);
  console.log(`${snapshots.taken} snapshots taken, ${snapshots.installed} installed`);
  console.log(
    `longest wait for an answer: ${Math.round(report.longestAnswerMs)} ms; the limit applied for ` +
      `${Math.round(100 * report.shareOwed)} % of the time; ` +
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
  about: "Runs real nodes and proxies under faults, and checks what their clients saw.",
  flags,
  run,
});
