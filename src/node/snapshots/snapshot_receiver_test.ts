import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { metaOf, openSnapshots, snapshotElsewhere } from "../../../tests/support/snapshots.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import type { RaftStatus } from "../../raft/types.ts";
import { configurationOf } from "../members/configuration.ts";
import type { SnapshotMessage } from "../peers/peer_message.ts";
import { DiskSnapshots } from "./disk_snapshots.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";

const FROM_LEADER = { from: "n1", to: "n2", term: 3 };

/** The snapshot of entry 9, and its chunks except the last N. */
function stateElsewhere(chunksLeftOut = 0): { snapshot: StoredSnapshot; bytes: Uint8Array } {
  const machine = new StateMachine();
  machine.keyspace.set("k", "v");
  const chunks: Uint8Array[] = [];
  const view = machine.beginSnapshot();
  for (let chunk = view.next(1); chunk !== null; chunk = view.next(1)) chunks.push(chunk.slice());
  const store = openSnapshots(new FaultDisk({ schedule: (run) => run() }));
  const writer = store.begin(metaOf(9, 2));
  for (const chunk of chunks.slice(0, chunks.length - chunksLeftOut)) writer?.write(chunk);
  writer?.finish(() => {});
  const source = store.openNewest();
  assert(source !== null);
  return { snapshot: source.snapshot, bytes: source.read(0, source.snapshot.sizeBytes) };
}

function receiver(fault: (operation: DiskOperation) => DiskFault | null = () => null) {
  const ends: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => void ends.push(run), fault });
  const clock = new ManualClock();
  const sent: SnapshotMessage[] = [];
  const lines: string[] = [];
  const reported: number[] = [];
  const note = (line: string) => void lines.push(line);
  const logger = { info: () => {}, warn: note, error: note };
  const store = DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n2", logger });
  const status: { -readonly [field in keyof RaftStatus]: RaftStatus[field] } = {
    leaderId: "n1",
    term: 3,
    commitIndex: 5,
    appliedIndex: 5,
  } as RaftStatus;
  const one = new SnapshotReceiver({
    machine: new StateMachine(),
    store,
    clock,
    logger,
    status: () => status,
    send: (message) => void sent.push(message),
    onReceived: ({ index }) => void reported.push(index),
    onRefused: (why) => void lines.push(why),
  });
  return {
    status,
    one,
    disk,
    store,
    clock,
    sent,
    lines,
    reported,
    offer: (snapshot: StoredSnapshot) =>
      one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot }),
    send: ({ index, checksum }: StoredSnapshot, bytes: Uint8Array, offset = 0) =>
      one.handleChunk({ ...FROM_LEADER, type: "snapshotChunk", index, checksum, offset, bytes }),
    /** Completes the disk's work and the loading of the state. */
    settle: () => {
      clock.advance(1);
      while (ends.length > 0) ends.shift()?.();
    },
    replies: () =>
      sent.splice(0).map((reply) =>
        reply.type === "snapshotReply" ? [reply.isToOffer, reply.offset] : reply
      ),
  };
}

Deno.test("a sound file without a valid state is refused with one line, and not received again", () => {
  const { one, disk, store, clock, sent, lines } = receiver();
  const { snapshot, bytes } = snapshotElsewhere(9, 2);
  const { index, checksum } = snapshot;
  const offer = () => one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  const send = () =>
    one.handleChunk({ ...FROM_LEADER, type: "snapshotChunk", index, checksum, offset: 0, bytes });
  offer();
  assertEquals(sent.splice(0).length, 1);
  send();
  send();
  clock.advance(1);
  send();
  offer();
  const toOffer = sent.splice(0).filter((one) => one.type === "snapshotReply" && one.isToOffer);
  assertEquals([toOffer, lines.length, store.newest(), disk.list("snapshots")], [[], 1, null, []]);
  assertEquals(one.isReceiving, true, "it is still needed");
  clock.advance(11_000);
  offer();
  assertEquals(sent.length, 1);
});

Deno.test("only this term's leader is heard, and only the next bytes are accepted", () => {
  const { one, sent, disk } = receiver();
  const { snapshot, bytes } = snapshotElsewhere(9, 2);
  const { index, checksum } = snapshot;
  const chunk = { ...FROM_LEADER, type: "snapshotChunk", index, checksum } as const;
  one.handleOffer({ ...FROM_LEADER, from: "n3", type: "snapshotOffer", snapshot });
  one.handleOffer({ ...FROM_LEADER, term: 2, type: "snapshotOffer", snapshot });
  one.handleChunk({ ...chunk, offset: 0, bytes });
  assertEquals([sent, disk.list("snapshots")], [[], []]);
  one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  one.handleChunk({ ...chunk, offset: 0, bytes: bytes.subarray(0, 10) });
  one.handleChunk({ ...chunk, offset: 0, bytes: bytes.subarray(0, 10) });
  one.handleChunk({ ...chunk, offset: 20, bytes: bytes.subarray(20, 30) });
  one.handleChunk({ ...chunk, checksum: checksum ^ 1, offset: 10, bytes: bytes.subarray(10, 20) });
  one.handleChunk({ ...chunk, from: "n3", offset: 10, bytes: bytes.subarray(10, 20) });
  one.handleChunk({ ...chunk, term: 2, offset: 10, bytes: bytes.subarray(10, 20) });
  one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  const told = sent.map((reply) => reply.type === "snapshotReply" ? reply.offset : -1);
  assertEquals(told, [0, 10, 10, 10, 10]);
});

