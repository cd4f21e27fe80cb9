/** `deno task fuzz`: feeds broken input to every decoder, a node, a proxy, and a cluster. */
import { choice, type Flags, integer, optional, type Values } from "../src/cli/flags.ts";
import { TARGETS } from "../tests/fuzz/all_targets.ts";
import { type FuzzResult, FuzzRun } from "../tests/fuzz/fuzz_run.ts";
import { fuzzCluster } from "../tests/fuzz/live_cluster.ts";
import { runTask } from "./run_task.ts";

const LIVE = "cluster";
const ALL = [...TARGETS.map(({ name }) => name), LIVE];

const flags = {
  seed: optional(
    integer("N", {
      help: "Seed of the first case; by default taken from the clock",
      defaultValue: 0,
      min: 0,
      max: 2 ** 32,
    }),
  ),
  seconds: integer("N", {
    help: "Duration of the whole run in seconds, shared by all targets",
    defaultValue: 60,
    min: 1,
    max: 10 ** 6,
  }),
  cases: integer("N", {
    help: "Maximum number of cases for each target",
    defaultValue: 10 ** 9,
    min: 1,
    max: 10 ** 9,
  }),
  target: optional(
    choice(ALL, { help: "Run only this target; by default all", defaultValue: LIVE }),
  ),
} satisfies Flags;

async function fuzz(
  { seed: given, seconds, cases, target }: Values<typeof flags>,
): Promise<number> {
  const seed = given ?? Date.now() % 2 ** 31;
  const names = target === undefined ? ALL : [target];
  const secondsEach = seconds / names.length;
  console.log(`seed ${seed}`);
  const run = new FuzzRun();
  let total = 0;
  let failures = 0;
  for (const name of names) {
    const result = name === LIVE
      ? await liveResult(seed, secondsEach)
      : await run.target({ target: name, seed, seconds: secondsEach, cases });
    report(result, seed);
    total += result.cases;
    if (result.failure !== null) failures++;
  }
  run.stop();
  console.log(`${total} cases, ${failures} failures`);
  return failures === 0 ? 0 : 1;
}

async function liveResult(seed: number, seconds: number): Promise<FuzzResult> {
  const startMs = Date.now();
  try {
    const { connections, rssMibMax } = await fuzzCluster({ seed, seconds });
    console.log(`${LIVE.padEnd(12)} at most ${rssMibMax} MiB in a process`);
    return { target: LIVE, cases: connections, tookMs: Date.now() - startMs, failure: null };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { target: LIVE, cases: 0, tookMs: Date.now() - startMs, failure };
  }
}

function report({ target, cases, tookMs, failure }: FuzzResult, seed: number): void {
  const rate = Math.round(1000 * cases / Math.max(1, tookMs));
  console.log(`${target.padEnd(12)} ${String(cases).padStart(9)} cases, ${rate} a second`);
  if (failure === null) return;
  console.log(`FAILED ${failure}`);
  console.log(
    `Repeat it: deno task fuzz --target ${target} --cases 1 ` +
      `--seed ${failedSeed(failure) ?? seed}`,
  );
}

function failedSeed(failure: string): string | undefined {
  return /^seed (\d+)/.exec(failure)?.[1];
}

await runTask({
  name: "fuzz",
  about: "Feeds random and almost valid input to every decoder, a node, a proxy, and a cluster.",
  flags,
  run: fuzz,
});
