import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryCluster } from "../../../tests/support/node/memory_cluster.ts";
import { silentLogger } from "../../base/logger.ts";
import { seededRandom } from "../../base/random.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { firstConfiguration, Members } from "../members/members.ts";
import type { ClockRequest, PeerMessage } from "../peers/peer_message.ts";
import { Timekeeping, type TimekeepingOptions } from "./timekeeping.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;

type FakeRaft = {
  -readonly [K in keyof TimekeepingOptions["raft"]]: TimekeepingOptions["raft"][K];
};

/** The timekeeping of n1, a follower among three, whose best successor is n3. */
class Follower {
  readonly clock = new ManualClock();
  readonly raft: FakeRaft = {
    role: "follower",
    term: 1,
    leaderId: "n2",
    mayLead: false,
    transferringTo: null,
    propose: () => null,
    stepDown() {},
    transfer: () => false,
  };
  readonly timekeeping: Timekeeping;
  #sent: PeerMessage[] = [];

  constructor() {
    const address = { host: "memory", port: 1 };
    const members = new Map(["n1", "n2", "n3"].map((id) => [id, address]));
    const configuration = firstConfiguration("n1", members);
    this.timekeeping = new Timekeeping({
      id: "n1",
      raft: this.raft,
      machine: new StateMachine(),
      appliedIndex: () => 0,
      members: new Members({ index: 0, configuration }, []),
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
      clockOffsetMsMax: 10_000,
      send: (message) => this.#sent.push(message),
      successor: () => "n3",
    });
  }

  /** @returns the requests to n2 and n3 in the next tick */
  requests(): ClockRequest[] {
    this.#sent = [];
    this.timekeeping.tick();
    return this.#sent.filter((message) => message.type === "clock");
  }

  answer(
    { from, to, serial }: ClockRequest,
    logTimeMs: number | null,
    timeMs = this.clock.nowMs(),
  ): void {
    this.timekeeping.handle({ type: "clockReply", from: to, to: from, serial, timeMs, logTimeMs });
  }

  get logTimeMs(): number {
    return this.timekeeping.log.nowMs();
  }
}

Deno.test("the leader's report about the log's time counts, and that of others does not", () => {
  const follower = new Follower();
  const reportedMs = follower.clock.nowMs() + YEAR_MS;
  for (const request of follower.requests()) {
    follower.answer(request, request.to === "n2" ? reportedMs : reportedMs + YEAR_MS);
  }
  assertEquals(follower.logTimeMs, reportedMs);
});

Deno.test("a new leader is asked for its report at once, and an older one's does not count for it", () => {
  const follower = new Follower();
  const nowMs = follower.clock.nowMs();
  for (const request of follower.requests()) follower.answer(request, nowMs);
  assertEquals(follower.requests(), []);
  follower.clock.advance(1_000);
  const ofOldTerm = follower.requests();
  follower.clock.advance(10);
  Object.assign(follower.raft, { term: 3 }); // n2 leads again, after another one
  for (const request of ofOldTerm) follower.answer(request, nowMs + YEAR_MS);
  assertEquals(follower.logTimeMs, nowMs + 1_010);
  const ofNewTerm = follower.requests();
  assertEquals(ofNewTerm.map(({ to }) => to), ["n2", "n3"]);
  for (const request of ofNewTerm) follower.answer(request, nowMs + 2_000);
  assertEquals(follower.logTimeMs, nowMs + 2_000);
});

Deno.test("a node that has known the clocks, and has its leader's report, may lead when others are silent", () => {
  for (const isReported of [true, false]) {
    const follower = new Follower();
    const logTimeMs = isReported ? follower.clock.nowMs() : null;
    assertEquals(follower.raft.mayLead, false);
    for (const request of follower.requests()) follower.answer(request, logTimeMs);
    assertEquals(follower.raft.mayLead, true);
    follower.clock.advance(60_000);
    follower.timekeeping.tick();
    assertEquals(follower.timekeeping.report().clockOffsetMs, null);
    assertEquals(follower.raft.mayLead, isReported);
  }
});

Deno.test("a node that was removed or is stopping may not lead, whatever clock reports arrive", () => {
  const follower = new Follower();
  for (const request of follower.requests()) follower.answer(request, null);
  assertEquals(follower.raft.mayLead, true);
  follower.timekeeping.retire();
  assertEquals(follower.raft.mayLead, false);
  follower.clock.advance(1_000);
  for (const request of follower.requests()) follower.answer(request, follower.clock.nowMs());
  follower.timekeeping.tick();
  assertEquals(follower.raft.mayLead, false);
});

Deno.test("a leader whose clock becomes wrong again tries to transfer leadership again", () => {
  const leader = new Follower();
  const done: string[] = [];
  Object.assign(leader.raft, {
    role: "leader",
    leaderId: "n1",
    transfer: (to: string) => done.push(`transfer ${to}`) > 0,
    stepDown: () => {
      done.push("step down");
      leader.raft.role = "follower";
    },
  });
  const right = leader.clock.wallOffsetMs;
  const after = (offsetMs: number) => {
    leader.clock.advance(1_000);
    leader.clock.wallOffsetMs = right + offsetMs;
    const rightMs = leader.clock.nowMs() - offsetMs;
    for (const request of leader.requests()) leader.answer(request, null, rightMs);
    leader.timekeeping.tick();
    return done.splice(0);
  };
  assertEquals(after(0), []);
  assertEquals(after(YEAR_MS), ["transfer n3"]);
  assertEquals(after(0), []);
  assertEquals(after(YEAR_MS), ["transfer n3"]);
  assertEquals(after(YEAR_MS), ["step down"]);
});

Deno.test("no node stands for election before the clocks of a majority are known to it", async () => {
  const cluster = await MemoryCluster.start(3);
  const [first] = cluster.nodes;
  try {
    for (const node of cluster.nodes) cluster.isolate(node);
    cluster.clock.advance(2_000);
    assert(cluster.nodes.every((node) => node.report().role === "follower"));
    assertEquals(first?.report().time.clockOffsetMs, null);
    cluster.network.heal();
    cluster.untilServing();
    assertEquals(first?.report().time.clockOffsetMs, 0);
  } finally {
    cluster.stop();
  }
});
