import { assert, assertEquals, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import {
  configurationEntryOf,
  contentOf,
  describeEntry,
  entriesOf,
  entryOf,
} from "../../../tests/support/log_entries.ts";
import { testEachCountable, testEachLog as testEach } from "../../../tests/support/log_fixtures.ts";
import { MemoryLog } from "../../../tests/support/node/memory_log.ts";
import { AssertionFailure } from "../../base/errors.ts";
import { type Random, randomInteger, seededRandom } from "../../base/random.ts";
import type { HardState } from "../../raft/types.ts";
import { DiskLog } from "./disk_log.ts";
import type { LogEntry } from "./entry.ts";
import type { LogStore } from "./log_store.ts";

const ignore = () => {};

testEach("a new log is empty", ({ log }) => {
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(0)], [1, 0, 0]);
  assertEquals(log.hardState(), { term: 0, vote: null });
});

testEach("appended entries are visible at once, before they are durable", ({ log }) => {
  log.append({ term: 2, vote: "n3" }, entriesOf(1, 4, 2), ignore);
  log.append(null, [{ index: 5, term: 3, data: null, sizeBytes: 64 }], ignore);
  assertEquals([log.firstIndex(), log.lastIndex()], [1, 5]);
  assertEquals([0, 1, 4, 5].map((index) => log.term(index)), [0, 2, 2, 3]);
  assertEquals(log.hardState(), { term: 2, vote: "n3" });
  assertEquals(log.entries(2, 3, 1e6).map(describeEntry), entriesOf(2, 3, 2).map(describeEntry));
  assertEquals(log.entries(5, 5, 1e6)[0]?.data, null);
});

testEach("a read returns as many entries as fit, but at least one", ({ log }) => {
  log.append(null, entriesOf(1, 20, 1, 1000), ignore);
  const read = (from: number, to: number, bytesMax: number) =>
    log.entries(from, to, bytesMax).map(({ index }) => index);
  assertEquals(read(7, 20, 0), [7]);
  assertEquals(read(7, 20, 3500), [7, 8, 9]);
  assertEquals(read(7, 8, 1e9), [7, 8]);
  assertEquals(read(1, 20, 1e9), entriesOf(1, 20, 1).map(({ index }) => index));
});

testEach("an entry at an existing index truncates the rest", ({ log }) => {
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 30, 1), ignore);
  log.append({ term: 2, vote: null }, entriesOf(29, 29, 2), ignore);
  assertEquals([log.lastIndex(), log.term(28), log.term(29)], [29, 1, 2]);
  log.append({ term: 4, vote: null }, entriesOf(3, 5, 4), ignore);
  assertEquals([log.lastIndex(), log.term(2), log.term(3)], [5, 1, 4]);
  log.append({ term: 5, vote: null }, entriesOf(1, 40, 5), ignore);
  assertEquals(contentOf(log).entries, entriesOf(1, 40, 5).map(describeEntry));
});

testEachCountable("one sync covers all waiting appends, in order", (fixture) => {
  const { log } = fixture;
  const done: number[] = [];
  for (let i = 1; i <= 10; i++) log.append(null, [entryOf(i, 1, 1)], () => done.push(i));
  assertEquals([fixture.syncCount(), done], [1, []]);
  fixture.finishSync();
  assertEquals([fixture.syncCount(), done], [2, [1]]);
  log.append({ term: 1, vote: null }, [], () => done.push(11));
  fixture.finishSync();
  assertEquals([fixture.syncCount(), done.length], [3, 10]);
  fixture.finishSync();
  assertEquals([fixture.syncCount(), done], [3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]);
});

testEachCountable("an append from within a callback waits for a sync of its own", (fixture) => {
  const done: number[] = [];
  fixture.log.append(null, [entryOf(1, 1)], () => {
    fixture.log.append(null, [entryOf(2, 1)], () => done.push(2));
    done.push(1);
  });
  fixture.finishSync();
  assertEquals([fixture.syncCount(), done], [2, [1]]);
  fixture.finishSync();
  assertEquals(done, [1, 2]);
});

testEachCountable("a failed sync is final", (fixture) => {
  const done: number[] = [];
  fixture.log.append(null, [entryOf(1, 1)], () => done.push(1));
  fixture.finishSync();
  fixture.failNextSync();
  for (let i = 2; i <= 4; i++) fixture.log.append(null, [entryOf(i, 1)], () => done.push(i));
  fixture.finishSync();
  fixture.log.append(null, [entryOf(5, 1)], () => done.push(5));
  fixture.finishSync();
  assertEquals(done, [1]);
  assertEquals(fixture.failures.map(({ message }) => message), ["disk on fire"]);
  assertEquals(fixture.syncCount(), 2);
});

