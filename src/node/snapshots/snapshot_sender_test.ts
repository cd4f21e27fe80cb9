import { assert, assertEquals } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { openSnapshots, takeSnapshot } from "../../../tests/support/snapshots.ts";
import { silentLogger } from "../../base/logger.ts";
import type { PeerStatus, RaftStatus, SnapshotWanted } from "../../raft/types.ts";
import type { SnapshotMessage, SnapshotReply } from "../peers/peer_message.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

const WANTED: SnapshotWanted = { to: "n2", term: 3, index: 10 };

/** A sender on a store with a snapshot of entry 10. Disk operations end when the test says so. */
function start(chunkBytes = 40) {
  const running: (() => void)[] = [];
  let isLate = false;
  const disk = new FaultDisk({ schedule: (run) => isLate ? void running.push(run) : run() });
  const store = openSnapshots(disk);
  takeSnapshot(store, 10, 1, () => {}, chunkBytes);
  const snapshot = store.newest();
  assert(snapshot !== null);
  const sent: SnapshotMessage[] = [];
  const clock = new ManualClock();
  const damaged: StoredSnapshot[] = [];
  const sender = new SnapshotSender({
    id: "n1",
    store,
    clock,
    logger: silentLogger,
    send: (message) => void sent.push(message),
    onDamaged: (one) => void damaged.push(one),
  });
  const { index, checksum } = snapshot;
  const reply = (offset: number, isToOffer: boolean, change: Partial<SnapshotReply> = {}) =>
    sender.handleReply(
      {
        type: "snapshotReply",
        from: "n2",
        to: "n1",
        term: 3,
        index,
        checksum,
        offset,
        isToOffer,
        ...change,
      } satisfies SnapshotReply,
    );
  return {
    clock,
    store,
    disk,
    sender,
    snapshot,
    damaged,
    reply,
    sent: () => sent.splice(0).map((one) => one.type === "snapshotChunk" ? one.offset : one.type),
    lateFromNowOn: () => isLate = true,
    finish: () => running.shift()?.(),
  };
}

Deno.test("a peer that has the snapshot, and needs a newer one by now, gets the newer one", () => {
  const { store, sender, snapshot, reply, sent } = start();
  sender.start(WANTED);
  reply(0, true);
  sender.tick(statusOf({ match: 9 }));
  reply(snapshot.sizeBytes, false);
  takeSnapshot(store, 20, 1, () => {});
  sender.start(WANTED);
  assertEquals(sent(), ["snapshotOffer", 0]);

  // The core keeps asking. It has compacted the log up to 20 meanwhile.
  sender.tick(statusOf({ match: 10 }));
  assertEquals(sender.indexMin, null);
  sender.start(WANTED);
  assertEquals([sent(), sender.indexMin], [["snapshotOffer"], 20]);
});

Deno.test("chunks are read one after the other beside the event loop", () => {
  const { sender, reply, sent, lateFromNowOn, finish } = start(200_000);
  sender.start(WANTED);
  lateFromNowOn();
  reply(0, true);
  assertEquals(sent(), ["snapshotOffer"]);
  finish();
  assertEquals(sent(), [0]);
  const chunk = 128 * 1024;
  reply(chunk, false);
  // During the read of the next chunk the peer says that it has nothing. That chunk is useless.
  reply(0, true);
  finish();
  assertEquals(sent(), []);
  finish();
  assertEquals(sent(), [0]);
  reply(chunk, false);
  // The stream ends while a chunk is read.
  sender.stop();
  finish();
  assertEquals(sent(), []);
});

