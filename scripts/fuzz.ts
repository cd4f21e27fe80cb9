/** `deno task fuzz`: nonsense and near-sense against every decoder, a node, a proxy, and a cluster. */
import { targetNamed, TARGETS } from "../tests/fuzz/all_targets.ts";
import { type FuzzResult, FuzzRun } from "../tests/fuzz/fuzz_run.ts";
import { fuzzCluster } from "../tests/fuzz/live_cluster.ts";
import { type Flags, integer, parseFlags, text } from "../src/cli/flags.ts";

const LIVE = "cluster";
const NO_SEED = -1;

const flags = {
  seed: integer("N", {
    help: "The first case's seed; by default the time",
    fallback: NO_SEED,
    min: NO_SEED,
    max: 2 ** 32,
  }),
  seconds: integer("N", { help: "For all targets together", fallback: 60, min: 1, max: 10 ** 6 }),
  cases: integer("N", { help: "Of each target, at most", fallback: 10 ** 9, min: 1, max: 10 ** 9 }),
  target: text("NAME", { help: "One target alone", fallback: "" }),
} satisfies Flags;

const values = parseFlags(flags, Deno.args, (name) => Deno.env.get(name));
const seed = values.seed === NO_SEED ? Date.now() % 2 ** 31 : values.seed;
if (values.target !== "" && values.target !== LIVE) targetNamed(values.target);
const names = [...TARGETS.map(({ name }) => name), LIVE]
  .filter((name) => values.target === "" || name === values.target);
const seconds = values.seconds / names.length;

console.log(`seed ${seed}`);
const run = new FuzzRun();
let total = 0;
let failures = 0;
for (const name of names) {
  const result = name === LIVE
    ? await liveResult()
    : await run.target({ target: name, seed, seconds, cases: values.cases });
  report(result);
  total += result.cases;
  if (result.failure !== null) failures++;
}
run.stop();
console.log(`${total} cases, ${failures} failures`);
if (failures > 0) Deno.exit(1);

async function liveResult(): Promise<FuzzResult> {
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

function report({ target, cases, tookMs, failure }: FuzzResult): void {
  const rate = Math.round(1000 * cases / Math.max(1, tookMs));
  console.log(`${target.padEnd(12)} ${String(cases).padStart(9)} cases, ${rate} a second`);
  if (failure === null) return;
  console.log(`FAILED ${failure}`);
  console.log(`Again: deno task fuzz --target ${target} --cases 1 --seed ${failedSeed(failure)}`);
}

function failedSeed(failure: string): string {
  return /^seed (\d+)/.exec(failure)?.[1] ?? String(seed);
}
