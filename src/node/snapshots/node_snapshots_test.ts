import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskCluster } from "../../../tests/support/disk_cluster.ts";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { MemoryClient } from "../../../tests/support/node/memory_cluster.ts";
import { metaOf, openSnapshots, takeSnapshot } from "../../../tests/support/snapshots.ts";
import { UserError } from "../../base/errors.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { ErrorReply, OK, type Reply } from "../../resp/reply.ts";
import type { SnapshotChunk } from "../peers/peer_message.ts";
import { restoreNewest } from "./node_snapshots.ts";

/** Overwrites `keys` keys with values of `bytes` bytes, and waits for all replies. */
function write(cluster: DiskCluster, count: number, keys: number, bytes: number, tag = ""): void {
  const client = new MemoryClient(cluster.life(cluster.leader).node);
  for (let at = 0; at < count; at++) {
    const value = `${tag}${at}`.padEnd(bytes, "x");
    const answer = client.send("SET", `key${at % keys}`, value);
    cluster.until(() => answer.reply !== undefined);
    assertEquals(String((answer.reply as { text?: string }).text ?? answer.reply), "OK");
  }
}

const chunksTo = (cluster: DiskCluster, id: string) =>
  cluster.sent.filter((one): one is SnapshotChunk => one.type === "snapshotChunk" && one.to === id);

/** Cuts off the first follower until it needs entries that the leader's log no longer has. */
async function withOneFarBehind(
  run: (cluster: DiskCluster, behind: string) => void | Promise<void>,
  { bytes = 4_000, keys = 200 } = {},
): Promise<void> {
  const cluster = new DiskCluster(3);
  await cluster.startAll();
  cluster.untilServing();
  const [behind] = cluster.followers;
  assert(behind !== undefined);
  write(cluster, 3, keys, bytes, "early");
  assert(cluster.life(behind).node.snapshots?.take());
  cluster.until(() => cluster.life(behind).snapshots.newest() !== null);
  cluster.kill(behind);
  write(cluster, 2 * keys, keys, bytes, "late");
  const { log, node } = cluster.life(cluster.leader);
  cluster.until(() => log.firstIndex() > 10 && !(node.snapshots?.report().isTaking ?? true));
  assertEquals(node.snapshots?.report().logFirstIndex, log.firstIndex());
  try {
    await run(cluster, behind);
  } finally {
    cluster.stop();
  }
}

function untilEven(cluster: DiskCluster): void {
  cluster.until(() => cluster.isEven());
  const states = new Set([...cluster.lives.keys()].map((id) => cluster.stateOf(id)));
  assertEquals(states.size, 1);
}

Deno.test("the data directory stays within a small multiple of the live data", async () => {
  const cluster = new DiskCluster(3);
  await cluster.startAll();
  cluster.untilServing();
  for (let round = 0; round < 10; round++) write(cluster, 100, 40, 1_000);
  cluster.until(() => cluster.isEven());
  for (const id of cluster.lives.keys()) {
    assert(cluster.sizeBytes(id) < 6 * 40_000, `${id} keeps ${cluster.sizeBytes(id)} bytes`);
    const report = cluster.life(id).node.snapshots?.report();
    assert((report?.count ?? 0) >= 5, `${id} took ${report?.count}`);
  }
  cluster.stop();
});

/** The state without the log's time, which is the third field. */
function withoutTime(state: string): string {
  const shortened = state.replace(/^(\[\["state",\d+,)\d+/, "$1");
  assert(shortened !== state, state.slice(0, 60));
  return shortened;
}

Deno.test("a node restarts from its snapshot and the log after it", async () => {
  const cluster = new DiskCluster(3);
  await cluster.startAll();
  cluster.untilServing();
  write(cluster, 100, 30, 1_000);
  cluster.until(() => cluster.isEven());
  const before = cluster.stateOf("n1");
  for (const id of ["n1", "n2", "n3"]) cluster.kill(id);
  await cluster.startAll();
  cluster.untilServing();
  untilEven(cluster);
  // A new leader lets the log's time pass.
  assertEquals(withoutTime(cluster.stateOf("n2")), withoutTime(before));
  assert(cluster.life("n1").log.firstIndex() > 1);
  cluster.stop();
});

Deno.test("a follower far behind gets a snapshot while writes go on", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    write(cluster, 60, 200, 500, "meanwhile");
    untilEven(cluster);
    assert(chunksTo(cluster, behind).length > 3);
    const { log, disk } = cluster.life(behind);
    assert(log.firstIndex() > 10);
    cluster.until(() => disk.list("snapshots").length === 1);
  }));

