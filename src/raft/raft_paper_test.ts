import { assert, assertEquals } from "@std/assert";
import { entriesOf, LoneNode } from "../../tests/support/raft/lone_node.ts";
import { seededRandom } from "../base/random.ts";
import { drawElectionTimeout } from "./options.ts";

// What Raft promises, with the section of the paper (or of the thesis) that says so. The scripts in
// testdata/ show the same things between several nodes.

const heartbeat = { type: "heartbeat", commit: 0, round: 0 };
const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [] };
const appendReply = { type: "appendReply", accepted: true, hintIndex: 0, hintTerm: 0 };
const vote = { type: "vote", lastIndex: 9, lastTerm: 1, isTransfer: false };

Deno.test("paper 5.1: a higher term makes a follower of every role", () => {
  const follower = new LoneNode({ term: 1 });
  const candidate = new LoneNode({ term: 1 });
  candidate.node.raft.campaign();
  const leader = new LoneNode({ term: 1 });
  leader.lead();
  for (const node of [follower, candidate, leader]) {
    node.step({ ...heartbeat, term: 7, from: "3" });
    const { role, term, vote, leaderId } = node.status();
    assertEquals({ role, term, vote, leaderId }, {
      role: "follower",
      term: 7,
      vote: null,
      leaderId: "3",
    });
  }
});

Deno.test("paper 5.1: messages of an older term change nothing, and replies carry the newer one", () => {
  const node = new LoneNode({ terms: [1, 2], term: 3 });
  const before = node.status();
  for (const stale of [{ ...append, entries: entriesOf([1, 1, 1]) }, heartbeat, vote]) {
    assertEquals(node.step({ ...stale, term: 2 }).map((reply) => reply.term), [3]);
  }
  for (const type of ["voteReply", "preVoteReply"]) {
    assertEquals(node.step({ type, term: 2, granted: true }), []);
  }
  assertEquals(node.status(), before);
});

Deno.test("paper 5.2: one vote in a term, for the first candidate that asks", () => {
  const node = new LoneNode({ term: 2 });
  const granted = (from: string) => {
    const [reply] = node.step({ ...vote, term: 2, from });
    return reply?.type === "voteReply" && reply.granted;
  };
  assertEquals(granted("2"), true);
  assertEquals(granted("3"), false);
  assertEquals(granted("2"), true, "a repeated request gets the same answer");
  node.node.crash();
  node.node.restart();
  assertEquals(granted("3"), false, "the vote survives a crash");
});

Deno.test("paper 5.2: a candidate that steps down within its term keeps its vote", () => {
  const node = new LoneNode({ term: 1 });
  node.node.raft.campaign();
  node.settle();
  for (const from of ["2", "3"]) node.step({ type: "preVoteReply", from, term: 2, granted: true });
  assertEquals(node.status().role, "candidate");
  node.step({ ...heartbeat, term: 2, from: "3" });
  assertEquals(node.status().role, "follower");
  assertEquals(node.status().vote, "1");
  assertEquals(
    node.step({ ...vote, term: 2 }).map((reply) => "granted" in reply && reply.granted),
    [
      false,
    ],
  );
});

Deno.test("paper 5.2: only votes of the candidate's own term elect it, one from each member", () => {
  const node = new LoneNode({ term: 1, voters: ["1", "2", "3", "4", "5"] });
  node.node.raft.campaign();
  node.settle();
  for (const from of ["2", "3"]) node.step({ type: "preVoteReply", from, term: 2, granted: true });
  node.step({ type: "voteReply", from: "2", term: 1, granted: true });
  node.step({ type: "voteReply", from: "3", term: 2, granted: true });
  node.step({ type: "voteReply", from: "3", term: 2, granted: true });
  node.step({ type: "preVoteReply", from: "4", term: 2, granted: true });
  node.step({ type: "preVoteReply", from: "5", term: 2, granted: false });
  assertEquals(node.status().role, "candidate");
  node.step({ type: "voteReply", from: "5", term: 2, granted: true });
  assertEquals(node.status().role, "leader");
});

Deno.test("paper 5.2: election timeouts are spread over the configured range", () => {
  const random = seededRandom(1);
  const range = (standing: "eager" | "normal" | "reluctant") => {
    const drawn = Array.from({ length: 1000 }, () => drawElectionTimeout(100, standing, random));
    return [Math.min(...drawn), Math.max(...drawn)];
  };
  assertEquals(range("eager"), [101, 125]);
  assertEquals(range("normal"), [101, 200]);
  assertEquals(range("reluctant"), [201, 300]);
});

