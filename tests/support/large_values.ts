import { assertEquals } from "@std/assert";
import type { Reply } from "../../src/resp/reply.ts";
import { ask, type LocalCluster, type Member, roleOf } from "./local_cluster.ts";
import { PatientClient } from "./patient_client.ts";
import { replyText } from "./reply_text.ts";
import { until } from "./until.ts";

const MIB = 1024 * 1024;

/** Random bytes, which cannot be compressed. */
const NOISE = new TextDecoder("latin1").decode(
  Uint8Array.from({ length: MIB }, () => 160 + Math.random() * 96),
);

/** The value of about `bytes` that `fillWithLarge` sets for this key number. */
export function largeValue(at: number, bytes = MIB): string {
  return `${at}:` + NOISE.slice(at % 1000, at % 1000 + bytes);
}

/** Sets N keys `large:0`, `large:1`, … to values of about `bytes` each, about 2 MiB at a time. */
export async function fillWithLarge(member: Member, count: number, bytes = MIB): Promise<void> {
  const pipelined = Math.ceil(2 * MIB / bytes);
  const client = await PatientClient.connect(member);
  const written: Promise<Reply>[] = [];
  for (let at = 0; at < count; at++) {
    const reply = client.request(["SET", `large:${at}`, largeValue(at, bytes)]);
    reply.catch(() => {}); // awaited below, in its turn
    written.push(reply);
    if (written.length >= pipelined) assertEquals(replyText(await written.shift() ?? null), "OK");
  }
  for (const reply of await Promise.all(written)) assertEquals(replyText(reply), "OK");
  client.close();
}

/** Waits until the leader has a snapshot of everything written before. */
export async function untilSnapshotOfAll(cluster: LocalCluster): Promise<Member> {
  const leader = await cluster.leader();
  const wanted = (await roleOf(leader))?.commitIndex ?? Infinity;
  await until(`${leader.name} has a snapshot of entry ${wanted}`, async () => {
    const info = String(await ask(leader, ["INFO", "persistence"]));
    const [, index] = /snapshot_index:(\d+)/.exec(info) ?? [];
    if (Number(index) >= wanted) return true;
    if (info.includes("rdb_bgsave_in_progress:0")) await ask(leader, ["BGSAVE"]);
    return false;
  }, { timeoutMs: 120_000, describe: () => cluster.said() });
  return leader;
}

/**
 * Waits until the leader's log lacks an entry that came after this one. A leader keeps what a
 * follower lacks until it has not heard from that follower for a while.
 */
export async function untilCompacted(cluster: LocalCluster, index: number): Promise<void> {
  const leader = await cluster.leader();
  await until(`${leader.name}'s log begins after entry ${index + 1}`, async () => {
    const info = String(await ask(leader, ["INFO", "persistence"]));
    return Number(/log_first_index:(\d+)/.exec(info)?.[1]) > index + 1;
  }, { describe: () => cluster.said() });
}

/** Number of bytes that a node has received of the snapshot that is being sent to it. */
export function incomingBytes({ dir }: Member): number {
  try {
    return Deno.statSync(`${dir}/snapshots/incoming`).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
