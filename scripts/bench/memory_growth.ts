import type { LocalCluster } from "../../tests/support/local_cluster.ts";
import { megabytes } from "./format.ts";
import { MarkdownTable } from "./markdown_table.ts";
import { median } from "./median.ts";
import { residentBytes } from "./resident_bytes.ts";
import { OpenLoopFigures, runOpenLoop } from "./run_open_loop.ts";

export interface GrowthOptions {
  /** They are there already, and written over by chance. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Writes a second. */
  readonly rate: number;
  readonly minutes: number;
}

const CONNECTIONS = 50;
const SAMPLES_PER_MINUTE = 60;
const SAMPLE_MS = 60_000 / SAMPLES_PER_MINUTE;

/** Watches the memory of all processes while keys are written over through the proxy. */
export async function measureGrowth(
  cluster: LocalCluster,
  { keys, valueBytes, rate, minutes }: GrowthOptions,
): Promise<void> {
  console.log(
    `\n${rate} SETs a second over the same keys, through the proxy. RSS in MB, the median of the ` +
      "seconds of each minute; it goes up and down with what is not collected yet.",
  );
  const members = [...cluster.nodes, ...cluster.proxies];
  const table = new MarkdownTable("minute", ...members.map(({ name }) => name));
  const load = { command: "set", keys, valueBytes, rate, connections: CONNECTIONS } as const;
  const figures = new OpenLoopFigures();
  const port = cluster.proxy.port;
  const writing = runOpenLoop({ ...load, port, seconds: 60 * minutes, warmupSeconds: 0 });
  const samples: number[][] = [];
  const rows: number[][] = [];
  let dead: string | undefined;
  const timer = setInterval(() => {
    dead ??= members.find(({ process }) => !process.isRunning)?.name;
    if (dead !== undefined) return;
    samples.push(members.map(({ process }) => residentBytes(process.processId)));
    if (samples.length % SAMPLES_PER_MINUTE !== 0) return;
    const minute = samples.slice(-SAMPLES_PER_MINUTE);
    const row = members.map((_, at) => median(minute.map((sample) => sample[at] ?? NaN)));
    rows.push(row);
    table.row(rows.length, ...row.map(megabytes));
  }, SAMPLE_MS);
  figures.add(await writing.finally(() => clearInterval(timer)));
  if (dead !== undefined) throw new Error(`${dead} ended meanwhile. ${cluster.said()}`);
  const middle = rows[Math.floor((rows.length - 1) / 2)] ?? [];
  const growth = (rows.at(-1) ?? []).map((bytes, at) => megabytes(bytes - (middle[at] ?? NaN)));
  table.row("middle to end", ...growth);
  console.log(`\n${figures.latencies.count} writes, errors: ${figures.errorText()}`);
}
