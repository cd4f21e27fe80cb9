/**
 * Measures files on a cluster of three nodes with three copies: PUT beside `cp` and `sync`, GET
 * beside nginx, the memory of each process, and the latency of SET beside an upload. Prints
 * Markdown. Results on shared machines drift, so compare only the ratios within one run.
 *
 * deno task bench:files [--only PART,…] [--quick] [--rounds N]
 */
import { messageOf, UserError } from "../src/base/errors.ts";
import { type Flag, integer, toggle, type Values } from "../src/cli/flags.ts";
import { FULL_SIZES, QUICK_SIZES } from "./bench/files/file_loads.ts";
import { measureLatencyBesideUpload } from "./bench/files/latency_beside_upload.ts";
import { measureMemoryOfFlow } from "./bench/files/memory_of_flow.ts";
import { measurePutAndGet } from "./bench/files/put_and_get.ts";
import { withResources } from "./bench/resources.ts";
import { runTask } from "./run_task.ts";

const MB = 1_000_000;
const FLOW_FILE_BYTES = 1_000 * MB;
const UPLOAD_BYTES = 2_000 * MB;
/** With `--quick`, files are so many times smaller. */
const QUICK_SHARE = 10;
const PARTS = ["throughput", "memory", "latency"] as const;
type Part = typeof PARTS[number];

const only: Flag<readonly Part[]> = {
  placeholder: "PART,…",
  help: `Measure only these parts: ${PARTS.join(", ")}; by default all`,
  defaultValue: PARTS,
  isRequired: false,
  parse(text) {
    const names = text.split(",").map((name) => name.trim());
    if (names.some((name) => !PARTS.some((part) => part === name))) {
      throw new UserError(`expected one or several of ${PARTS.join(", ")}`);
    }
    return PARTS.filter((part) => names.includes(part));
  },
};

const flags = {
  only,
  quick: toggle({ help: "Use files that are five to ten times smaller" }),
  rounds: integer("N", {
    help: "Number of counted runs, which take turns; for loads, after one for warm-up",
    defaultValue: 3,
    min: 1,
    max: 100,
  }),
  rate: integer("N", {
    help: "Part latency: SETs a second",
    defaultValue: 2_000,
    min: 1,
    max: 100_000,
  }),
};

async function run({ only, quick, rounds, rate }: Values<typeof flags>): Promise<number> {
  const share = quick ? QUICK_SHARE : 1;
  const measure: Readonly<Record<Part, () => Promise<void>>> = {
    throughput: () => measurePutAndGet(rounds, quick ? QUICK_SIZES : FULL_SIZES),
    memory: () => withResources((one) => measureMemoryOfFlow(one, FLOW_FILE_BYTES / share)),
    latency: () =>
      withResources((one) => {
        return measureLatencyBesideUpload(one, { rounds, rate, uploadBytes: UPLOAD_BYTES / share });
      }),
  };
  console.log(`${navigator.hardwareConcurrency} processors, Deno ${Deno.version.deno}.`);
  let exitCode = 0;
  for (const part of only) {
    console.log(`\n## ${part}`);
    try {
      await measure[part]();
    } catch (error) {
      console.log(`\nCannot finish ${part}: ${messageOf(error)}`);
      exitCode = 1;
    }
  }
  return exitCode;
}

await runTask({
  name: "bench:files",
  about: "Measures files: PUT, GET, memory, and SET beside an upload. Prints Markdown.",
  flags,
  run,
});
