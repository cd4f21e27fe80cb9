import { assertThrows } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import type { StateReport } from "../../src/node/members/report.ts";
import { drawFaultPlan } from "./fault_plan.ts";
import { LeaderWatch } from "./leader_watch.ts";

const random = seededRandom(1);
const plan = {
  ...drawFaultPlan({ random, laterRandom: random }, 3),
  electionMs: 150,
  clockRateMax: 0,
};

class Watched {
  nowMs = 0;
  readonly watch = new LeaderWatch({
    plan,
    nowMs: () => this.nowMs,
    fail: (what) => {
      throw new Error(what);
    },
  });

  constructor() {
    for (const id of ["n1", "n2", "n3"]) this.watch.started(id);
  }

  /** n3 asks n2 for this vote, and n2 grants it. */
  grant(type: "preVote" | "vote", term: number, report: StateReport): void {
    this.watch.handling({ type, from: "n3", to: "n2", term }, report);
    this.watch.sent({ type: `${type}Reply`, from: "n2", to: "n3", term, granted: true });
  }
}

function report(id: string, role: StateReport["role"], term: number): StateReport {
  return {
    id,
    clusterId: "",
    role,
    term,
    leaderId: null,
    lastLeaderId: null,
    leaderAddress: null,
    commitIndex: 0,
    appliedIndex: 0,
    lastIndex: 0,
    isServing: true,
    isCatchingUp: false,
    time: { clockOffsetMs: 0, logTimeMs: 0, logTimeAheadMs: 0 },
    queued: 0,
    protocolVersion: 3,
    machineVersion: 1,
    machineVersionMax: 1,
    members: ["n1", "n2", "n3"].map((member) => ({
      id: member,
      raftAddress: { host: member, port: 17001 },
      clientAddress: null,
      isLearner: false,
      isConnected: true,
      matchIndex: null,
    })),
  };
}

Deno.test("leader watch: a node grants no vote while it hears its leader", () => {
  const watched = new Watched();
  const follower = report("n2", "follower", 1);
  watched.watch.handling({ type: "heartbeat", from: "n1", to: "n2", term: 1 }, follower);
  watched.nowMs = 90;
  assertThrows(() => watched.grant("preVote", 2, follower), Error, "while its leader is alive");
  assertThrows(() => watched.grant("vote", 2, follower), Error, "while its leader is alive");
  watched.nowMs = 160;
  watched.grant("preVote", 2, follower);
});

Deno.test("leader watch: a vote in the leader's own term, or after a newer term, is allowed", () => {
  const watched = new Watched();
  const follower = report("n2", "follower", 1);
  watched.watch.handling({ type: "heartbeat", from: "n1", to: "n2", term: 1 }, follower);
  watched.grant("vote", 1, follower);
  watched.grant("vote", 3, report("n2", "follower", 2));
  watched.watch.started("n2");
  watched.grant("preVote", 2, follower);
});

Deno.test("leader watch: a leader grants nothing while it hears a majority", () => {
  const watched = new Watched();
  const leader = report("n2", "leader", 1);
  watched.watch.turnEnded(leader);
  watched.nowMs = 200;
  assertThrows(() => watched.grant("preVote", 2, leader), Error, "while its leader is alive");
  watched.watch.handling({ type: "heartbeatReply", from: "n1", to: "n2", term: 1 }, leader);
  watched.nowMs = 400;
  assertThrows(() => watched.grant("preVote", 2, leader), Error, "while its leader is alive");
  watched.nowMs = 460;
  watched.grant("preVote", 2, leader);
});

Deno.test("leader watch: a leader without a majority steps down in time, if it can", () => {
  const watched = new Watched();
  const leader = report("n1", "leader", 1);
  watched.watch.turnEnded(leader);
  watched.nowMs = 200;
  watched.watch.handling({ type: "heartbeatReply", from: "n2", to: "n1", term: 1 }, leader);
  watched.nowMs = 500;
  watched.watch.turnEnded(leader);
  watched.nowMs = 600;
  watched.watch.resumed("n1");
  watched.watch.turnEnded(leader);
  watched.nowMs = 1_000;
  assertThrows(() => watched.watch.turnEnded(leader), Error, "still leads term 1");
  watched.watch.turnEnded(report("n1", "follower", 1));
});
