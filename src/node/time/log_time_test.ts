import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryLog } from "../../../tests/support/node/memory_log.ts";
import { seededRandom } from "../../base/random.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { Batch } from "../log/entry.ts";
import { LogTime, type TimedRaft } from "./log_time.ts";
import { MemberClocks } from "./member_clocks.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;
const VOTERS = ["n1", "n2", "n3"];

/** The log's time on n1, one of three nodes, with clocks that the test sets. */
class Kept {
  readonly clock = new ManualClock();
  readonly machine = new StateMachine();
  readonly clocks = new MemberClocks({
    id: "n1",
    clock: this.clock,
    random: seededRandom(1),
    clockOffsetMsMax: 10_000,
  });
  readonly time: LogTime;
  readonly log = new MemoryLog();
  readonly proposed: Batch[] = [];
  readonly raft: { -readonly [K in keyof TimedRaft]: TimedRaft[K] } = {
    role: "follower",
    term: 1,
    propose: (batches: readonly Batch[]) => this.proposed.push(...batches),
  };
  /** Errors of the other clocks. Nodes without one do not answer. */
  offsets: Readonly<Record<string, number>> = { n2: 0, n3: 0 };
  readonly #originMs = this.clock.wallOffsetMs;

  /** @param ledFromTerm `null` while it does not lead */
  constructor(
    loggedMs: number,
    voters: readonly string[] = VOTERS,
    ledFromTerm: number | null = 1,
  ) {
    this.machine.advanceTime(loggedMs);
    this.time = new LogTime({
      raft: this.raft,
      machine: this.machine,
      appliedIndex: () => 0,
      clock: this.clock,
      clocks: this.clocks,
      voters: () => voters,
    });
    if (ledFromTerm !== null) this.lead(ledFromTerm);
  }

  lead(term: number): void {
    Object.assign(this.raft, { role: "leader", term });
    this.time.lead(this.log);
  }

  /** Another node leads from now on. */
  follow(term: number): void {
    Object.assign(this.raft, { role: "follower", term });
    this.time.forget();
  }

  /** The leader of this term has put an entry into the log. */
  append(term: number, timeMs: number): void {
    const index = this.log.lastIndex() + 1;
    const entry = { index, term, data: new Batch(timeMs, []), sizeBytes: 0 };
    this.log.append(null, [entry], () => {});
  }

  /** Sets the error of all clocks, including this node's. */
  setAll(offsetMs: number): void {
    this.offsets = { n2: offsetMs, n3: offsetMs };
    this.clock.wallOffsetMs = this.#originMs + offsetMs;
  }

  get trueMs(): number {
    return this.#originMs + this.clock.monotonicMs();
  }

