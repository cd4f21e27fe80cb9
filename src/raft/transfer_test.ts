import { assert, assertEquals } from "@std/assert";
import { leaderOf, LoneNode } from "../../tests/support/raft/lone_node.ts";
import type { TestMessage } from "../../tests/support/raft/test_node.ts";

// How one node hands leadership over, or gives it up; testdata/transfer.txt shows the cluster.

const accepted = { type: "appendReply", accepted: true, hintIndex: 0, hintTerm: 0 };
const heartbeat = { type: "heartbeat", commit: 0, round: 0 };
const vote = { type: "vote", lastIndex: 9, lastTerm: 1 };

function typesTo(to: string, messages: readonly TestMessage[]): string[] {
  return messages.filter((message) => message.to === to).map(({ type }) => type);
}

function configure(node: LoneNode, text: string): number | null {
  const index = node.node.raft.propose([`C:${text}`]);
  node.settle();
  return index;
}

Deno.test("thesis 3.10: the next leader is asked to stand once it has everything", () => {
  const leader = leaderOf(["1", "2", "3"]);
  leader.node.raft.propose(["x"]);
  leader.settle();
  leader.confirm("3");
  assertEquals(leader.node.raft.transfer("2"), true);
  assertEquals(typesTo("2", leader.tick(4)).includes("timeoutNow"), false);
  assertEquals(leader.node.raft.propose(["y"]), null);
  assertEquals(typesTo("2", leader.confirm("2")), ["timeoutNow"]);
  leader.tick(10);
  assertEquals(leader.node.raft.propose(["y"]), 3, "it did not take over in time");
});

Deno.test("thesis 3.10, 4.2.3: while a leader is heard, only the node that it asked to stand gets a vote", () => {
  const follower = new LoneNode({ term: 1 });
  follower.step({ ...heartbeat, term: 1 });
  assertEquals(follower.step({ ...vote, from: "3", term: 2, isTransfer: false }), []);
  assertEquals(follower.status().term, 1);
  const [reply] = follower.step({ ...vote, from: "3", term: 2, isTransfer: true });
  assertEquals(reply?.type === "voteReply" && reply.granted, true);
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

Deno.test("a node that may not lead does not stand, even when the leader asks for it", () => {
  const node = new LoneNode({ terms: [1] });
  node.step({ ...heartbeat, term: 1 });
  node.node.raft.mayLead = false;
  assertEquals(node.step({ type: "timeoutNow", term: 1 }), []);
  node.node.raft.mayLead = true;
  assertEquals(node.step({ type: "timeoutNow", term: 1 }).map(({ type }) => type), [
    "vote",
    "vote",
  ]);
});

Deno.test("a node that is asked to stand too early stands once it may, if nobody leads by then", () => {
  for (const hasLeader of [false, true]) {
    const node = new LoneNode({ terms: [1] });
    const { raft } = node.node;
    raft.mayLead = false;
    raft.campaign();
    assertEquals(node.settle(), []);
    if (hasLeader) node.step({ ...heartbeat, term: 1 });
    raft.mayLead = true;
    const asks = node.settle().map(({ type }) => type);
    assertEquals(asks, hasLeader ? [] : ["preVote", "preVote"]);
  }
});

Deno.test("a removed leader waits for a voter that has everything, then names it, or just steps down", () => {
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

Deno.test("a removed leader hands over to the voter with the longest log", () => {
  const node = leaderOf(["1", "2", "3"]);
  configure(node, "2,3");
  node.node.raft.propose(["x"]);
  node.settle();
  node.step({ ...accepted, from: "3", term: 1, index: 3 });
  const sent = node.step({ ...accepted, from: "2", term: 1, index: 2 });
  assertEquals(sent.at(-1), { type: "timeoutNow", from: "1", to: "3", term: 1 });
});

Deno.test("stepDown() makes a leader step down in its term, and changes nothing on a follower", () => {
  const leader = leaderOf(["1", "2", "3"]);
  const { term } = leader.status();
  leader.node.raft.stepDown();
  leader.step({ ...heartbeat, from: "2", term: term - 1 });
  assertEquals([leader.node.raft.role, leader.node.raft.term, leader.node.raft.leaderId], [
    "follower",
    term,
    null,
  ]);
  assertEquals(leader.node.raft.propose(["x"]), null);
  const follower = new LoneNode({ term: 1 });
  follower.step({ ...heartbeat, from: "2", term: 1 });
  follower.node.raft.stepDown();
  assertEquals([follower.node.raft.role, follower.node.raft.leaderId], ["follower", "2"]);
});