Deno.test("a snapshot of committed entries needs no stream: the core answers", () => {
  const { one, sent, reported } = receiver();
  const { snapshot } = snapshotElsewhere(5, 2);
  one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  assert(sent.length === 0);
  assertEquals(reported, [5]);
});

Deno.test("a snapshot whose entries arrived in the log meanwhile leaves nothing behind", () => {
  const { one, status, disk } = receiver();
  const { snapshot, bytes } = snapshotElsewhere(9, 2);
  const { index, checksum } = snapshot;
  one.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  one.handleChunk({
    ...FROM_LEADER,
    type: "snapshotChunk",
    index,
    checksum,
    offset: 0,
    bytes: bytes.subarray(0, 10),
  });
  one.tick();
  assertEquals([one.isReceiving, disk.list("snapshots")], [true, ["incoming"]]);
  status.appliedIndex = 9;
  one.tick();
  assertEquals([one.isReceiving, disk.list("snapshots")], [false, []]);
});

Deno.test("the leader's snapshot of an unsupported version is refused, and not received", () => {
  const { one, sent, disk, lines } = receiver();
  const { snapshot } = snapshotElsewhere(9, 2);
  const offer = { ...FROM_LEADER, type: "snapshotOffer" } as const;
  one.handleOffer({ ...offer, from: "n3", snapshot: { ...snapshot, machineVersion: 9 } });
  assertEquals(lines, []);
  one.handleOffer({ ...offer, snapshot: { ...snapshot, machineVersion: 9 } });
  assertEquals([sent, disk.list("snapshots"), lines.length], [[], [], 1]);
  assertMatch(lines[0] ?? "", /snapshot of entry 9: the log is at state machine version 9/);
});

const TOO_LATE = "Cannot install the snapshot of entry 9: it is not here";

Deno.test("a snapshot is installed when it is durable, once, and with its own state", () => {
  const { one, store, reported, offer, send, settle, lines } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  const configuration = configurationOf(snapshot.configuration);
  const at = { index: 9, term: 2, configuration };
  assertThrows(() => one.take(at), Error, TOO_LATE);
  offer(snapshot);
  send(snapshot, bytes);
  assertThrows(() => one.take(at), Error, TOO_LATE);
  assertEquals([reported, store.newest()], [[], null]);
  settle();
  assertEquals([reported, store.newest(), lines], [[9], snapshot, []]);
  assertThrows(() => one.take({ ...at, term: 3 }), Error, TOO_LATE);
  assertThrows(() => one.take({ ...at, index: 10 }), Error);
  const received = one.take(at);
  const machine = new StateMachine();
  machine.restore(received.loader, 1);
  assertEquals([received.snapshot, machine.keyspace.find("k")?.value], [snapshot, "v"]);
  assertThrows(() => one.take(at), Error, TOO_LATE);
});

Deno.test("a sound file with a state without its end is not installed", () => {
  const { one, disk, store, reported, offer, send, settle, lines } = receiver();
  const { snapshot, bytes } = stateElsewhere(1);
  offer(snapshot);
  send(snapshot, bytes);
  settle();
  assertEquals([reported, store.newest(), disk.list("snapshots")], [[], null, []]);
  assertEquals(lines, ["cannot use the snapshot of entry 9: it ends too early"]);
  assertEquals(one.isReceiving, true, "it is still needed");
});

Deno.test("a file that differs from the announced one is not installed", () => {
  const { snapshot, bytes } = stateElsewhere();
  const { configuration } = metaOf(9, 2);
  const announced: Partial<StoredSnapshot>[] = [
    { term: 3 },
    { timeMs: snapshot.timeMs + 1 },
    { checksum: snapshot.checksum ^ 1 },
    { configuration: { ...configuration, removed: ["n9"] } },
  ];
  for (const wrong of announced) {
    const { one, store, reported, offer, send, settle, replies, clock, lines } = receiver();
    const other = { ...snapshot, ...wrong };
    offer(other);
    send(other, bytes);
    settle();
    one.tick();
    assertEquals([reported, store.newest(), lines.length], [[], null, 1], JSON.stringify(wrong));
    assertMatch(lines[0] ?? "", /entry 9: it differs from the offered one/);
    replies();
    offer(other);
    assertEquals(replies(), [], "not at once again");
    clock.advance(10_000);
    offer(snapshot);
    send(snapshot, bytes);
    settle();
    assertEquals([reported, store.newest()], [[9], snapshot]);
  }
});

