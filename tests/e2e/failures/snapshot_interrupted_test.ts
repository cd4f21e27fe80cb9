import { assert, assertEquals, assertMatch } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import {
  fillWithLarge,
  incomingBytes,
  largeValue,
  untilSnapshotOfAll,
} from "../../support/large_values.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** The compiled program may be of an older Deno, which takes far longer for this many bytes. */
const isOlder = Deno.env.get("REGENT_BINARY") !== undefined;
const MIB = 1024 * 1024;
const VALUES = 24;
const PATIENCE = ["--election-ms", isOlder ? "3000" : "1000"];
const FLAGS = ["--allow-faults", "--snapshot-log-bytes", "4m", ...PATIENCE];

/** Bug reports of other systems' users, replayed with real processes. */
Deno.test("an interrupted snapshot still arrives", async (t) => {
  await withCluster({ ...PATIENT, nodeFlags: FLAGS }, async (cluster) => {
    await fillWithLarge(cluster.proxy, VALUES);
    await untilSnapshotOfAll(cluster);
    await t.step("its receiver is killed and comes back", () => killsReceiver(cluster));
    await t.step("its sender is killed", () => killsSender(cluster));
    await t.step("its file at the sender is cut short", () => cutsFile(cluster));
    await t.step("its receiver is removed, and the next one joins", () => removes(cluster));
  });
});

async function killsReceiver(cluster: LocalCluster): Promise<void> {
  const joined = await withPart(cluster, "n4", 0.5);
  await joined.process.signal("SIGKILL");
  await joined.process.ended();
  cluster.restart(joined);
  await untilWhole(cluster, joined);
  assertEquals([...Deno.readDirSync(`${joined.dir}/snapshots`)].length, 1);
}

async function killsSender(cluster: LocalCluster): Promise<void> {
  const joined = await withPart(cluster, "n5", 0.3);
  const sender = await cluster.leader();
  await sender.process.signal("SIGKILL");
  await sender.process.ended();
  await untilWhole(cluster, joined);
  cluster.restart(sender);
  await untilWhole(cluster, sender);
}

async function cutsFile(cluster: LocalCluster): Promise<void> {
  const sender = await untilSnapshotOfAll(cluster);
  const joined = await withPart(cluster, "n6", 0.1);
  for (const { name } of Deno.readDirSync(`${sender.dir}/snapshots`)) {
    Deno.truncateSync(`${sender.dir}/snapshots/${name}`, (VALUES - 4) * MIB);
  }
  await untilWhole(cluster, joined);
  assertMatch(
    sender.process.said,
    /cannot send n6.* a snapshot: .* cannot be read, .*; takes a new/,
  );
}

async function removes(cluster: LocalCluster): Promise<void> {
  const removed = await withPart(cluster, "n7", 0.1);
  await remove(cluster, removed);
  await untilWhole(cluster, cluster.join("n8", cluster.proxy, FLAGS));
}

async function remove(cluster: LocalCluster, { name, process }: Member): Promise<void> {
  const from = `127.0.0.1:${cluster.proxy.port}`;
  const { code, stdout } = await runRegent(["remove", name, "--from", from]);
  assertEquals([code, stdout.trim()], [0, `${name} is removed`]);
  assertEquals((await process.ended()).code, 0);
}

/**
 * A node with a slow disk that joins, and has received this much of the snapshot. On a busy machine
 * it may have received all of it before its disk is slow, or before the test checks: then another
 * node joins.
 */
async function withPart(cluster: LocalCluster, name: string, part: number): Promise<Member> {
  const describe = () => cluster.said();
  for (const attempt of ["", "b", "c", "d"]) {
    const joined = cluster.join(`${name}${attempt}`, cluster.proxy, FLAGS);
    await until("its disk is slow", async () => {
      return replyText(await ask(joined, ["FAULT", "slow-disk", "300"])) === "OK";
    }, { describe });
    const isThere = () => incomingBytes(joined) > part * VALUES * MIB;
    const isOver = () => joined.process.said.includes("installs the snapshot");
    await until(`${name} has a part of the snapshot`, () => isThere() || isOver(), {
      timeoutMs: 120_000,
      describe,
    });
    if (!isOver()) return joined;
    console.log(`${joined.name} had the whole snapshot at once`);
    await untilWhole(cluster, joined); // only one change of members at a time
    await remove(cluster, joined);
  }
  throw new Error(`no node was seen with a part of the snapshot\n${cluster.said()}`);
}

/** Waits until a node is a voter and has the state. */
async function untilWhole(cluster: LocalCluster, member: Member): Promise<void> {
  await until(`${member.name} has its vote, and all that is committed`, async () => {
    const leader = await roleOf(await cluster.leader());
    const report = await roleOf(member);
    return leader !== null && report !== null && report.role !== "learner" &&
      report.appliedIndex >= leader.commitIndex;
  }, { timeoutMs: 120_000, describe: () => cluster.said() });
  for (const at of [0, VALUES - 1]) {
    assert(await ask(member, ["GET", `large:${at}`]) === largeValue(at));
  }
}
