import { assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { majority, Progress, reachedByMajority } from "./progress.ts";

const limits = { inflightMax: 2, inflightBytesMax: 100 };

/** A peer that has everything up to `match`, in `replicate`. */
function replicating(match: number): Progress {
  const progress = new Progress(limits, match, 0);
  progress.noteSent(match, 1, 0);
  progress.accept(match);
  return progress;
}

function stateOf({ state, match, next }: Progress) {
  return [state, match, next];
}

Deno.test("Progress probes with one append, and replicates from the first match", () => {
  const progress = new Progress(limits, 5, 0);
  assertEquals(progress.canSend(4), false);
  assertEquals(progress.canSend(5), true);
  progress.noteSent(5, 10, 0);
  assertEquals(progress.canSend(9), false);
  assertEquals(stateOf(progress), ["probe", 0, 5]);
  assertEquals(progress.accept(5), true);
  assertEquals(stateOf(progress), ["replicate", 5, 6]);
});

Deno.test("Progress backs up to the hint, by at least one entry, and never before the match", () => {
  const next = (refused: number, hint: number) => {
    const progress = new Progress(limits, 9, 0);
    progress.refuse(refused, hint);
    return progress.next;
  };
  assertEquals([next(8, 3), next(8, 99), next(8, 0), next(5, 3)], [4, 8, 1, 9]);
  const progress = replicating(6);
  progress.noteSent(9, 1, 0);
  progress.refuse(9, 2);
  assertEquals(stateOf(progress), ["probe", 6, 7]);
  progress.refuse(6, 2);
  assertEquals(stateOf(progress), ["probe", 6, 7], "what was accepted cannot be refused");
});

Deno.test("Progress bounds what is in flight, by count and by bytes", () => {
  const progress = replicating(1);
  progress.noteSent(2, 10, 0);
  progress.noteSent(3, 10, 0);
  assertEquals(progress.canSend(9), false);
  progress.accept(2);
  assertEquals(progress.canSend(9), true);
  progress.noteSent(4, 90, 0);
  progress.accept(3);
  assertEquals(progress.canSend(9), true);
  progress.noteSent(5, 10, 0);
  assertEquals(progress.canSend(9), false);
  progress.accept(4);
  progress.noteSent(6, 100, 0);
  progress.accept(5);
  assertEquals(progress.canSend(9), false, "one, but too large");
});

Deno.test("Progress sends a probe now and then while an append stays unanswered", () => {
  const progress = replicating(1);
  const isChecked = (tick: number) => {
    progress.checkDue = false;
    progress.noteAlive(tick, 5, 20);
    return progress.checkDue;
  };
  assertEquals(isChecked(9), false, "nothing is in flight");
  progress.noteSent(2, 1, 10);
  assertEquals([14, 15, 16, 20].map(isChecked), [false, true, false, true]);
  progress.accept(2);
  assertEquals(isChecked(30), false);
});

Deno.test("Progress loses nothing by late answers", () => {
  const progress = replicating(6);
  progress.noteSent(9, 1, 0);
  assertEquals(progress.accept(3), false);
  assertEquals(stateOf(progress), ["replicate", 6, 10]);
  progress.refuse(4, 2);
  assertEquals(stateOf(progress), ["replicate", 6, 10]);
});

Deno.test("majority() is more than half", () => {
  assertEquals([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
});

Deno.test("majorities of configurations that differ by one voter have a voter in common", () => {
  for (let count = 1; count <= 9; count++) {
    // The two together cannot avoid each other within the larger of the two sets.
    assertEquals(majority(count) + majority(count + 1) > count + 1, true);
  }
});

Deno.test("reachedByMajority() is the highest value that more than half have reached", () => {
  assertEquals(reachedByMajority([5]), 5);
  assertEquals(reachedByMajority([5, 3]), 3);
  assertEquals(reachedByMajority([1, 9, 5]), 5);
  assertEquals(reachedByMajority([9, 9, 1, 2]), 2);
  assertEquals(reachedByMajority([0, 7, 7, 7, 0]), 7);
  assertThrows(() => reachedByMajority([]), AssertionFailure);
});