Deno.test("a damaged file is reported, and not offered again", () => {
  const { store, disk, sender, snapshot, damaged, reply, sent } = start();
  const path = `snapshots/${disk.list("snapshots")[0]}`;
  const bytes = disk.read(path) ?? new Uint8Array(0);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
  disk.plant(path, bytes);
  sender.start(WANTED);
  reply(0, true);
  assertEquals([sent(), damaged, sender.indexMin], [["snapshotOffer"], [snapshot], null]);
  store.noteDamaged(snapshot);
  assertEquals([store.isNewestDamaged, store.openNewest()], [true, null]);
  // Another snapshot of the same entry replaces it.
  takeSnapshot(store, 10, 1, () => {});
  assertEquals([store.isNewestDamaged, store.newest()?.index], [false, 10]);
  assert(store.openNewest() !== null);
});

Deno.test("a file that cannot be read or opened is reported like a damaged one", () => {
  for (const what of ["cut short", "gone"] as const) {
    const { store, disk, sender, snapshot, damaged, reply, sent } = start(200_000);
    const path = `snapshots/${disk.list("snapshots")[0]}`;
    const bytes = disk.read(path) ?? new Uint8Array(0);
    if (what === "gone") disk.remove(path);
    else disk.plant(path, bytes.slice(0, bytes.length >> 1));
    sender.start(WANTED);
    reply(0, true);
    for (let at = 128 * 1024; at < snapshot.sizeBytes; at += 128 * 1024) reply(at, false);
    assertEquals([damaged, sender.indexMin], [[snapshot], null], what);
    store.noteDamaged(snapshot);
    takeSnapshot(store, 10, 1, () => {}, 200_000);
    // Another stream of the old file finds out later.
    store.noteDamaged(snapshot);
    assertEquals(store.isNewestDamaged, false);
    sent();
  }
});

function statusOf({ match }: Pick<PeerStatus, "match">): RaftStatus {
  const peer = { id: "n2", isLearner: false, match, next: match + 1, recentlyActive: true };
  return {
    id: "n1",
    role: "leader",
    term: 3,
    leaderId: "n1",
    vote: "n1",
    commitIndex: 20,
    appliedIndex: 20,
    lastIndex: 20,
    durableIndex: 20,
    configuration: { voters: ["n1", "n2"], learners: [] },
    isConfigurationCommitted: true,
    transferringTo: null,
    servesReads: true,
    peers: [{ ...peer, state: "snapshot" }],
  };
}

Deno.test("answers about another snapshot, term or node, or beyond the end, are ignored", () => {
  const { sender, snapshot, reply, sent, damaged } = start();
  sender.start(WANTED);
  assertEquals(sent(), ["snapshotOffer"]);
  const { index, checksum, sizeBytes } = snapshot;
  const wrong: Partial<SnapshotReply>[] = [
    { index: index - 1 },
    { checksum: checksum ^ 1 },
    { term: 2 },
    { from: "n3" },
    { offset: sizeBytes + 1 },
  ];
  for (const isToOffer of [true, false]) {
    for (const change of wrong) reply(0, isToOffer, change);
  }
  assertEquals([sent(), damaged], [[], []]);
  reply(0, true);
  assertEquals(sent(), [0]);
  for (const change of wrong) reply(sizeBytes, false, change);
  assertEquals([sent(), sender.indexMin], [[], index]);
});

Deno.test("more chunks are sent at once while answers are quick, and one after a slow answer", () => {
  const { clock, sender, reply, sent } = start(1_000_000);
  const chunk = 128 * 1024;
  sender.start(WANTED);
  reply(0, true);
  assertEquals(sent(), ["snapshotOffer", 0]);
  reply(chunk, false);
  assertEquals(sent(), [chunk, 2 * chunk]);
  clock.advance(51);
  reply(2 * chunk, false);
  assertEquals(sent(), []);
  reply(3 * chunk, false);
  assertEquals(sent(), [3 * chunk]);
});

Deno.test("a read that ends after its peer needs nothing more is dropped", () => {
  const { sender, reply, sent, lateFromNowOn, finish } = start();
  sender.start(WANTED);
  lateFromNowOn();
  reply(0, true);
  sent();
  sender.tick({ ...statusOf({ match: 9 }), role: "follower" });
  finish();
  assertEquals(sent(), []);
});
