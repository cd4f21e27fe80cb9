import { ask, type LocalCluster, type Member } from "../../tests/support/local_cluster.ts";
import { fill } from "./load.ts";
import { OpenLoopFigures, runOpenLoop } from "./open_loop.ts";
import { startCluster, startRedis } from "./peers.ts";
import { residentBytes, settledBytes } from "./processes.ts";
import { MarkdownTable, median, megabytes } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const VALUE_BYTES = 64;

/** Measures the memory of many small keys, and whether it grows while they are overwritten. */
export async function measureMemory(resources: Resources, settings: Settings): Promise<void> {
  const { keys, minutes, rate } = settings;
  console.log(`\n${keys} keys of 16 bytes with values of ${VALUE_BYTES}.`);
  const table = new MarkdownTable("process", "before, MB", "after, MB", "bytes/key");
  const row = (name: string, before: number, after: number) =>
    table.row(name, megabytes(before), megabytes(after), Math.round((after - before) / keys));
  await fillRedis(resources, keys, row);
  const cluster = await startCluster(resources);
  await fillCluster(cluster, keys, row);
  if (minutes > 0) {
    await measureGrowth(cluster, { keys, valueBytes: VALUE_BYTES, rate, minutes });
  }
}

type Row = (name: string, before: number, after: number) => void;

async function fillRedis(resources: Resources, keys: number, row: Row): Promise<void> {
  const redis = await startRedis(resources);
  const measure = async () => ({
    used: await usedMemory(redis.port),
    resident: (await settledBytes([redis.processId]))[0] ?? NaN,
  });
  const before = await measure();
  await fill({ port: redis.port, keys, valueBytes: VALUE_BYTES });
  const after = await measure();
  row("Redis, RSS", before.resident, after.resident);
  row("Redis, used_memory", before.used, after.used);
}

async function usedMemory(port: number): Promise<number> {
  const text = String(await ask({ port }, ["INFO", "memory"]));
  return Number(/^used_memory:(\d+)/m.exec(text)?.[1]);
}

async function fillCluster(cluster: LocalCluster, keys: number, row: Row): Promise<void> {
  const leader = await cluster.leader();
  const pids = cluster.nodes.map(({ process }) => process.processId);
  const before = await settledBytes(pids);
  await fill({ port: cluster.proxy.port, keys, valueBytes: VALUE_BYTES });
  const after = await settledBytes(pids);
  cluster.nodes.forEach((node: Member, at) => {
    const role = node === leader ? "leader" : "follower";
    row(`${role} ${node.name}, RSS`, before[at] ?? NaN, after[at] ?? NaN);
  });
}

interface GrowthOptions {
  /** Number of existing keys, which are overwritten at random. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Writes per second. */
  readonly rate: number;
  readonly minutes: number;
}

const CONNECTIONS = 50;
const SAMPLES_PER_MINUTE = 60;
const SAMPLE_MS = 60_000 / SAMPLES_PER_MINUTE;

/** Watches the memory of all processes while keys are overwritten through the proxy. */
async function measureGrowth(
  cluster: LocalCluster,
  { keys, valueBytes, rate, minutes }: GrowthOptions,
): Promise<void> {
  console.log(
    `\n${rate} SETs a second over the same keys, through the proxy. RSS in MB, the median of ` +
      "each minute's samples. It goes up and down with the garbage that is not collected yet.",
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
