import { assert, assertEquals } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryLog } from "../../../tests/support/node/memory_log.ts";
import { SlowDisk } from "../../../tests/support/slow_disk.ts";
import { openSnapshots } from "../../../tests/support/snapshots.ts";
import { silentLogger } from "../../base/logger.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { Batch } from "../log/entry.ts";
import type { SnapshotMeta, SnapshotStore, SnapshotWriter, StoredSnapshot } from "./snapshot.ts";
import { LogBytes, SnapshotTaker } from "./snapshot_taker.ts";

const ENTRIES = 20;
const MEMBER = {
  id: "n1",
  raftAddress: { host: "h", port: 1 },
  isLearner: false,
  incarnation: "i",
};

/** A taker whose node has a log of 20 entries, and a disk that works or fails. */
function start({ clock = new ManualClock(), diskSnapshots, machine = new StateMachine() }: {
  readonly clock?: ManualClock;
  /** Used instead of a fake store. */
  readonly diskSnapshots?: SnapshotStore;
  readonly machine?: StateMachine;
} = {}) {
  const log = new MemoryLog();
  for (let index = 1; index <= ENTRIES; index++) {
    const data = new Batch(index, [["SET", "k", "1"]]);
    log.append(index === 1 ? { term: 1, vote: null } : null, [
      { index, term: 1, data, sizeBytes: 1_000 },
    ], () => {});
  }
  const node = {
    appliedIndex: ENTRIES,
    commitIndex: ENTRIES,
    durableIndex: ENTRIES,
    isWhole: true,
    knowsMembers: true,
  };
  const disk = {
    takes: true,
    newest: null as StoredSnapshot | null,
    isDamaged: false,
    begun: [] as number[],
    written: () => {},
    /** When the last sync ends. */
    ends: (run: () => void): void => run(),
  };
  const meta = (index: number): SnapshotMeta => ({
    index,
    term: 1,
    timeMs: 0,
    machineVersion: 1,
    configuration: {
      members: node.knowsMembers ? [MEMBER] : [],
      removed: [],
    },
  });
  const stored = (index: number): StoredSnapshot => ({ ...meta(index), sizeBytes: 1, checksum: 1 });
  const store: Partial<SnapshotStore> = {
    get isNewestDamaged() {
      return disk.isDamaged;
    },
    newest: () => disk.newest,
    prune() {},
    begin({ index }) {
      disk.begun.push(index);
      const writer: Partial<SnapshotWriter> = {
        unsyncedBytes: 0,
        write: () => {
          disk.written();
          return disk.takes;
        },
        abandon() {},
        finish: (done) => disk.ends(() => done(disk.newest = stored(index))),
      };
      return writer as SnapshotWriter;
    },
  };
  const taker = new SnapshotTaker({
    machine,
    log,
    store: diskSnapshots ?? store as SnapshotStore,
    clock,
    logger: silentLogger,
    logBytesMax: 1_000_000,
    meta: () => meta(node.appliedIndex),
    isWhole: () => node.isWhole,
    status: () => ({ ...node, peers: [] }),
    sentIndexMin: () => null,
  });
  return { clock, log, node, disk, taker, stored };
}

Deno.test("entries that are not applied stay in the log, though a received snapshot covers them", () => {
  const { log, node, disk, taker, stored, clock } = start();
  node.appliedIndex = 10;
  disk.newest = stored(ENTRIES);
  clock.advance(2_000);
  taker.tick();
  assertEquals(log.firstIndex() <= 11, true);
});

Deno.test("a snapshot that failed at the disk is followed by another one", () => {
  const { disk, taker, clock } = start();
  disk.takes = false;
  taker.take();
  clock.advance(100);
  assertEquals([taker.report().hasLastFailed, disk.newest], [true, null]);
  disk.takes = true;
  taker.take();
  clock.advance(100);
  assertEquals([taker.report().hasLastFailed, disk.newest?.index], [false, ENTRIES]);
});

Deno.test("a damaged snapshot is replaced without a request, as often as the disk fails", () => {
  const { disk, taker, stored, clock } = start();
  disk.newest = stored(ENTRIES);
  disk.isDamaged = true;
  disk.takes = false;
  taker.take();
  const wait = (ms: number) => {
    clock.advance(ms);
    taker.tick();
    clock.advance(100);
  };
  wait(100);
  assertEquals([disk.begun.length, taker.report().hasLastFailed], [1, true]);
  wait(10_000);
  assertEquals(disk.begun.length, 1, "not at every tick");
  wait(31_000);
  disk.takes = true;
  wait(31_000);
  disk.isDamaged = false;
  assertEquals([disk.begun.length, taker.report().hasLastFailed], [3, false]);
  wait(60_000);
  assertEquals(disk.begun.length, 3);
});

Deno.test("no snapshot is taken of entries that are not durable on this node", () => {
  const { disk, node, taker, clock } = start();
  node.durableIndex = ENTRIES - 1;
  taker.take();
  clock.advance(100);
  assertEquals(disk.begun, []);
  node.durableIndex = ENTRIES;
  taker.tick();
  clock.advance(100);
  assertEquals(disk.begun, [ENTRIES]);
});

Deno.test("no snapshot is taken of an entry that is half applied", () => {
  const { disk, node, taker, clock } = start();
  node.isWhole = false;
  assertEquals([taker.take(), taker.take()], [true, false], "it is to come");
  clock.advance(100);
  taker.tick();
  assertEquals([disk.begun, taker.report().isTaking], [[], true]);
  node.isWhole = true;
  taker.noteApplied(ENTRIES, 1_000);
  clock.advance(100);
  assertEquals([disk.begun, disk.newest?.index], [[ENTRIES], ENTRIES]);
});