Deno.test("a node that receives a snapshot reports it, and refuses reads until it has caught up", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    const { node } = cluster.life(behind);
    const pushed: boolean[] = [];
    node.watch(() => pushed.push(node.report().isServing));
    cluster.until(() => chunksTo(cluster, behind).length >= 1);
    cluster.isLost = ({ type }) => type === "snapshotChunk";
    const client = new MemoryClient(node);
    const waiting = client.send("GET", "key1");
    cluster.until(() => waiting.reply !== undefined);
    assert(waiting.reply instanceof ErrorReply && waiting.reply.text.startsWith("TRYAGAIN "));
    assertEquals([node.report().isServing, node.report().isCatchingUp], [false, true]);
    assert(client.send("GET", "key1").reply instanceof ErrorReply, "refused at once");
    cluster.isLost = () => false;
    untilEven(cluster);
    cluster.until(() => node.report().isServing);
    assertEquals([node.report().isCatchingUp, pushed.at(-1)], [false, true]);
    const answer = client.send("GET", "key1");
    cluster.until(() => answer.reply !== undefined);
    assertEquals(typeof answer.reply, "string");
  }));

Deno.test("a snapshot that is damaged at the leader is taken again at once", () =>
  withOneFarBehind(async (cluster, behind) => {
    const { disk, snapshots, node } = cluster.life(cluster.leader);
    // Nothing new arrives: the next snapshot is of the same entry.
    node.snapshots?.take();
    cluster.until(() => snapshots.newest()?.index === node.report().appliedIndex);
    const path = `snapshots/${disk.list("snapshots").at(-1)}`;
    const bytes = disk.read(path) ?? new Uint8Array(0);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    disk.plant(path, bytes);
    const startedMs = cluster.clock.monotonicMs();
    await cluster.start(behind);
    untilEven(cluster);
    const tookMs = cluster.clock.monotonicMs() - startedMs;
    assert(tookMs < 8_000, `${tookMs} ms`);
    assert(cluster.logLines.some((line) => line.includes("is damaged, at byte")));
  }));

Deno.test("a stream continues where its connection ended", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    cluster.until(() => chunksTo(cluster, behind).length >= 2);
    cluster.network.isolate(cluster.portOf(behind));
    cluster.clock.advance(5_000);
    const before = chunksTo(cluster, behind).length;
    cluster.network.heal();
    untilEven(cluster);
    const offsets = chunksTo(cluster, behind).slice(before).map(({ offset }) => offset);
    assert(Math.min(...offsets) > 0, `sent again from ${offsets[0]}`);
  }));

Deno.test("a stream survives the end of its leader, and of its receiver", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    cluster.until(() => chunksTo(cluster, behind).length >= 2);
    const { leader } = cluster;
    cluster.kill(leader);
    cluster.untilServing();
    cluster.until(() => chunksTo(cluster, behind).some(({ from }) => from !== leader));
    cluster.kill(behind);
    await cluster.start(leader);
    cluster.untilServing();
    await cluster.start(behind);
    untilEven(cluster);
    write(cluster, 5, 200, 100, "after");
    untilEven(cluster);
  }));

Deno.test("a newer snapshot does not disturb a stream in progress", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    const { node, snapshots } = cluster.life(cluster.leader);
    const old = snapshots.newest()?.index ?? 0;
    cluster.until(() => chunksTo(cluster, behind).length >= 1);
    assert(node.snapshots?.take());
    cluster.until(() => (snapshots.newest()?.index ?? 0) > old);
    untilEven(cluster);
    assertEquals([...new Set(chunksTo(cluster, behind).map(({ index }) => index))], [old]);
    const { disk } = cluster.life(cluster.leader);
    cluster.until(() => disk.list("snapshots").length === 1);
  }));

