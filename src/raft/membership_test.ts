import { assert, assertEquals } from "@std/assert";
import { configurationText, parseConfiguration } from "./testing/configuration_text.ts";
import { entriesOf, LoneNode } from "./testing/lone_node.ts";

// What the thesis demands of one node; testdata/membership.txt and transfer.txt show the cluster.

const accepted = { type: "appendReply", accepted: true, hintIndex: 0, hintTerm: 0 };
const heartbeat = { type: "heartbeat", commit: 0, round: 0 };

/** A leader that has committed entry 1 of its term 1, among `voters`. */
function leaderOf(voters: readonly string[], learners: readonly string[] = []): LoneNode {
  const node = new LoneNode({ voters, learners });
  node.node.raft.campaign();
  node.settle();
  for (const from of voters) node.step({ type: "preVoteReply", from, term: 1, granted: true });
  for (const from of voters) node.step({ type: "voteReply", from, term: 1, granted: true });
  for (const from of voters) node.step({ ...accepted, from, term: 1, index: 1 });
  assertEquals([node.status().role, node.status().commitIndex], ["leader", 1]);
  return node;
}

function configure(node: LoneNode, text: string): number | null {
  const index = node.node.raft.propose([`C:${text}`]);
  node.settle();
  return index;
}

Deno.test("thesis 4.1: a change counts by the new configuration as soon as it is in the log", () => {
  // [before, after, who confirms the change, whether that commits it]; the leader is 1.
  const cases: [string, string, string, boolean][] = [
    ["1,2,3", "1,2,3,4", "2", false],
    ["1,2,3", "1,2,3,4", "2,4", true],
    ["1,2,3", "1,2", "3", false],
    ["1,2,3", "1,2", "2", true],
    ["1,2", "1", "", true],
    ["1", "1,2", "", false],
    ["1", "1,2", "2", true],
    ["1,2,3", "2,3", "2", false],
    ["1,2,3", "2,3", "2,3", true],
    ["1,2", "2", "2", true],
    ["1,2,3,4", "1,2,3", "4", false],
    ["1,2,3,4", "1,2,3", "2", true],
    ["1,2,3", "1,2,3+4", "4", false],
    ["1,2,3", "1,2+3", "3", false],
  ];
  for (const [before, after, confirming, isCommitted] of cases) {
    const node = leaderOf(before.split(","));
    assertEquals(configure(node, after), 2);
    for (const from of confirming.split(",")) node.step({ ...accepted, from, term: 1, index: 2 });
    const name = `${before} to ${after}, confirmed by ${confirming}`;
    assertEquals(node.status().commitIndex, isCommitted ? 2 : 1, name);
  }
});

Deno.test("thesis 4.1: votes count by the newest configuration, committed or not", () => {
  const node = new LoneNode({ terms: [1] });
  const data = "C:1,2,3,4";
  const entries = [{ index: 2, term: 1, data, sizeBytes: 9 }];
  node.step({ type: "append", term: 1, prevIndex: 1, prevTerm: 1, commit: 1, entries });
  assertEquals(node.status().isConfigurationCommitted, false);
  node.node.raft.campaign();
  assertEquals(node.settle().map(({ to }) => to), ["2", "3", "4"]);
  for (const from of ["2", "9"]) node.step({ type: "preVoteReply", from, term: 2, granted: true });
  assertEquals(node.status().role, "preCandidate", "two of four, and a stranger");
  node.step({ type: "preVoteReply", from: "4", term: 2, granted: true });
  assertEquals(node.status().role, "candidate");
});

Deno.test("thesis 4.1: what a removed node has does not count, nor does its silence", () => {
  const node = leaderOf(["1", "2", "3", "4"]);
  configure(node, "1,2,3");
  node.step({ ...accepted, from: "2", term: 1, index: 2 });
  assertEquals(node.status().commitIndex, 2);
  node.node.raft.propose(["x"]);
  node.settle();
  node.step({ ...accepted, from: "4", term: 1, index: 3 });
  assertEquals(node.status().commitIndex, 2);
  node.step({ type: "heartbeatReply", from: "4", term: 1, round: 0 });
  node.node.raft.readIndex(1);
  node.settle();
  node.step({ type: "heartbeatReply", from: "4", term: 1, round: 1 });
  assertEquals(node.reads, []);
  node.step({ type: "heartbeatReply", from: "3", term: 1, round: 1 });
  assertEquals(node.reads, [{ readId: 1, index: 2 }]);
});

Deno.test("learners count neither for reads nor for the majority that a leader must hear", () => {
  const node = leaderOf(["1", "2", "3"], ["4", "5"]);
  node.node.raft.readIndex(1);
  node.settle();
  for (let tick = 0; tick < 20; tick++) {
    for (const from of ["4", "5"]) node.step({ type: "heartbeatReply", from, term: 1, round: 1 });
    node.tick(1);
  }
  assertEquals(node.reads, [{ readId: 1, index: null }]);
  assertEquals(node.status().role, "follower");
});