Deno.test("a damaged chunk ends the stream, which begins again after a while", () => {
  const { one, disk, reported, offer, send, settle, replies, clock, lines } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  const damaged = bytes.slice();
  damaged[20] = (damaged[20] ?? 0) ^ 1;
  offer(snapshot);
  assertEquals(replies(), [[true, 0]]);
  send(snapshot, damaged);
  send(snapshot, bytes);
  settle();
  offer(snapshot);
  assertEquals([replies(), disk.list("snapshots"), lines.length], [[], [], 1]);
  assertEquals(one.isReceiving, true, "it is still needed");
  clock.advance(10_000);
  offer(snapshot);
  assertEquals(replies(), [[true, 0]]);
  send(snapshot, bytes);
  settle();
  assertEquals([reported, lines.length], [[9], 1]);
});

Deno.test("a disk on which no file can be made is tried again after a while", () => {
  let isFull = true;
  const error = new Error("no space left");
  const { reported, offer, send, settle, replies, clock, lines } = receiver(({ kind }) =>
    isFull && kind === "create" ? { kind: "error", error } : null
  );
  const { snapshot, bytes } = stateElsewhere();
  offer(snapshot);
  send(snapshot, bytes);
  isFull = false;
  offer(snapshot);
  clock.advance(9_999);
  offer(snapshot);
  const line = "cannot receive the snapshot of entry 9: no space left";
  assertEquals([replies(), lines], [[], [line]]);
  clock.advance(1);
  offer(snapshot);
  assertEquals(replies(), [[true, 0]]);
  send(snapshot, bytes);
  settle();
  assertEquals(reported, [9]);
});

Deno.test("a snapshot other than the refused one is accepted at once", () => {
  const { reported, offer, send, settle, lines } = receiver();
  const cut = stateElsewhere(1);
  offer(cut.snapshot);
  send(cut.snapshot, cut.bytes);
  settle();
  assertEquals([reported, lines.length], [[], 1]);
  const { snapshot, bytes } = stateElsewhere();
  offer(snapshot);
  send(snapshot, bytes);
  settle();
  assertEquals(reported, [9]);
});

Deno.test("a file whose beginning is on the disk, but whose state is not in memory, is received from its beginning", () => {
  const { store, reported, offer, send, settle, replies } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  store.receive(snapshot)?.write(bytes.subarray(0, 50), 0);
  offer(snapshot);
  assertEquals(replies(), [[true, 0]]);
  send(snapshot, bytes);
  settle();
  assertEquals([reported, store.newest()], [[9], snapshot]);
});

Deno.test("a snapshot that is durable is reported until it is applied, since the core may know no leader", () => {
  const { one, status, reported, offer, send, settle } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  offer(snapshot);
  send(snapshot, bytes);
  status.leaderId = null;
  status.term = 4;
  settle();
  assertEquals(reported, [9]);
  one.tick();
  assertEquals(reported, [9, 9]);
  status.appliedIndex = 9;
  one.tick();
  assertEquals(reported, [9, 9]);
});

Deno.test("a stopped receiver reports nothing that the disk finishes", () => {
  const { one, reported, offer, send, settle, clock } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  offer(snapshot);
  send(snapshot, bytes);
  clock.advance(1); // the state is built, and the file is being synced
  one.stop();
  settle();
  assertEquals(reported, []);
});

Deno.test("while a durable snapshot waits to be installed another one is not received", () => {
  const { one, reported, offer, send, settle, replies } = receiver();
  const { snapshot, bytes } = stateElsewhere();
  offer(snapshot);
  send(snapshot, bytes);
  settle();
  replies();
  offer(snapshotElsewhere(12, 3).snapshot);
  assertEquals([replies(), reported], [[], [9]]);
  const configuration = configurationOf(snapshot.configuration);
  assertEquals(one.take({ index: 9, term: 2, configuration }).snapshot, snapshot);
});

Deno.test("a chunk whose answer waits for the state is not answered once another snapshot arrives", () => {
  const { offer, send, clock, replies } = receiver();
  const large = snapshotElsewhere(9, 2, 300_000);
  const later = snapshotElsewhere(12, 3);
  offer(large.snapshot);
  send(large.snapshot, large.bytes.subarray(0, 400_000)); // more than may wait to be loaded
  offer(later.snapshot);
  assertEquals(replies(), [[true, 0], [true, 0]]);
  clock.advance(100);
  assertEquals(replies(), []);
});
