import { ask, type LocalCluster, type Member } from "../../tests/support/local_cluster.ts";
import { fill } from "./fill.ts";
import { megabytes } from "./format.ts";
import { MarkdownTable } from "./markdown_table.ts";
import { measureGrowth } from "./memory_growth.ts";
import { startCluster, startRedis } from "./peers.ts";
import { settledBytes } from "./resident_bytes.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const VALUE_BYTES = 64;

/** What a million small keys take, and whether writing them over and over takes more. */
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
