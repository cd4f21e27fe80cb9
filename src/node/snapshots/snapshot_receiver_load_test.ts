import { assert, assertEquals } from "@std/assert";
import {
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { SlowDisk } from "../../../tests/support/slow_disk.ts";
import { metaOf, openSnapshots } from "../../../tests/support/snapshots.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import type { RaftStatus } from "../../raft/types.ts";
import { configurationOf } from "../members/configuration.ts";
import { SNAPSHOT_CHUNK_BYTES_MAX, type SnapshotMessage } from "../peers/peer_message.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const FROM_LEADER = { from: "n1", to: "n2", term: 3 };

/** A leader's state: N values of 48 KB. */
function leaderState(values: number): StateMachine {
  const machine = new StateMachine();
  for (let at = 0; at < values; at++) {
    machine.keyspace.set(`key${at}`, `${at}`.padEnd(48_000, "x"));
  }
  return machine;
}

/** Its snapshot of entry 9. */
function snapshotOf(machine: StateMachine): { snapshot: StoredSnapshot; bytes: Uint8Array } {
  const store = openSnapshots(new FaultDisk({ schedule: (run) => run() }));
  const writer = store.begin(metaOf(9, 2));
  const view = machine.beginSnapshot();
  for (let chunk = view.next(32 * KIB); chunk !== null; chunk = view.next(32 * KIB)) {
    writer?.write(chunk);
  }
  writer?.finish(() => {});
  const source = store.openNewest();
  assert(source !== null);
  return { snapshot: source.snapshot, bytes: source.read(0, source.snapshot.sizeBytes) };
}

/** A state machine whose loaders take this long for each chunk. */
class SlowlyLoaded extends StateMachine {
  readonly #clock: ManualClock;
  readonly #chunkMs: number;
  loadedChunks = 0;

  constructor(clock: ManualClock, chunkMs: number) {
    super();
    this.#clock = clock;
    this.#chunkMs = chunkMs;
  }

  override newLoader() {
    const loader = super.newLoader();
    const push = loader.push.bind(loader);
    return Object.assign(loader, {
      push: (chunk: Uint8Array) => {
        this.#clock.leap(this.#chunkMs);
        this.loadedChunks++;
        push(chunk);
      },
    });
  }
}

interface Conditions {
  /** Duration of each write and sync. */
  readonly diskMs?: number;
  /** Duration of loading a chunk of 32 KiB. */
  readonly chunkMs?: number;
  readonly fault?: (operation: DiskOperation) => DiskFault | null;
}

/** A receiver, and a sender of the snapshot of entry 9 with up to `windowMax` chunks in flight. */
function start(state: StateMachine, { diskMs = 0, chunkMs = 0, fault }: Conditions = {}) {
  const clock = new ManualClock();
  const inner = new FaultDisk({ schedule: (run) => run(), fault: (one) => fault?.(one) ?? null });
  const disk = new SlowDisk(inner, clock, diskMs);
  const machine = new SlowlyLoaded(clock, chunkMs);
  const { snapshot, bytes } = snapshotOf(state);
  const { index, checksum } = snapshot;
  const sent: SnapshotMessage[] = [];
  const lines: string[] = [];
  const reported: number[] = [];
  const note = (line: string) => void lines.push(line);
  const status = { leaderId: "n1", term: 3, commitIndex: 5, appliedIndex: 5 } as RaftStatus;
  const store = openSnapshots(disk);
  const receiver = new SnapshotReceiver({
    machine,
    store,
    clock,
    logger: { info: () => {}, warn: note, error: note },
    status: () => status,
    send: (message) => void sent.push(message),
    onReceived: ({ index }) => void reported.push(index),
    onRefused: note,
  });
  /** The offset in the last reply. */
  let ackedBytes: number | null = null;
  let sentBytes = 0;
  const answers = () => {
    for (const message of sent.splice(0)) {
      if (message.type === "snapshotReply") ackedBytes = message.offset;
    }
    return ackedBytes;
  };
  const sendNext = () => {
    const chunk = bytes.slice(sentBytes, sentBytes + SNAPSHOT_CHUNK_BYTES_MAX);
    receiver.handleChunk({
      ...FROM_LEADER,
      type: "snapshotChunk",
      index,
      checksum,
      offset: sentBytes,
      bytes: chunk,
    });
    sentBytes += chunk.length;
  };
  return {
    clock,
    disk,
    inner,
    machine,
    snapshot,
    lines,
    reported,
    store,
    receiver,
    answers,
    sendNext,
    sentBytes: () => sentBytes,
    offer: () => receiver.handleOffer({ ...FROM_LEADER, type: "snapshotOffer", snapshot }),
    /** Sends as a leader does, with up to four chunks in flight. */
    sendWhatMay: () => {
      for (const acked = answers() ?? 0; sentBytes < snapshot.sizeBytes;) {
        if (sentBytes - acked >= 4 * SNAPSHOT_CHUNK_BYTES_MAX) return;
        sendNext();
      }
    },
  };
}

Deno.test("a slow disk slows down the sender, and never blocks the event loop of the receiver", () => {
  const state = leaderState(600);
  const { clock, disk, snapshot, reported, store, receiver, sendWhatMay, sentBytes, offer } = start(
    state,
    { diskMs: 200 },
  );
  assert(snapshot.sizeBytes > 25 * MIB);
  offer();
  let mostWaiting = 0;
  for (let step = 0; step < 4_000 && reported.length === 0; step++) {
    sendWhatMay();
    const writtenBytes = disk.asked.reduce((sum, { bytes }) => sum + bytes, 0);
    mostWaiting = Math.max(mostWaiting, sentBytes() - writtenBytes);
    clock.advance(10);
    receiver.tick();
  }
  assertEquals([reported[0], store.newest()], [9, snapshot]);
  assert(mostWaiting < 17 * MIB, `${mostWaiting} bytes waited for the disk`);
  const { loader } = receiver.take({
    index: 9,
    term: 2,
    configuration: configurationOf(snapshot.configuration),
  });
  const machine = new StateMachine();
  machine.restore(loader, 1);
  assertEquals(machine.keyspace.size, 600);
});

Deno.test("the state is built in short slices, and a faster sender has to wait", () => {
  const { clock, snapshot, reported, machine, receiver, answers, sendNext, sendWhatMay, offer } =
    start(leaderState(40), { chunkMs: 3 });
  offer();
  let worstMs = 0;
  // Other work that is due each millisecond.
  const others = () => {
    const dueMs = clock.monotonicMs() + 1;
    clock.after(1, () => {
      worstMs = Math.max(worstMs, clock.monotonicMs() - dueMs);
      others();
    });
  };
  others();
  const beforeMs = clock.monotonicMs();
  answers();
  for (let count = 0; count < 4; count++) sendNext();
  assertEquals([clock.monotonicMs() - beforeMs, answers()], [0, SNAPSHOT_CHUNK_BYTES_MAX * 2]);
  for (let step = 0; step < 2_000 && reported.length === 0; step++) {
    clock.advance(1);
    sendWhatMay();
  }
  assertEquals(reported, [9]);
  assert(machine.loadedChunks > snapshot.sizeBytes / (48 * KIB));
  // A slice that is over the time only by its last chunks, of which 32 KiB may hold two ends.
  assert(worstMs > 0 && worstMs <= 12, `${worstMs} ms`);
  assertEquals(receiver.isReceiving, true);
});

Deno.test("a snapshot that fails at the disk while an answer waits is requested again after a while", () => {
  let isFull = true;
  const { clock, inner, snapshot, lines, reported, receiver, answers, sendWhatMay, offer } = start(
    leaderState(100),
    {
      diskMs: 20,
      fault: ({ kind, path }) =>
        isFull && kind === "write" && path === "snapshots/incoming"
          ? { kind: "error", error: new Error("disk full") }
          : null,
    },
  );
  offer();
  assertEquals(answers(), 0);
  sendWhatMay();
  clock.advance(100);
  receiver.tick();
  assertEquals([receiver.isReceiving, inner.list("snapshots")], [true, []]);
  clock.advance(9_000);
  const acked = answers();
  offer();
  sendWhatMay();
  assertEquals([answers(), inner.list("snapshots")], [acked, []], "too soon");
  isFull = false;
  clock.advance(2_000);
  offer();
  assertEquals(answers(), 0);
  assertEquals([snapshot.index, reported, lines], [9, [], []]);
});

Deno.test("a receiver that stops, or no longer needs the snapshot, stops building the state", () => {
  for (const end of ["stop", "abandon"] as const) {
    const { clock, inner, machine, receiver, sendNext, offer } = start(leaderState(40), {
      chunkMs: 3,
    });
    offer();
    sendNext();
    sendNext();
    clock.advance(1);
    const { loadedChunks } = machine;
    assert(loadedChunks > 0);
    if (end === "stop") receiver.stop();
    else {
      // Another leader sends another snapshot.
      receiver.handleOffer({
        ...FROM_LEADER,
        type: "snapshotOffer",
        snapshot: { ...snapshotOf(leaderState(3)).snapshot, index: 8 },
      });
    }
    clock.advance(1_000);
    assertEquals(machine.loadedChunks, loadedChunks);
    assertEquals(inner.list("snapshots"), end === "stop" ? [] : ["incoming"]);
  }
});