Deno.test("paper 5.2: a new timeout is drawn each time, so that split votes do not repeat", () => {
  const node = new LoneNode({ term: 1, options: { electionTicks: 100 } });
  const stands: number[] = [];
  for (let tick = 1; tick < 2000; tick++) {
    if (!node.tick(1).some((message) => message.type === "preVote")) continue;
    stands.push(tick);
    for (const from of ["2", "3"]) {
      node.step({ type: "preVoteReply", from, term: 1, granted: false });
    }
  }
  const gaps = stands.map((tick, i) => tick - (stands[i - 1] ?? 0));
  assert(new Set(gaps).size > gaps.length / 2, `gaps ${gaps}`);
  assert(gaps.every((gap) => gap > 100 && gap <= 200), `gaps ${gaps}`);
});

Deno.test("paper 5.5: requests for votes that stay unanswered are repeated", () => {
  const node = new LoneNode({ term: 1 });
  const asked = (messages: readonly { type: string; to: string }[]) =>
    messages.map(({ type, to }) => `${type} ${to}`);
  node.node.raft.campaign();
  assertEquals(asked(node.settle()), ["preVote 2", "preVote 3"]);
  assertEquals(asked(node.tick(2)), ["preVote 2", "preVote 3"]);
  assertEquals(asked(node.step({ type: "preVoteReply", term: 2, granted: true })), [
    "vote 2",
    "vote 3",
  ]);
  node.step({ type: "voteReply", term: 2, granted: false });
  assertEquals(asked(node.tick(1)), []);
  assertEquals(asked(node.tick(1)), ["vote 3"]);
});

Deno.test("paper 5.3: an append is refused if the entry before it does not match", () => {
  const refused = { prevIndex: 3, prevTerm: 3, entries: entriesOf([3], 4) };
  for (const terms of [[1, 1], [1, 1, 1], [1, 1, 2, 2]]) {
    const node = new LoneNode({ terms, term: 3 });
    const [reply] = node.step({ ...append, ...refused, term: 3 });
    assert(reply?.type === "appendReply" && !reply.accepted && reply.index === 3);
    assertEquals(node.status().lastIndex, terms.length);
  }
});

Deno.test("paper 5.3: conflicting entries are truncated, with all that follow; others stay", () => {
  const cases = [
    { log: [1, 2, 2], prev: [1, 1], sent: [3], result: [1, 3] },
    { log: [1, 2, 2], prev: [1, 1], sent: [2], result: [1, 2, 2] },
    { log: [1, 2, 2], prev: [1, 1], sent: [2, 3], result: [1, 2, 3] },
    { log: [1, 2, 2], prev: [0, 0], sent: [], result: [1, 2, 2] },
    { log: [1, 1], prev: [2, 1], sent: [2, 3], result: [1, 1, 2, 3] },
  ];
  for (const { log, prev: [prevIndex = 0, prevTerm = 0], sent, result } of cases) {
    const node = new LoneNode({ terms: log, term: 3 });
    const entries = entriesOf(sent, prevIndex + 1);
    const [reply] = node.step({ ...append, prevIndex, prevTerm, entries, term: 3 });
    assert(reply?.type === "appendReply" && reply.accepted);
    assertEquals(reply.index, prevIndex + sent.length);
    assertEquals(node.node.log.durableEntries.map((entry) => entry.term), result);
    assertEquals(node.status().lastIndex, result.length);
  }
});

Deno.test("paper 5.3: a late append does not truncate the entries after it", () => {
  const node = new LoneNode({ term: 1 });
  const first = { ...append, entries: entriesOf([1, 1]), term: 1 };
  const second = { ...append, prevIndex: 2, prevTerm: 1, entries: entriesOf([1, 1], 3), term: 1 };
  for (const request of [first, second, first, { ...append, term: 1 }]) node.step(request);
  assertEquals(node.status().lastIndex, 4);
  assertEquals(node.status().durableIndex, 4);
});

Deno.test("paper 5.3: entries accepted in an older term are not acknowledged in a newer one", () => {
  const node = new LoneNode({ terms: [1] });
  const from1 = { ...append, from: "2", to: "1", prevIndex: 1, prevTerm: 1 } as const;
  node.node.raft.step({ ...from1, type: "append", term: 2, entries: entriesOf([2, 2, 2], 2) });
  node.node.raft.step({ ...from1, type: "append", term: 4, entries: entriesOf([4], 2) });
  const confirmed = node.settle().filter(({ term }) => term === 4);
  assertEquals(confirmed.map((reply) => "index" in reply && reply.index), [2]);
});

