import { assert, assertEquals } from "@std/assert";
import {
  configurationText,
  parseConfiguration,
} from "../../tests/support/raft/configuration_text.ts";
import { entriesOf, leaderOf, LoneNode } from "../../tests/support/raft/lone_node.ts";
import type { TestMessage } from "../../tests/support/raft/test_node.ts";

// What the thesis demands of one node; testdata/membership.txt shows the cluster.

const accepted = { type: "appendReply", accepted: true, hintIndex: 0, hintTerm: 0 };

function typesTo(to: string, messages: readonly TestMessage[]): string[] {
  return messages.filter((message) => message.to === to).map(({ type }) => type);
}

function configure(node: LoneNode, text: string): number | null {
  const index = node.node.raft.propose([`C:${text}`]);
  node.settle();
  return index;
}

Deno.test("thesis 4.1: no change before the leader has committed an entry of its term", () => {
  const leader = new LoneNode({ term: 1 });
  leader.lead();
  const change = { voters: ["1", "2"], learners: [] };
  assertEquals(leader.node.raft.configurationRefusal(change), "termNotOpened");
  assertEquals(leader.node.raft.propose(["C:1,2"]), null);
  leader.confirm("2");
  assertEquals(leader.node.raft.configurationRefusal(change), null);
});

Deno.test("thesis 4.1: one voter at a time, each change after the one before is committed", () => {
  const leader = leaderOf(["1", "2", "3"]);
  const refusal = (...voters: string[]) =>
    leader.node.raft.configurationRefusal({ voters, learners: [] });
  assertEquals(refusal("1"), "moreThanOneVoter");
  assertEquals(refusal("1", "2", "4"), "moreThanOneVoter");
  assertEquals(leader.node.raft.propose(["C:1,2,4"]), null);
  assertEquals(leader.node.raft.propose(["C:1,2,3,4"]), 2);
  leader.settle();
  assertEquals(refusal("1", "2", "3"), "changeInProgress");
  for (const from of ["2", "3"]) leader.confirm(from);
  assertEquals(refusal("1", "2", "3"), null);
});

Deno.test("thesis 4.1: a change is in force as soon as it is in the log", () => {
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

Deno.test("thesis 4.1: a removed node's entries do not count, nor does its silence", () => {
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

Deno.test("a removed peer learns of the commit, and is forgotten once it has answered", () => {
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

Deno.test("a removed member learns that its removal is committed, and then gets nothing more", () => {
  const leader = leaderOf(["1", "2", "3"]);
  leader.node.raft.propose(["C:1,2"]);
  leader.settle();
  const told = [...leader.confirm("2"), ...leader.tick(3)];
  const toRemoved = told.filter(({ to }) => to === "3");
  assertEquals(toRemoved.some((message) => "commit" in message), true);
  leader.confirm("3");
  leader.tick(2);
  const commits = leader.tick(2).filter(({ to }) => to === "3");
  assertEquals(commits.every((message) => "commit" in message && message.commit === 2), true);
  const { term } = leader.status();
  leader.step({ type: "heartbeatReply", from: "3", term, round: 0 });
  leader.tick(2);
  assertEquals(typesTo("3", leader.tick(10)), []);
});

Deno.test("a removed peer that never answers is forgotten after some election timeouts", () => {
  const node = leaderOf(["1", "2", "3", "4"]);
  configure(node, "1,2,3");
  let last = 0;
  for (let tick = 1; tick < 80; tick++) {
    for (const from of ["2", "3"]) node.step({ type: "heartbeatReply", from, term: 1, round: 0 });
    if (node.tick(1).some(({ to }) => to === "4")) last = tick;
  }
  assert(last >= 30 && last <= 40, `heard until tick ${last}`);
});

Deno.test("thesis 4.2.2: a node takes entries from strangers, and grants them votes", () => {
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

Deno.test("configurations of the tests are encoded as text and decoded", () => {
  for (const text of ["C:1", "C:1,2+3", "C:1+2,3"]) {
    const parsed = parseConfiguration(text);
    assert(parsed !== null);
    assertEquals(configurationText(parsed), text);
  }
});

Deno.test("waiting reads are confirmed by the voters that a smaller configuration keeps", () => {
  // [before, after, whether the reads of a leader that only 2 has answered are confirmed]
  const cases: [string, string, boolean][] = [
    ["1,2,3,4", "1,2,3", true],
    ["1,2,3,4,5", "1,2,3,4", false],
    ["1,2", "1", true],
  ];
  for (const [before, after, isConfirmed] of cases) {
    const node = leaderOf(before.split(","));
    node.node.raft.readIndex(7);
    node.settle();
    const answer = before === "1,2" ? [] : ["2"];
    for (const from of answer) node.step({ type: "heartbeatReply", from, term: 1, round: 1 });
    assertEquals(node.reads, [], before);
    configure(node, after);
    assertEquals(node.reads, isConfirmed ? [{ readId: 7, index: 1 }] : [], `${before} to ${after}`);
  }
});

Deno.test("neither a learner nor a node that is no member stands for election", () => {
  const learner = new LoneNode({ voters: ["2", "3"], learners: ["1"] });
  const stranger = new LoneNode({ voters: ["2", "3"] });
  for (const node of [learner, stranger]) {
    assertEquals(node.tick(100), []);
    node.node.raft.campaign();
    assertEquals(node.settle(), []);
    assertEquals(node.status().term, 0);
  }
});