Deno.test("a removed peer is told of the commit, and forgotten when it has answered", () => {
  const node = leaderOf(["1", "2", "3", "4"]);
  configure(node, "1,2,3");
  for (const from of ["2", "3", "4"]) node.step({ ...accepted, from, term: 1, index: 2 });
  const toldOf = (count: number) =>
    node.tick(count).filter(({ to, type }) => to === "4" && type === "heartbeat").length;
  assertEquals(toldOf(1), 1, "the commit is news to it");
  node.tick(1);
  node.step({ type: "heartbeatReply", from: "4", term: 1, round: 0 });
  assertEquals(toldOf(1), 0);
  assertEquals(toldOf(8), 0, "it is gone");
  assertEquals(node.status().peers.map(({ id }) => id), ["2", "3"]);
});

Deno.test("a removed peer that never answers is forgotten after some election timeouts", () => {
  const node = leaderOf(["1", "2", "3", "4"]);
  configure(node, "1,2,3");
  let last = 0;
  for (let tick = 1; tick < 80; tick++) {
    for (const from of ["2", "3"]) node.step({ type: "heartbeatReply", from, term: 1, round: 0 });
    if (node.tick(1).some(({ to }) => to === "4")) last = tick;
  }
  assert(last >= 30 && last <= 40, `told until tick ${last}`);
});

Deno.test("thesis 4.2.2: a node takes entries and grants votes whoever asks, member or not", () => {
  const node = new LoneNode({ voters: [], learners: [] });
  assertEquals(node.status().role, "learner");
  const [vote] = node.step({
    ...{ type: "vote", from: "8", term: 3, lastIndex: 1, lastTerm: 1, isTransfer: false },
  });
  assert(vote?.type === "voteReply" && vote.granted);
  const entries = entriesOf([3]);
  node.step({ type: "append", from: "9", term: 3, prevIndex: 0, prevTerm: 0, commit: 1, entries });
  assertEquals(node.applied, [1]);
  assertEquals([node.status().leaderId, node.tick(100)], ["9", []], "it never stands");
  assertEquals(node.status().leaderId, null, "and knows when the leader is silent");
  node.step({ type: "timeoutNow", from: "9", term: 3 });
  assertEquals(node.status().role, "learner", "not even when it is asked to");
});

Deno.test("a removed leader waits for a voter that has everything, then names it, or just goes", () => {
  const proposedBefore = leaderOf(["1", "2", "3"]);
  configure(proposedBefore, "2,3");
  proposedBefore.node.raft.propose(["x"]);
  proposedBefore.settle();
  for (const from of ["3", "2"]) proposedBefore.step({ ...accepted, from, term: 1, index: 2 });
  assertEquals(proposedBefore.status().transferringTo, "2");
  assertEquals(proposedBefore.node.raft.propose(["y"]), null);
  const sent = proposedBefore.step({ ...accepted, from: "2", term: 1, index: 3 });
  assertEquals(sent.at(-1), { type: "timeoutNow", from: "1", to: "2", term: 1 });
  assertEquals(proposedBefore.status().role, "learner");

  const unheard = leaderOf(["1", "2", "3"]);
  configure(unheard, "2,3");
  unheard.node.raft.propose(["x"]);
  unheard.settle();
  for (const from of ["3", "2"]) unheard.step({ ...accepted, from, term: 1, index: 2 });
  unheard.tick(9);
  assertEquals(unheard.status().role, "leader");
  unheard.tick(1);
  assertEquals(unheard.status().role, "learner");
});

Deno.test("thesis 3.10: an election that the leader wants is not held up by its being alive", () => {
  const vote = { type: "vote", from: "3", term: 2, lastIndex: 9, lastTerm: 1 };
  for (const isTransfer of [false, true]) {
    const node = new LoneNode({ terms: [1] });
    node.step({ ...heartbeat, term: 1 });
    const replies = node.step({ ...vote, isTransfer });
    assertEquals(replies.map(({ type }) => type), isTransfer ? ["voteReply"] : []);
  }
});

Deno.test("thesis 3.10: a request to stand is obeyed at once, from the leader alone", () => {
  const node = new LoneNode({ terms: [1] });
  node.step({ ...heartbeat, term: 1 });
  assertEquals(node.step({ type: "timeoutNow", from: "3", term: 1 }), []);
  const sent = node.step({ type: "timeoutNow", term: 1 });
  assertEquals(sent.map(({ type, to, term }) => [type, to, term]), [["vote", "2", 2], [
    "vote",
    "3",
    2,
  ]]);
  assert(sent.every((message) => "isTransfer" in message && message.isTransfer));
  assertEquals(node.step({ type: "timeoutNow", term: 1 }).map(({ type }) => type), ["appendReply"]);
});

Deno.test("configurations of the tests go to text and back", () => {
  for (const text of ["C:1", "C:1,2+3", "C:1+2,3"]) {
    const parsed = parseConfiguration(text);
    assert(parsed !== null);
    assertEquals(configurationText(parsed), text);
  }
});