  /** Lets time pass in steps, and measures the clocks in each. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 50) {
      for (const { from, to, serial } of this.clocks.requests(VOTERS)) {
        const offsetMs = this.offsets[to];
        if (offsetMs === undefined) continue;
        const timeMs = this.trueMs + offsetMs;
        const reply = { type: "clockReply", from: to, to: from, serial, logTimeMs: null } as const;
        this.clocks.handleReply({ ...reply, timeMs });
      }
      this.time.noteClocks();
      this.time.nowMs();
      this.clock.advance(50);
    }
  }
}

Deno.test("before the clocks of a majority are known, time continues from the log's alone", () => {
  const loggedMs = 1_600_000_000_000;
  const kept = new Kept(loggedMs);
  kept.offsets = {};
  kept.pass(1_000);
  assertEquals(kept.time.isKnown, false);
  assertEquals(kept.time.nowMs(), loggedMs + 1_000);
  kept.offsets = { n2: 0 };
  kept.pass(100);
  assertEquals(kept.time.isKnown, true);
  assertEquals(kept.time.nowMs(), kept.trueMs);
});

Deno.test("a node's own wrong clock does not move the log's time, while it runs and at its start", () => {
  for (const wrongMs of [10 * YEAR_MS, -10 * YEAR_MS]) {
    const kept = new Kept(1_600_000_000_000);
    kept.clock.wallOffsetMs += wrongMs;
    kept.pass(500);
    assertEquals(kept.time.nowMs(), kept.trueMs);
    kept.clock.wallOffsetMs += wrongMs;
    kept.pass(5_000);
    assertEquals(kept.time.nowMs(), kept.trueMs);
  }
});

Deno.test("time that is ahead of the clocks runs at the pace of monotonic time", () => {
  const aheadMs = 10 * YEAR_MS;
  const loggedMs = 1_700_000_000_000 + aheadMs;
  const kept = new Kept(loggedMs);
  kept.pass(10_000);
  const passedMs = kept.time.nowMs() - loggedMs;
  assert(passedMs >= 9_980 && passedMs <= 10_000, String(passedMs));
  assertEquals(Math.round((kept.time.aheadMs() ?? 0) / 1_000), aheadMs / 1_000);
});

Deno.test("a lead of a moment is made up in time, and time never stops for it", () => {
  const kept = new Kept(1_700_000_000_000 + 40);
  let beforeMs = kept.time.nowMs();
  for (let round = 0; round < 50; round++) {
    kept.pass(1_000);
    const nowMs = kept.time.nowMs();
    assert(nowMs - beforeMs >= 998 && nowMs - beforeMs <= 1_001, String(nowMs - beforeMs));
    beforeMs = nowMs;
  }
  assert((kept.time.aheadMs() ?? Infinity) <= 2, String(kept.time.aheadMs()));
});

Deno.test("an entry that is ahead is continued from, and time never goes back", () => {
  const kept = new Kept(0);
  kept.pass(100);
  const aheadMs = kept.trueMs + 60_000;
  kept.machine.advanceTime(aheadMs);
  assertEquals(kept.time.next(), aheadMs);
  kept.pass(1_000);
  const nextMs = kept.time.next();
  assert(nextMs >= aheadMs + 998 && nextMs <= aheadMs + 1_000, String(nextMs - aheadMs));
  kept.offsets = { n2: -YEAR_MS, n3: -YEAR_MS };
  kept.clock.wallOffsetMs -= YEAR_MS;
  kept.pass(2_000);
  assert(kept.time.nowMs() > nextMs);
});

Deno.test("without the others time goes on, though the node's own clock jumps", () => {
  const kept = new Kept(0);
  kept.pass(100);
  kept.offsets = {};
  kept.pass(10_000);
  assertEquals(kept.clocks.majorityMs(VOTERS), null);
  kept.clock.wallOffsetMs += YEAR_MS;
  kept.pass(1_000);
  assertEquals(kept.time.nowMs(), kept.trueMs);
});

Deno.test("a cluster of one believes its clock, but not when it goes back", () => {
  const kept = new Kept(1_600_000_000_000, ["n1"]);
  assertEquals(kept.time.isKnown, true);
  assertEquals(kept.time.nowMs(), kept.trueMs);
  kept.clock.wallOffsetMs -= YEAR_MS;
  kept.pass(1_000);
  assert(Math.abs(kept.time.nowMs() - kept.trueMs) <= 2);
  kept.clock.wallOffsetMs += 2 * YEAR_MS;
  kept.pass(50);
  assertEquals(kept.time.nowMs(), kept.trueMs + YEAR_MS);
});

Deno.test("a node that does not lead uses the log and the leader's report, not the clocks", () => {
  const loggedMs = 1_600_000_000_000;
  const kept = new Kept(loggedMs, VOTERS, null);
  kept.pass(1_000);
  assertEquals(kept.time.isKnown, true);
  assertEquals(kept.time.nowMs(), loggedMs + 1_000);
  kept.machine.advanceTime(loggedMs + 5_000);
  kept.pass(1_000);
  assertEquals(kept.time.nowMs(), loggedMs + 6_000);
  kept.time.noteLeaderTime(loggedMs + 60_000, 10);
  kept.pass(1_000);
  assertEquals(kept.time.nowMs(), loggedMs + 61_000);
});

Deno.test("the leader's report corrects a follower's time in both directions, as exactly as it arrived", () => {
  const kept = new Kept(1_700_000_000_000, VOTERS, null);
  kept.pass(100);
  const reportedMs = 1_700_000_050_000;
  kept.time.noteLeaderTime(reportedMs, 30);
  assertEquals(kept.time.nowMs(), reportedMs);
  kept.time.noteLeaderTime(reportedMs - 20, 30); // it may be as late as that by now
  assertEquals(kept.time.nowMs(), reportedMs);
  kept.time.noteLeaderTime(reportedMs - 20_000, 30);
  assertEquals(kept.time.nowMs(), reportedMs - 19_970);
  kept.machine.advanceTime(reportedMs - 10_000);
  kept.time.noteLeaderTime(reportedMs - 20_000, 30); // said before that entry
  assertEquals(kept.time.nowMs(), reportedMs - 10_000);
});

Deno.test("a new leader uses the clocks as they are now, not as they once were", () => {
  for (const onceMs of [10 * YEAR_MS, -10 * YEAR_MS]) {
    const kept = new Kept(1_600_000_000_000, VOTERS, null);
    kept.setAll(onceMs);
    kept.pass(2_000);
    kept.setAll(0);
    kept.pass(200);
    kept.lead(1);
    assertEquals(kept.time.next(), kept.trueMs);
  }
});

Deno.test("a new leader continues from the last one's report, and the time since then", () => {
  const loggedMs = 1_700_000_000_000 + 10 * YEAR_MS;
  const kept = new Kept(loggedMs, VOTERS, null);
  kept.append(1, loggedMs);
  kept.time.noteLeaderTime(loggedMs + 60_000, 0);
  kept.pass(1_000);
  kept.lead(2);
  const passedMs = kept.time.next() - loggedMs;
  assert(passedMs >= 60_998 && passedMs <= 61_000, String(passedMs));
});

Deno.test("time that no later leader continued is forgotten", () => {
  const heard = new Kept(0, VOTERS, null);
  heard.pass(200);
  heard.time.noteLeaderTime(heard.trueMs + 10 * YEAR_MS, 0);
  const led = new Kept(0, VOTERS, null);
  led.setAll(10 * YEAR_MS);
  led.pass(2_000);
  led.lead(1);
  led.time.next(); // nobody else gets this entry
  led.setAll(0);
  led.pass(200);
  led.follow(2);
  for (const kept of [heard, led]) {
    kept.append(2, kept.trueMs);
    kept.pass(200);
    kept.lead(3);
    assertEquals(kept.time.next(), kept.trueMs);
  }
});

Deno.test("when a report is forgotten, the time since the last entry is not", () => {
  const loggedMs = 1_700_000_000_000 + 10 * YEAR_MS;
  const kept = new Kept(loggedMs, VOTERS, null);
  kept.pass(200);
  kept.time.noteLeaderTime(loggedMs + 60_000, 0);
  kept.append(2, loggedMs + 500); // by a node that had lost some time
  kept.machine.advanceTime(loggedMs + 500);
  kept.pass(10_000);
  kept.lead(3);
  const passedMs = kept.time.next() - loggedMs;
  assert(passedMs >= 10_488 && passedMs <= 10_500, String(passedMs));
});

Deno.test("time that a later leader may have continued goes on", () => {
  const aheadMs = 10 * YEAR_MS;
  const kept = new Kept(0, VOTERS, null);
  kept.pass(200);
  kept.time.noteLeaderTime(kept.trueMs + aheadMs, 0);
  kept.append(2, kept.trueMs + aheadMs);
  kept.pass(1_000);
  kept.lead(3);
  const leftMs = kept.time.next() - kept.trueMs - aheadMs;
  assert(leftMs >= -2 && leftMs <= 0, String(leftMs));
});

Deno.test("after a snapshot the time of its last entry counts, whatever was said before", () => {
  const kept = new Kept(0, VOTERS, null);
  kept.pass(200);
  kept.time.noteLeaderTime(kept.trueMs + 10 * YEAR_MS, 0);
  kept.machine.advanceTime(kept.trueMs);
  kept.log.reset(7, 2, null, () => {});
  kept.pass(200);
  kept.lead(3);
  assertEquals(kept.time.next(), kept.trueMs);
});

Deno.test("a node that has the time neither from the clocks nor from a leader may not report it", () => {
  const kept = new Kept(0, VOTERS, null);
  kept.time.noteLeaderTime(1_700_000_000_000, 0);
  assertEquals(kept.time.isKnown, false); // its own clock may be wrong
  kept.pass(200);
  assertEquals(kept.time.isKnown, true);
  kept.offsets = {};
  kept.pass(6_000);
  assertEquals(kept.clocks.majorityMs(VOTERS), null);
  assertEquals(kept.time.isKnown, true);

  const restarted = new Kept(0, VOTERS, null);
  restarted.pass(200);
  assertEquals(restarted.time.isKnown, true);
  restarted.offsets = {};
  restarted.pass(6_000);
  assertEquals(restarted.time.isKnown, false); // how long was it down?
});

Deno.test("only a leader reports the time, and only in the term in which it is ready to lead", () => {
  const kept = new Kept(0, VOTERS, null);
  kept.pass(200);
  assertEquals(kept.time.leaderTimeMs, null);
  kept.raft.role = "leader";
  assertEquals(kept.time.leaderTimeMs, null); // it has not looked into its log yet
  kept.lead(1);
  assertEquals(kept.time.leaderTimeMs, kept.trueMs);
  kept.raft.term = 2;
  assertEquals(kept.time.leaderTimeMs, null);
  kept.raft.term = 1;
  kept.raft.role = "follower";
  assertEquals(kept.time.leaderTimeMs, null);
});

Deno.test("a new leader continues from the last time in its log, applied or not", () => {
  const kept = new Kept(0, VOTERS, null);
  kept.pass(100);
  const lastMs = kept.trueMs + 60_000;
  kept.append(1, lastMs);
  kept.log.append(null, [{ index: 2, term: 1, data: null, sizeBytes: 0 }], () => {});
  kept.lead(2);
  assertEquals(kept.time.nowMs(), lastMs);
  assertEquals(kept.time.next(), lastMs);
});

Deno.test("time that a leader spent on failed proposals does not stop the next leader's time", () => {
  const kept = new Kept(0);
  kept.pass(200);
  const deadlineMs = kept.trueMs + 100;
  kept.machine.keyspace.set("k", "v");
  kept.machine.keyspace.setDeadline("k", deadlineMs);
  kept.pass(200);
  kept.time.passBeforeRead();
  kept.time.passBeforeRead();
  assertEquals(kept.proposed.length, 1);
  kept.follow(2);
  kept.lead(3);
  kept.time.passBeforeRead();
  assertEquals(kept.proposed.length, 2);
});

Deno.test("a node that knows no time does not report how far ahead it is", () => {
  const fresh = new Kept(0, VOTERS, null);
  fresh.pass(1_000);
  assertEquals(fresh.time.aheadMs(), null);
  fresh.time.noteLeaderTime(fresh.trueMs + 5_000, 0);
  assert(Math.abs((fresh.time.aheadMs() ?? 0) - 5_000) <= 2, String(fresh.time.aheadMs()));
});