Deno.test("paper 5.3: a follower commits up to the last entry that it knows to match", () => {
  const cases = [
    { prevIndex: 1, sent: 1, commit: 9, result: 2 },
    { prevIndex: 1, sent: 0, commit: 9, result: 1 },
    { prevIndex: 1, sent: 3, commit: 2, result: 2 },
    { prevIndex: 4, sent: 1, commit: 4, result: 4 },
  ];
  for (const { prevIndex, sent, commit, result } of cases) {
    const node = new LoneNode({ terms: [1, 1, 1, 1], term: 2 });
    const entries = entriesOf(Array.from({ length: sent }, () => 1), prevIndex + 1);
    node.step({ ...append, prevIndex, prevTerm: 1, entries, commit, term: 2 });
    assertEquals(node.status().commitIndex, result);
  }
});

Deno.test("paper 5.4.1: a vote goes only to a log that is at least as up to date", () => {
  const cases = [
    { lastIndex: 2, lastTerm: 2, granted: true },
    { lastIndex: 3, lastTerm: 2, granted: true },
    { lastIndex: 1, lastTerm: 3, granted: true },
    { lastIndex: 1, lastTerm: 2, granted: false },
    { lastIndex: 9, lastTerm: 1, granted: false },
  ];
  for (const type of ["vote", "preVote"]) {
    for (const { lastIndex, lastTerm, granted } of cases) {
      const node = new LoneNode({ terms: [1, 2], term: 3 });
      const [reply] = node.step({ type, lastIndex, lastTerm, term: 4 });
      assertEquals(reply !== undefined && "granted" in reply && reply.granted, granted);
    }
  }
});

Deno.test("paper 5.4.2: entries of older terms are committed only along with one of the current term", () => {
  const node = new LoneNode({ terms: [1, 1, 1] });
  node.lead();
  const term = node.status().term;
  node.step({ type: "appendReply", term, accepted: true, index: 3, hintIndex: 0, hintTerm: 0 });
  assertEquals(node.status().commitIndex, 0);
  node.step({ type: "appendReply", term, accepted: true, index: 4, hintIndex: 0, hintTerm: 0 });
  assertEquals(node.status().commitIndex, 4);
  assertEquals(node.applied, [1, 2, 3, 4]);
});

Deno.test("paper 8: a leader opens its term with a no-op, and serves no read before it is committed", () => {
  const node = new LoneNode({ terms: [1] });
  const [sent] = node.lead();
  assert(sent?.type === "append" && sent.entries.at(-1)?.data === null);
  const { term, servesReads } = node.status();
  assertEquals(servesReads, false);
  node.node.raft.readIndex(1);
  node.settle();
  node.step({ ...heartbeat, type: "heartbeatReply", term });
  assertEquals(node.reads, []);
  node.step({ type: "appendReply", term, accepted: true, index: 2, hintIndex: 0, hintTerm: 0 });
  assertEquals(node.status().servesReads, true);
  node.step({ type: "heartbeatReply", term, round: 1 });
  assertEquals(node.reads, [{ readId: 1, index: 2 }]);
});

Deno.test("thesis 6.4: an answer counts only in the term, and in the life, in which it was requested", () => {
  const node = new LoneNode({ terms: [1, 1] });
  const ask = (readId: number): number => {
    assert(node.node.raft.readIndex(readId));
    const [request] = node.settle();
    assert(request?.type === "readIndex");
    return request.readId;
  };
  const answer = { type: "readIndexReply", index: 2 };
  node.step({ ...heartbeat, term: 1 });
  const first = ask(1);
  node.step({ ...heartbeat, term: 2, from: "3" });
  assertEquals(node.reads, [{ readId: 1, index: null }]);
  node.step({ ...answer, term: 1, readId: first });
  node.step({ ...answer, term: 2, readId: first, from: "3" });
  assertEquals(node.reads.length, 1);

  const second = ask(2);
  node.node.crash();
  node.node.restart();
  node.step({ ...heartbeat, term: 2, from: "3" });
  const third = ask(3);
  for (const readId of [first, second]) node.step({ ...answer, term: 2, readId, from: "3" });
  assertEquals(node.reads.length, 1);
  node.step({ ...answer, term: 2, readId: third, from: "3" });
  assertEquals(node.reads.at(-1), { readId: 3, index: 2 });
});