Deno.test("a node that does not know the members takes no snapshot", () => {
  const { disk, node, taker, clock } = start();
  node.knowsMembers = false;
  taker.take();
  clock.advance(100);
  taker.tick();
  assertEquals([disk.begun, disk.newest], [[], null]);
  node.knowsMembers = true;
  taker.tick();
  clock.advance(100);
  assertEquals(disk.newest?.configuration.members, [MEMBER]);
});

/** A disk that takes two seconds per write, and a state of some 20 MB. */
function startSlowly(isBroken: () => boolean) {
  const clock = new ManualClock();
  const error = new Error("no space left");
  const inner = new FaultDisk({
    schedule: (run) => run(),
    fault: ({ kind }) => isBroken() && kind === "write" ? { kind: "error", error } : null,
  });
  const diskSnapshots = openSnapshots(new SlowDisk(inner, clock, 2_000));
  const machine = new StateMachine();
  for (let at = 0; at < 400; at++) machine.keyspace.set(`key${at}`, "x".repeat(50_000));
  return { ...start({ clock, diskSnapshots, machine }), store: diskSnapshots };
}

Deno.test("a disk that is slow and then fails costs one attempt, and another one follows", () => {
  let isBroken = true;
  const { clock, taker, store } = startSlowly(() => isBroken);
  taker.take();
  clock.advance(10_000);
  assertEquals([taker.report().isTaking, taker.report().hasLastFailed], [false, true]);
  isBroken = false;
  assert(taker.take());
  clock.advance(100_000);
  assertEquals([store.newest()?.index, taker.report().hasLastFailed], [ENTRIES, false]);
});

Deno.test("a slow disk slows down the snapshot, and little waits for it in memory", () => {
  const { clock, taker, store } = startSlowly(() => false);
  const begin = store.begin.bind(store);
  let mostBytes = 0;
  store.begin = (meta) => {
    const writer = begin(meta);
    const write = writer?.write.bind(writer);
    if (writer !== null) {
      writer.write = (chunk) => {
        const isWritten = write?.(chunk) ?? false;
        mostBytes = Math.max(mostBytes, writer.unsyncedBytes);
        return isWritten;
      };
    }
    return writer;
  };
  taker.take();
  clock.advance(100_000);
  assertEquals(store.newest()?.index, ENTRIES);
  assert((store.newest()?.sizeBytes ?? 0) > 20_000_000);
  assert(mostBytes > 16e6 && mostBytes < 17.5e6, `${mostBytes} bytes`);
});

Deno.test("if nothing is newer than the newest snapshot, that one counts as taken", () => {
  const { disk, taker, stored, clock } = start();
  disk.newest = stored(ENTRIES);
  assertEquals([taker.take(), taker.take()], [true, true], "it is over at once");
  clock.advance(100);
  const { isTaking, hasLastFailed, count, lastMs } = taker.report();
  assertEquals([disk.begun, isTaking, hasLastFailed, count], [[], false, false, 0]);
  assertEquals(lastMs, clock.nowMs() - 100);
});

Deno.test("a snapshot that was abandoned while the disk finished it does not count as taken", () => {
  const { disk, taker, clock } = start();
  const ends: (() => void)[] = [];
  disk.ends = (run) => void ends.push(run);
  taker.take();
  clock.advance(100);
  assertEquals([ends.length, taker.report().isTaking], [1, true]);
  taker.abandon(); // another snapshot takes the place of the state
  ends.shift()?.();
  const { isTaking, hasLastFailed, count } = taker.report();
  assertEquals([isTaking, hasLastFailed, count], [false, false, 0]);
});

Deno.test("bytes after an entry, and entries before bytes", () => {
  const log = new LogBytes(10, 100);
  assertEquals([log.since(10), log.before(10, 50)], [0, 10]);
  for (let index = 11; index <= 20; index++) log.noteApplied(index, 100);
  assertEquals([log.since(10), log.since(15), log.since(20), log.since(25)], [1000, 500, 0, 0]);
  assertEquals([log.before(20, 300), log.before(18, 300), log.before(20, 5000)], [17, 15, 10]);
  log.forgetBefore(15);
  assertEquals([log.since(16), log.before(20, 5000)], [400, 15]);
});

Deno.test("a long log is remembered more coarsely, and never too short", () => {
  const log = new LogBytes(0, 1);
  for (let index = 1; index <= 100_000; index++) log.noteApplied(index, 10);
  for (const index of [0, 1, 50_000, 99_000]) {
    const exact = 10 * (100_000 - index);
    const told = log.since(index);
    assert(told >= exact && told <= exact + 20_000, `${told} for ${exact}`);
    assert(log.before(index, 1_000) <= Math.max(0, index - 100));
  }
});

Deno.test("a slice that takes its time ends, and the next one goes on after as long", () => {
  const machine = new StateMachine();
  for (let at = 0; at < 20; at++) machine.keyspace.set(`k${at}`, "v".repeat(30_000));
  const { clock, disk, taker } = start({ machine });
  const writtenMs: number[] = [];
  disk.written = () => {
    writtenMs.push(clock.monotonicMs());
    clock.leap(2); // as long as a chunk takes
  };
  taker.take();
  const sinceMs = clock.monotonicMs();
  clock.advance(13);
  assertEquals(writtenMs.map((ms) => ms - sinceMs), [0, 2, 8, 10]);
});
