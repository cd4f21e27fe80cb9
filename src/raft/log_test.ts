import { assertEquals, assertThrows } from "@std/assert";
import { entriesOf } from "../../tests/support/raft/lone_node.ts";
import { TestLog } from "../../tests/support/raft/test_log.ts";
import type { TestEntry } from "../../tests/support/raft/test_node.ts";
import { AssertionFailure } from "../base/errors.ts";
import { RaftLog } from "./log.ts";

function logOf(terms: number[], cacheBytesMax = 1000) {
  const reader = new TestLog({ term: 9, vote: null }, entriesOf(terms));
  return { reader, log: new RaftLog(reader, cacheBytesMax) };
}

function append(log: RaftLog<string>, terms: number[]): void {
  for (const entry of entriesOf(terms, log.lastIndex() + 1)) log.append(entry);
}

const indexesOf = (entries: readonly TestEntry[]) => entries.map((entry) => entry.index);

Deno.test("RaftLog is durable up to the last write that ended in order", () => {
  const { log } = logOf([1]);
  append(log, [1, 1]);
  assertEquals(indexesOf(log.handOut(1)), [2, 3]);
  append(log, [1]);
  assertEquals(indexesOf(log.handOut(2)), [4]);
  assertEquals(log.durableIndex(), 1);
  log.markDurable(1);
  assertEquals(log.durableIndex(), 3);
  log.markDurable(2);
  assertEquals(log.durableIndex(), 4);
});

Deno.test("RaftLog takes no entry for durable because of another at its index", () => {
  const { log } = logOf([1]);
  append(log, [2, 2, 2]);
  log.handOut(1); // 2…4 of term 2
  log.truncateFrom(3);
  append(log, [3]);
  log.handOut(2); // 3 of term 3
  log.truncateFrom(3);
  append(log, [4, 4]);
  log.handOut(3); // 3 and 4 of term 4
  log.markDurable(1);
  assertEquals(log.durableIndex(), 2);
  log.markDurable(2);
  assertEquals(log.durableIndex(), 2, "what is durable now at 3 was cut off since");
  log.markDurable(3);
  assertEquals(log.durableIndex(), 4);
  log.truncateFrom(2);
  assertEquals(log.durableIndex(), 1, "what is cut off is not durable");
});

Deno.test("RaftLog advances writes in their order only", () => {
  const { log } = logOf([]);
  log.handOut(1);
  log.handOut(2);
  assertThrows(() => log.markDurable(2), AssertionFailure, "Ready 2 is advanced where 1 is due");
});

Deno.test("RaftLog does not ask the reader for entries that it may lack", () => {
  const { log } = logOf([1, 1], 0);
  append(log, [2, 2]);
  assertEquals(indexesOf(log.entries(1, 4, 100)), [1, 2]);
  assertEquals(indexesOf(log.entries(3, 4, 100)), [3, 4], "not handed out");
  log.handOut(1);
  assertEquals(indexesOf(log.entries(3, 4, 100)), [3, 4], "not appended");
  log.truncateFrom(2);
  append(log, [3]);
  assertEquals(log.term(2), 3, "the reader still has the old one");
  assertEquals(indexesOf(log.entries(2, 2, 100)), [2]);
});

Deno.test("RaftLog keeps durable entries in memory up to its bound", () => {
  const { log, reader } = logOf([], 5);
  append(log, [1, 1, 1, 1]); // of 2 bytes each
  reader.write({ hardState: null, snapshot: null, entries: log.handOut(1) });
  assertEquals(indexesOf(log.entries(1, 4, 100)), [1, 2, 3, 4], "all, while none is durable");
  log.markDurable(1);
  assertEquals(indexesOf(log.entries(1, 4, 100)), [1, 2], "from the reader");
  assertEquals(indexesOf(log.entries(3, 4, 100)), [3, 4], "from memory");
});

Deno.test("RaftLog keeps entries in memory until they are durable, beyond any bound", () => {
  const { log, reader } = logOf([], 0);
  append(log, [1, 1]);
  reader.write({ hardState: null, snapshot: null, entries: log.handOut(1) });
  append(log, [1, 1]);
  log.markDurable(1);
  assertEquals(indexesOf(log.entries(3, 4, 100)), [3, 4]);
  assertEquals(indexesOf(log.handOut(2)), [3, 4]);
});

Deno.test("RaftLog reads by size, but at least one entry", () => {
  const { log } = logOf([]);
  append(log, [1, 1, 1]);
  assertEquals(indexesOf(log.entries(1, 3, 4)), [1, 2]);
  assertEquals(indexesOf(log.entries(1, 3, 1)), [1]);
});

Deno.test("RaftLog truncates no committed entry", () => {
  const { log } = logOf([1, 1]);
  log.commitTo(2);
  assertThrows(() => log.truncateFrom(2), AssertionFailure, "committed");
  assertEquals(log.commitTo(1), false);
  assertEquals(log.commitIndex(), 2);
  assertThrows(() => log.commitTo(3), AssertionFailure, "the log ends at 2");
});

Deno.test("RaftLog hands out each committed entry once", () => {
  const { log } = logOf([1, 1, 1]);
  log.commitTo(2);
  assertEquals(indexesOf(log.takeCommitted(100, Infinity)), [1, 2]);
  assertEquals(log.takeCommitted(100, Infinity), []);
  log.commitTo(3);
  assertEquals(indexesOf(log.takeCommitted(100, Infinity)), [3]);
});

Deno.test("RaftLog hands out no more committed entries than it is asked for", () => {
  const { log } = logOf([1, 1, 1]);
  log.commitTo(3);
  assertEquals(log.takeCommitted(100, 0), []);
  assertEquals(indexesOf(log.takeCommitted(100, 2)), [1, 2]);
  assertEquals(log.appliedIndex(), 2);
  assertEquals(indexesOf(log.takeCommitted(100, 2)), [3]);
});

Deno.test("RaftLog may begin after index 1: it knows the term before, and takes it for committed", () => {
  const reader = new TestLog({ term: 9, vote: null }, entriesOf([4, 5], 8), { index: 7, term: 3 });
  const log = new RaftLog(reader, 100);
  assertEquals([log.firstIndex(), log.lastIndex(), log.commitIndex(), log.appliedIndex()], [
    8,
    9,
    7,
    7,
  ]);
  assertEquals([log.matches(7, 3), log.matches(6, 3), log.matches(9, 5)], [true, false, true]);
  assertEquals(log.lastIndexOfTermAtMost(9, 1, 0), 7);
  log.commitTo(8);
  assertEquals(indexesOf(log.takeCommitted(100, Infinity)), [8]);
  assertThrows(() => log.entries(7, 9, 100), AssertionFailure, "compacted");

  const empty = new RaftLog(new TestLog({ term: 9, vote: null }, [], { index: 7, term: 3 }), 100);
  assertEquals([empty.lastIndex(), empty.lastTerm(), empty.commitIndex()], [7, 3, 7]);
  empty.append(...entriesOf([4], 8) as [TestEntry]);
  assertEquals(empty.term(8), 4);
});
