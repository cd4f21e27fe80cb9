import { assertEquals } from "@std/assert";
import { Progress } from "./progress.ts";

const limits = { inflightMax: 2, inflightBytesMax: 100 };

/** A peer that has everything up to `match`, in `replicate`. */
function replicating(match: number): Progress {
  const progress = new Progress(limits, match, 0);
  progress.sent(match, 1, 0);
  progress.accepted(match);
  return progress;
}

function stateOf({ state, match, next }: Progress) {
  return [state, match, next];
}

Deno.test("Progress probes with one append, and replicates from the first match", () => {
  const progress = new Progress(limits, 5, 0);
  assertEquals(progress.canSend(4), false);
  assertEquals(progress.canSend(5), true);
  progress.sent(5, 10, 0);
  assertEquals(progress.canSend(9), false);
  assertEquals(stateOf(progress), ["probe", 0, 5]);
  assertEquals(progress.accepted(5), true);
  assertEquals(stateOf(progress), ["replicate", 5, 6]);
});

Deno.test("Progress backs up to the hint, always at least one, never to what matches", () => {
  const next = (refused: number, hint: number) => {
    const progress = new Progress(limits, 9, 0);
    progress.refused(refused, hint);
    return progress.next;
  };
  assertEquals([next(8, 3), next(8, 99), next(8, 0), next(5, 3)], [4, 8, 1, 9]);
  const progress = replicating(6);
  progress.sent(9, 1, 0);
  progress.refused(9, 2);
  assertEquals(stateOf(progress), ["probe", 6, 7]);
  progress.refused(6, 2);
  assertEquals(stateOf(progress), ["probe", 6, 7], "what was accepted cannot be refused");
});

Deno.test("Progress bounds what is in flight, by count and by bytes", () => {
  const progress = replicating(1);
  progress.sent(2, 10, 0);
  progress.sent(3, 10, 0);
  assertEquals(progress.canSend(9), false);
  progress.accepted(2);
  assertEquals(progress.canSend(9), true);
  progress.sent(4, 90, 0);
  progress.accepted(3);
  assertEquals(progress.canSend(9), true);
  progress.sent(5, 10, 0);
  assertEquals(progress.canSend(9), false);
  progress.accepted(4);
  progress.sent(6, 100, 0);
  progress.accepted(5);
  assertEquals(progress.canSend(9), false, "one, but too large");
});

Deno.test("Progress asks after an append that stays unanswered, once in a while", () => {
  const progress = replicating(1);
  const isChecked = (tick: number) => {
    progress.checkDue = false;
    progress.alive(tick, 5, 20);
    return progress.checkDue;
  };
  assertEquals(isChecked(9), false, "nothing is in flight");
  progress.sent(2, 1, 10);
  assertEquals([14, 15, 16, 20].map(isChecked), [false, true, false, true]);
  progress.accepted(2);
  assertEquals(isChecked(30), false);
});

Deno.test("Progress loses nothing by answers that come late", () => {
  const progress = replicating(6);
  progress.sent(9, 1, 0);
  assertEquals(progress.accepted(3), false);
  assertEquals(stateOf(progress), ["replicate", 6, 10]);
  progress.refused(4, 2);
  assertEquals(stateOf(progress), ["replicate", 6, 10]);
});