Deno.test("a follower that lags slightly needs no snapshot", async () => {
  const cluster = new DiskCluster(3);
  await cluster.startAll();
  cluster.untilServing();
  write(cluster, 60, 20, 500);
  const [behind] = cluster.followers;
  assert(behind !== undefined);
  cluster.kill(behind);
  write(cluster, 3, 20, 500);
  const { node, snapshots } = cluster.life(cluster.leader);
  const { appliedIndex } = node.report();
  assert(node.snapshots?.take());
  cluster.until(() => snapshots.newest()?.index === appliedIndex);
  cluster.clock.advance(5_000);
  await cluster.start(behind);
  untilEven(cluster);
  assert(cluster.life(cluster.leader).log.firstIndex() > 1);
  assertEquals(cluster.sent.filter(({ type }) => type === "snapshotOffer"), []);
  cluster.stop();
});

Deno.test("a snapshot contains the members, from restart to restart", async () => {
  const cluster = new DiskCluster(4);
  await cluster.startAll();
  cluster.untilServing();
  const [behind, gone] = cluster.followers;
  assert(behind !== undefined && gone !== undefined);
  const { leader } = cluster;
  cluster.kill(behind);
  let reply: Reply | undefined;
  cluster.life(leader).node.membership.forget(gone, true, (one) => reply = one);
  cluster.until(() => reply !== undefined);
  assertEquals(reply, OK);
  cluster.kill(gone);
  for (let round = 0; round < 2; round++) {
    const { log, node } = cluster.life(leader);
    const last = node.report().lastIndex;
    write(cluster, 60, 10, 1_000);
    cluster.until(() => log.firstIndex() > last + 1);
    await cluster.start(behind);
    untilEven(cluster);
    const members = () => cluster.life(behind).node.report().members.map(({ id }) => id);
    assert(!members().includes(gone));
    assert(cluster.life(behind).node.snapshots?.take());
    cluster.until(() => !(cluster.life(behind).node.snapshots?.report().isTaking ?? true));
    cluster.kill(behind);
    await cluster.start(behind);
    assert(!members().includes(gone), "it is in the snapshot");
    cluster.kill(behind);
  }
  assert(cluster.sent.some(({ type }) => type === "snapshotOffer"));
  cluster.stop();
});

Deno.test("a write that a snapshot decides has an unknown outcome for its client", () =>
  withOneFarBehind(async (cluster, behind) => {
    await cluster.start(behind);
    untilEven(cluster);
    const { leader } = cluster;
    const { node } = cluster.life(leader);
    const asked = new MemoryClient(node);
    cluster.network.isolate(cluster.portOf(leader));
    const answer = asked.send("SET", "lost", "1");
    cluster.until(() => cluster.leader !== leader);
    const { log } = cluster.life(cluster.leader);
    const last = node.report().lastIndex;
    const writer = new MemoryClient(cluster.life(cluster.leader).node);
    for (let at = 0; log.firstIndex() <= last + 1; at++) {
      writer.send("SET", `key${at % 20}`, "y".repeat(4_000));
      cluster.clock.advance(4);
    }
    assertEquals(answer.reply, undefined);
    cluster.network.heal();
    const streams = () =>
      cluster.sent.filter(({ type, to }) => type === "snapshotOffer" && to === leader);
    cluster.until(() => answer.reply !== undefined);
    assert(streams().length > 0);
    assert(answer.reply instanceof ErrorReply && answer.reply.text.startsWith("UNKNOWN"));
    untilEven(cluster);
    const read = new MemoryClient(cluster.life(leader).node).send("GET", "lost");
    cluster.until(() => read.reply !== undefined);
    assertEquals(read.reply, null);
  }));

