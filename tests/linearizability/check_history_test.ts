import { assertEquals, assertThrows } from "@std/assert";
import { checkHistory } from "./check_history.ts";
import type { Operation, PlainReply } from "./operation.ts";

const NO_REPLY = Symbol("no reply");

/** `[from, to]`, the request and its reply; all on one key. */
type Line = readonly [readonly [number, number], string, PlainReply | typeof NO_REPLY];

function history(...lines: readonly Line[]): Operation[] {
  return lines.map(([[invokedMs, endMs], request, reply], at) => {
    const common = { client: `c${at}`, key: "k", args: request.split(" "), invokedMs };
    return reply === NO_REPLY
      ? { ...common, completedMs: null, outcome: { kind: "unknown" } }
      : { ...common, completedMs: endMs, outcome: { kind: "ok", reply } };
  });
}

function assertGood(name: string, ...lines: readonly Line[]): void {
  Deno.test(`good: ${name}`, () => {
    assertEquals(checkHistory(history(...lines), { timeoutMs: 5_000 }), {
      verdict: "linearizable",
    });
  });
}

function assertBad(name: string, ...lines: readonly Line[]): void {
  Deno.test(`bad: ${name}`, () => {
    const { verdict, key } = checkHistory(history(...lines), { timeoutMs: 5_000 });
    assertEquals({ verdict, key }, { verdict: "not linearizable", key: "k" });
  });
}

assertGood("nothing at all");
assertGood("one after the other", [[1, 2], "SET a", "OK"], [[3, 4], "GET", "a"]);
assertGood("a read beside a write sees the old value", [[1, 5], "SET a", "OK"], [
  [2, 4],
  "GET",
  null,
]);
assertGood("a read beside a write sees the new value", [[1, 5], "SET a", "OK"], [
  [2, 4],
  "GET",
  "a",
]);
assertGood("equal times count as concurrent", [[1, 2], "SET a", "OK"], [[2, 3], "GET", null]);
assertGood(
  "two writers, readers agree on their order",
  ...[[[1, 9], "SET a", "OK"], [[1, 9], "SET b", "OK"]] as const,
  ...[[[2, 3], "GET", "b"], [[4, 5], "GET", "a"], [[10, 11], "GET", "a"]] as const,
);
assertGood("an unknown write that never shows", [[1, 2], "SET a", NO_REPLY], [
  [3, 4],
  "GET",
  null,
]);
assertGood(
  "an unknown write that shows up late",
  ...[[[1, 2], "SET a", NO_REPLY], [[3, 4], "GET", null], [[5, 6], "SET b", "OK"]] as const,
  ...[[[7, 8], "GET", "b"], [[9, 10], "GET", "a"]] as const,
);
assertGood(
  "unknown increments, some of which count",
  ...[[[1, 2], "INCR", NO_REPLY], [[1, 2], "INCR", NO_REPLY], [[1, 2], "INCR", NO_REPLY]] as const,
  ...[[[3, 4], "INCR", 2], [[5, 6], "GET", "3"]] as const,
);
assertGood(
  "unknown appends in an order that only a read tells",
  ...["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "l", "m"].map((value) =>
    [[1, 2], `APPEND ${value}`, NO_REPLY] as const
  ),
  [[5, 6], "GET", "mlacbdfe"],
);
assertGood(
  "NX and XX, taken and refused",
  ...[[[1, 2], "SET a XX", null], [[3, 4], "SET a NX", "OK"], [[5, 6], "SET b NX", null]] as const,
  ...[[[7, 8], "SET c XX", "OK"], [[9, 10], "GETSET d", "c"], [[11, 12], "DEL", 1]] as const,
  ...[[[13, 14], "DEL", 0], [[15, 16], "EXISTS", 0]] as const,
);
assertGood("a deletion of unknown outcome explains an NX", [[1, 2], "SET a", "OK"], [
  [3, 4],
  "DEL",
  NO_REPLY,
], [[5, 6], "SET b NX", "OK"]);
assertGood("an increment of a word", [[1, 2], "SET a", "OK"], [
  [3, 4],
  "INCR",
  "-ERR value is not an integer or out of range",
]);