Deno.test("thesis 6.4: an answer counts however late, while the leader is heard", () => {
  const node = new LoneNode({ terms: [1, 1] });
  node.step({ ...heartbeat, term: 1 });
  node.node.raft.readIndex(1);
  const [request] = node.settle();
  assert(request?.type === "readIndex");
  for (let beat = 0; beat < 10; beat++) {
    node.tick(5);
    node.step({ ...heartbeat, term: 1 });
  }
  node.step({ type: "readIndexReply", term: 1, readId: request.readId, index: 2 });
  assertEquals(node.reads, [{ readId: 1, index: 2 }]);
});

Deno.test("thesis 6.4: a read is confirmed only by answers to messages sent after it arrived", () => {
  const node = new LoneNode({ terms: [1] });
  node.lead();
  const { term } = node.status();
  node.step({ type: "appendReply", term, accepted: true, index: 2, hintIndex: 0, hintTerm: 0 });
  const readIds = () => node.reads.map(({ readId }) => readId);
  for (const readId of [1, 2]) {
    node.node.raft.readIndex(readId);
    node.settle();
  }
  node.step({ type: "heartbeatReply", term, round: 1 });
  assertEquals(readIds(), [1]);
  node.step({ type: "heartbeatReply", term, round: 2, from: "3" });
  assertEquals(readIds(), [1, 2]);
});

Deno.test("until a tick is due nothing happens, whatever the role", () => {
  const follower = new LoneNode({ term: 1, options: { random: seededRandom(7) } });
  follower.step({ ...heartbeat, term: 1 });
  follower.tick(3);
  const candidate = new LoneNode({ options: { random: seededRandom(8) } });
  candidate.node.raft.campaign();
  candidate.settle();
  const leader = new LoneNode({});
  leader.lead();
  for (const from of ["2", "3"]) {
    leader.step({ ...appendReply, from, term: 1, index: 1 });
  }
  leader.tick(1);
  const reader = new LoneNode({ options: { heartbeatTicks: 9 } });
  reader.lead();
  reader.step({ ...appendReply, from: "2", term: 1, index: 1 });
  reader.tick(1); // a peer that has not confirmed what is committed gets the commit index
  reader.node.raft.readIndex(1);
  reader.settle();
  for (const node of [follower, candidate, leader, reader]) {
    for (let round = 0; round < 3; round++) {
      const ticks = node.node.raft.ticksUntilDue();
      assert(ticks >= 1);
      assertEquals(node.tick(ticks - 1), []);
      assert(node.tick(1).length > 0, `${node.status().role}: tick ${ticks}`);
    }
  }
});

Deno.test("thesis 9.6: a pre-vote changes neither term nor vote, and may be granted to all who ask", () => {
  const node = new LoneNode({ term: 4, vote: "1" });
  const before = node.status();
  for (const from of ["2", "3"]) {
    const [reply] = node.step({ ...vote, type: "preVote", term: 5, from });
    assertEquals(reply, { type: "preVoteReply", from: "1", to: from, term: 5, granted: true });
  }
  assertEquals(node.status(), before);
});

Deno.test("thesis 9.6: a refused pre-vote brings a pre-candidate to the newer term", () => {
  const node = new LoneNode({ term: 4 });
  node.node.raft.campaign();
  node.settle();
  node.step({ type: "preVoteReply", term: 8, granted: false });
  assertEquals([node.status().role, node.status().term], ["follower", 8]);
});

Deno.test("thesis 9.6: elections are ignored while a leader is heard, and no longer", () => {
  for (const type of ["vote", "preVote"]) {
    const node = new LoneNode({ term: 4, options: { standing: "reluctant" } });
    node.step({ ...heartbeat, term: 4, from: "3" });
    node.tick(9);
    assertEquals(node.step({ ...vote, type, term: 9 }), []);
    assertEquals(node.status().term, 4);
    node.tick(1);
    assertEquals(node.step({ ...vote, type, term: 9 }).length, 1);
  }
});

Deno.test("thesis 6.2: a leader ignores elections, and steps down without a majority's answers", () => {
  const node = new LoneNode({});
  node.lead();
  node.tick(9);
  assertEquals(node.step({ ...vote, term: 9, lastTerm: 8 }), []);
  node.step({ type: "heartbeatReply", term: 1, round: 0 });
  node.tick(19);
  assertEquals(node.status().role, "leader");
  node.tick(1);
  assertEquals(node.status().role, "follower");
  assertEquals([node.status().term, node.status().vote], [1, "1"]);
});