Deno.test("two snapshots close together", async () => {
  const cluster = new DiskCluster(1);
  await cluster.startAll();
  cluster.untilServing();
  const { node, snapshots } = cluster.life("n1");
  for (let round = 0; round < 5; round++) {
    write(cluster, 3, 10, 200, `round${round}`);
    assert(node.snapshots?.take());
    assert(!node.snapshots?.take(), "one at a time");
    cluster.until(() => !(node.snapshots?.report().isTaking ?? true));
    assertEquals(snapshots.newest()?.index, node.report().appliedIndex);
  }
  const state = cluster.stateOf("n1");
  cluster.kill("n1");
  await cluster.start("n1");
  cluster.untilServing();
  assertEquals(cluster.stateOf("n1"), state);
  cluster.stop();
});

Deno.test("a full disk costs a snapshot, and nothing else", async () => {
  const cluster = new DiskCluster(1);
  const full = new Error("no space left");
  cluster.faults.set(
    "n1",
    ({ kind, path }) =>
      path.startsWith("snapshots/") && kind === "write" ? { kind: "error", error: full } : null,
  );
  await cluster.startAll();
  cluster.untilServing();
  write(cluster, 60, 10, 1_000);
  const { node, snapshots } = cluster.life("n1");
  assertEquals(snapshots.newest(), null);
  assert(node.snapshots?.report().hasLastFailed);
  const isComplaint = (line: string) => line.includes("no space left");
  assertEquals(cluster.logLines.filter(isComplaint).length, 1, "not at every turn");
  cluster.faults.clear();
  cluster.clock.advance(31_000);
  cluster.until(() => snapshots.newest() !== null);
  cluster.stop();
});

Deno.test("a sound file without a valid state is reported in one line", () => {
  const store = openSnapshots(new FaultDisk({ schedule: (run) => run() }));
  restoreNewest(store, new StateMachine());
  takeSnapshot(store, 9, 2, () => {});
  const error = assertThrows(() => restoreNewest(store, new StateMachine()), UserError);
  assert(error.message.startsWith("Cannot use the snapshot of entry 9: "), error.message);
});

/** A store whose newest snapshot has this machine version and these chunks. */
function storeOf(
  machineVersion: number,
  chunksOf: (chunks: Uint8Array[]) => Uint8Array[] = (all) => all,
) {
  const machine = new StateMachine();
  machine.keyspace.set("k", "v");
  const chunks: Uint8Array[] = [];
  const view = machine.beginSnapshot();
  for (let chunk = view.next(1); chunk !== null; chunk = view.next(1)) chunks.push(chunk.slice());
  const disk = new FaultDisk({ schedule: (run) => run() });
  const store = openSnapshots(disk);
  const writer = store.begin({ ...metaOf(9, 2), machineVersion });
  for (const chunk of chunksOf(chunks)) writer?.write(chunk);
  writer?.finish(() => {});
  assertEquals(store.newest()?.index, 9);
  return { disk, store };
}

Deno.test("a snapshot of a version that this build does not support is refused at the start", () => {
  const { oldest, newest } = new StateMachine().versions;
  for (const version of [oldest, newest]) {
    const machine = new StateMachine();
    restoreNewest(storeOf(version).store, machine);
    assertEquals([machine.keyspace.find("k")?.value, machine.version], ["v", version]);
  }
  const machine = new StateMachine();
  const { store } = storeOf(newest + 1);
  const { message } = assertThrows(() => restoreNewest(store, machine), UserError);
  const start = `Cannot use the snapshot of entry 9: the log is at state machine version ${
    newest + 1
  }`;
  assert(message.startsWith(start), message);
  assertEquals(machine.keyspace.size, 0);
});

Deno.test("a state without its end, or a file that has become damaged, is refused at the start", () => {
  const cut = storeOf(1, (chunks) => chunks.slice(0, -1));
  const machine = new StateMachine();
  const { message } = assertThrows(() => restoreNewest(cut.store, machine), UserError);
  assert(message.startsWith("Cannot use the snapshot of entry 9: "), message);
  const { disk, store } = storeOf(1);
  const [name] = disk.list("snapshots");
  const bytes = disk.read(`snapshots/${name}`);
  assert(bytes !== null);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  disk.plant(`snapshots/${name}`, bytes);
  const damage = assertThrows(() => restoreNewest(store, machine), UserError);
  assert(damage.message.startsWith(`Cannot read data/n1/snapshots/${name}: `), damage.message);
  assertEquals(machine.keyspace.size, 0);
});