testEachCountable("no callback runs after close", (fixture) => {
  fixture.log.append(null, [entryOf(1, 1)], () => {
    throw new Error("done was called");
  });
  fixture.log.close();
  fixture.finishSync();
  fixture.log.append(null, [entryOf(2, 1)], ignore);
  assertEquals([fixture.syncCount(), fixture.failures], [1, []]);
});

testEach("calls that Raft never makes are bugs", ({ log }) => {
  log.append({ term: 3, vote: "n1" }, entriesOf(1, 3, 3), ignore);
  const fails = (run: () => void) => assertThrows(run, AssertionFailure);
  fails(() => log.append({ term: 2, vote: null }, [], ignore));
  fails(() => log.append({ term: 3, vote: "n2" }, [], ignore));
  fails(() => log.append({ term: 3, vote: null }, [], ignore));
  fails(() => log.append(null, [entryOf(5, 3)], ignore));
  fails(() => log.append(null, [entryOf(4, 2)], ignore));
  fails(() => log.append(null, [entryOf(4, 3), entryOf(6, 3)], ignore));
  fails(() => log.entries(2, 4, 1000));
  fails(() => log.entries(3, 2, 1000));
  fails(() => log.term(4));
});

interface Change {
  readonly hardState: HardState | null;
  readonly entries: readonly LogEntry[];
}

function randomChange(log: LogStore, random: Random): Change {
  const term = log.hardState().term + randomInteger(random, 2);
  const isNew = term > log.hardState().term;
  const hardState = isNew ? { term, vote: randomInteger(random, 2) ? "n1" : null } : null;
  const length = log.lastIndex() + 1 - log.firstIndex();
  const cut = isNew && randomInteger(random, 3) === 0
    ? randomInteger(random, Math.min(12, length + 1))
    : 0;
  const first = log.lastIndex() + 1 - cut;
  if (term === 0) return { hardState, entries: [] };
  if (randomInteger(random, 4) === 0) {
    const memberCount = 1 + randomInteger(random, 5);
    return { hardState, entries: [configurationEntryOf(first, term, memberCount)] };
  }
  const last = first + randomInteger(random, 6) - 1;
  return { hardState, entries: entriesOf(first, last, term, randomInteger(random, 300)) };
}

/** The log on disk may still hold compacted entries. */
function assertAgree(disk: LogStore, memory: LogStore, hint: string): void {
  assert(disk.firstIndex() <= memory.firstIndex(), hint);
  assertEquals(
    [disk.lastIndex(), disk.hardState()],
    [memory.lastIndex(), memory.hardState()],
    hint,
  );
  for (let i = memory.firstIndex() - 1; i <= memory.lastIndex(); i++) {
    assertEquals(disk.term(i), memory.term(i), `${hint}: term of ${i}`);
  }
  const known = disk.configurations().filter(({ index }) => index >= memory.firstIndex());
  assertEquals(known, memory.configurations(), hint);
  if (memory.lastIndex() < memory.firstIndex()) return;
  const read = (log: LogStore) => log.entries(memory.firstIndex(), memory.lastIndex(), Infinity);
  assertEquals(read(disk).map(describeEntry), read(memory).map(describeEntry), hint);
}

Deno.test("both logs agree on any history, snapshots and restarts included", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const memory = new MemoryLog();
    // New segments and large writes end some steps later.
    const running: (() => void)[] = [];
    const disk = new FaultDisk({ schedule: (run) => running.push(run) });
    const finish = (count: number) => {
      for (; count > 0 && running.length > 0; count--) running.shift()?.();
    };
    let snapshot: { index: number; term: number } | null = null;
    const open = () =>
      DiskLog.open(disk, {
        clusterId: "c1",
        nodeId: "n1",
        nonce: "nonce",
        create: true,
        segmentBytesMax: 200 + randomInteger(random, 4000),
        snapshot,
        onFailure: (error) => {
          throw error;
        },
      });
    let log = open();
    for (let step = 0; step < 60; step++) {
      const { hardState, entries } = randomChange(memory, random);
      for (const each of [memory, log]) each.append(hardState, entries, ignore);
      const last = memory.lastIndex();
      const first = memory.firstIndex();
      // A third of the histories has no snapshots.
      if (seed % 3 !== 0 && last >= first && randomInteger(random, 8) === 0) {
        const index = first + randomInteger(random, last + 1 - first);
        snapshot = { index, term: memory.term(index) };
        for (const each of [memory, log]) each.compact(index);
      } else if (seed % 3 !== 0 && randomInteger(random, 15) === 0) {
        snapshot = { index: first + randomInteger(random, 20), term: memory.hardState().term };
        const { index, term } = snapshot;
        for (const each of [memory, log]) each.reset(index, term, null, ignore);
      }
      finish(randomInteger(random, 4));
      if (randomInteger(random, 6) === 0) {
        finish(Infinity);
        log.close();
        log = open();
      }
      assertAgree(log, memory, `seed ${seed}, step ${step}`);
    }
  }
});
