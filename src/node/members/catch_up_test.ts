import { assertEquals } from "@std/assert";
import { silentLogger } from "../../base/logger.ts";
import { CatchUp, type LagFacts, MajorityWatch } from "./catch_up.ts";

const LAG_MS_MAX = 100;
const START_MS = 1_000;

function start() {
  const catchUp = new CatchUp(LAG_MS_MAX, START_MS);
  const note = (afterMs: number, progress: Partial<LagFacts>) => {
    catchUp.note(START_MS + afterMs, {
      isLeader: false,
      appliedIndex: 0,
      leaderCommit: 0,
      isReceiving: false,
      ...progress,
    });
    return [catchUp.isBehind, catchUp.refusesReads(START_MS + afterMs)];
  };
  return { catchUp, note };
}

const READY = [false, false];
const BEHIND = [true, false];
const REFUSING = [true, true];

Deno.test("a node that has just started lags until it has applied what the leader committed", () => {
  const { catchUp, note } = start();
  assertEquals(catchUp.isBehind, true);
  assertEquals(note(1, {}), BEHIND);
  assertEquals(note(2, { appliedIndex: 3, leaderCommit: 9 }), BEHIND);
  assertEquals(note(3, { appliedIndex: 9, leaderCommit: 9 }), READY);
});

Deno.test("a node that does not learn how far the leader is refuses reads after a while", () => {
  const { note } = start();
  assertEquals(note(100, {}), BEHIND);
  assertEquals(note(101, {}), REFUSING);
});

Deno.test("a node under load is always slightly behind, and does not lag", () => {
  const { note } = start();
  note(0, { appliedIndex: 1, leaderCommit: 1 });
  for (let ms = 10; ms < 1_000; ms += 10) {
    assertEquals(note(ms, { appliedIndex: ms, leaderCommit: ms + 50 }), READY);
  }
});

Deno.test("a node lags when it has known of a committed entry for too long without applying it", () => {
  const { note } = start();
  note(0, { appliedIndex: 1, leaderCommit: 1 });
  assertEquals(note(10, { appliedIndex: 1, leaderCommit: 2 }), READY);
  assertEquals(note(110, { appliedIndex: 1, leaderCommit: 500 }), READY);
  assertEquals(note(111, { appliedIndex: 1, leaderCommit: 600 }), BEHIND);
  // It has applied the first commit index late. The next one must show that it keeps up.
  assertEquals(note(150, { appliedIndex: 2, leaderCommit: 700 }), BEHIND);
  assertEquals(note(212, { appliedIndex: 650, leaderCommit: 900 }), REFUSING);
  assertEquals(note(249, { appliedIndex: 700, leaderCommit: 900 }), READY);
});

Deno.test("a node that receives a snapshot lags until it is installed; a leader never does", () => {
  const { note } = start();
  note(0, { appliedIndex: 5, leaderCommit: 5 });
  assertEquals(note(10, { appliedIndex: 5, leaderCommit: 5, isReceiving: true }), BEHIND);
  assertEquals(note(111, { appliedIndex: 5, leaderCommit: 90, isReceiving: true }), REFUSING);
  assertEquals(note(112, { appliedIndex: 90, leaderCommit: 90 }), READY);
  assertEquals(note(113, { isLeader: true, appliedIndex: 5, leaderCommit: 90 }), READY);
});

Deno.test("a node without a leader reports unreachable members every few seconds", () => {
  const lines: string[] = [];
  const problems = new Map([["n2", "10.0.0.2:17001: refused"], ["n3", "10.0.0.3:17001: reset"]]);
  const watch = new MajorityWatch({
    logger: { ...silentLogger, warn: (line) => lines.push(line) },
    problem: (id) => problems.get(id) ?? null,
  });
  const members = ["n1", "n2", "n3"];
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) watch.check(nowMs, nowMs < 1_000, members);
  const line = "no leader without a majority: 1 of 3 members reached; " +
    "n2 10.0.0.2:17001: refused; n3 10.0.0.3:17001: reset";
  assertEquals(lines, [line, line]);
  problems.delete("n3"); // these two can elect
  for (let nowMs = 10_000; nowMs < 30_000; nowMs += 50) watch.check(nowMs, false, members);
  problems.clear();
  for (let nowMs = 30_000; nowMs < 60_000; nowMs += 50) watch.check(nowMs, true, members);
  assertEquals(lines.length, 2);
});