assertBad("a read of what was never written", [[1, 2], "GET", "a"]);
assertBad("a lost write", [[1, 2], "SET a", "OK"], [[3, 4], "GET", null]);
assertBad(
  "a stale read: the value was overwritten before it began",
  ...[[[1, 2], "SET a", "OK"], [[3, 4], "SET b", "OK"], [[5, 6], "GET", "a"]] as const,
);
assertBad(
  "a new value seen, then the old one, while the write still runs",
  ...[[[1, 9], "SET a", "OK"], [[2, 3], "GET", "a"], [[4, 5], "GET", null]] as const,
);
assertBad(
  "readers that disagree on the order of two writes",
  ...[[[1, 9], "SET a", "OK"], [[1, 9], "SET b", "OK"]] as const,
  ...[[[2, 3], "GET", "a"], [[4, 5], "GET", "b"], [[6, 7], "GET", "a"]] as const,
);
assertBad("a lost update: two increments, one result", [[1, 4], "INCR", 1], [[2, 3], "INCR", 1]);
assertBad("an increment applied twice", [[1, 2], "INCR", 1], [[3, 4], "GET", "2"]);
assertBad(
  "an unknown increment that counts twice",
  ...[[[1, 2], "INCR", NO_REPLY], [[3, 4], "GET", "2"]] as const,
);
assertBad("an append applied twice", [[1, 2], "APPEND a", 1], [[3, 4], "GET", "aa"]);
assertBad("two NX that both took the key", [[1, 4], "SET a NX", "OK"], [
  [2, 3],
  "SET b NX",
  "OK",
]);
assertBad("an XX on a key that cannot exist", [[1, 2], "SET a XX", "OK"]);
assertBad("two deletions of one key", [[1, 2], "SET a", "OK"], [[3, 6], "DEL", 1], [
  [4, 5],
  "DEL",
  1,
]);
assertBad(
  "an unknown write seen and then unseen",
  ...[[[1, 2], "SET a", NO_REPLY], [[3, 4], "GET", "a"], [[5, 6], "GET", null]] as const,
);
assertBad(
  "an unknown write that shows before it was sent",
  ...[[[1, 2], "GET", "a"], [[3, 4], "SET a", NO_REPLY]] as const,
);
assertBad("a write that answers as if refused", [[1, 2], "SET a", null]);
assertBad("a swap that gives back the wrong value", [[1, 2], "SET a", "OK"], [
  [3, 4],
  "GETSET b",
  "b",
]);

Deno.test("each key is judged alone, and the failing one is shown", () => {
  const good = history([[1, 2], "SET a", "OK"], [[3, 4], "GET", "a"]);
  const bad = history([[1, 2], "SET a", "OK"], [[3, 4], "SET b", "OK"], [[5, 6], "GET", "a"]);
  const operations = [...good, ...bad.map((operation) => ({ ...operation, key: "other" }))];
  const { verdict, key, explanation } = checkHistory(operations, { timeoutMs: 5_000 });
  assertEquals([verdict, key], ["not linearizable", "other"]);
  assertEquals(explanation, [
    'key "other": no order explains its 3 operations',
    "the longest order found ends with (what the key then holds):",
    '  [1, 2] c0: SET a → "OK"  ("a")',
    '  [3, 4] c1: SET b → "OK"  ("b")',
    'the key holds "b"; one of these must come next, and none can:',
    '  [5, 6] c2: GET → "a", but would be answered "b"',
  ]);
});

Deno.test("operations of unknown outcome that do not help are shown too", () => {
  const operations = history([[1, 2], "INCR", NO_REPLY], [[3, 4], "INCR", 3]);
  assertEquals(checkHistory(operations, { timeoutMs: 5_000 }).explanation, [
    'key "k": no order explains its 2 operations',
    "the key holds nothing; one of these must come next, and none can:",
    "  [3, 4] c1: INCR → 3, but would be answered 1",
    "even with these earlier operations of unknown outcome:",
    "  [1, …] c0: INCR → unknown",
  ]);
});

Deno.test("a search that runs out of time is not a pass", () => {
  const writes = Array.from({ length: 18 }, (_, at) => [[1, 2], `SET ${at}`, "OK"] as const);
  const hard = history(...writes, [[3, 4], "GET", "nobody wrote this"]);
  const { verdict, key } = checkHistory(hard, { timeoutMs: 0 });
  assertEquals({ verdict, key }, { verdict: "unknown", key: "k" });
});

Deno.test("an unknown command is an error, not a pass", () => {
  const operations = history([[1, 2], "ZADD 1", 1]);
  assertThrows(() => checkHistory(operations, { timeoutMs: 1_000 }), RangeError, "ZADD");
});
