import { assertEquals } from "@std/assert";
import { entriesOf, LoneNode } from "./testing/lone_node.ts";
import type { TestMessage } from "./testing/test_node.ts";

// Changes of the members, handing over, and snapshots, as one node sees them. That they are safe
// between many nodes is the chaos test's matter.

const vote = { type: "vote", lastIndex: 9, lastTerm: 1 };
const heartbeat = { type: "heartbeat", commit: 0, round: 0 };

function typesTo(to: string, messages: readonly TestMessage[]): string[] {
  return messages.filter((message) => message.to === to).map(({ type }) => type);
}

/** Lets a member confirm all that the leader has. */
function confirm(leader: LoneNode, from: string): TestMessage[] {
  const { term, lastIndex: index } = leader.status();
  const rest = { accepted: true, index, hintIndex: 0, hintTerm: 0 };
  return leader.step({ type: "appendReply", from, term, ...rest });
}

/** A leader whose first entry is committed. */
function openedLeader(state: ConstructorParameters<typeof LoneNode>[0] = {}): LoneNode {
  const leader = new LoneNode({ term: 1, ...state });
  leader.lead();
  for (const from of ["2", "3"]) confirm(leader, from);
  return leader;
}

Deno.test("thesis 4.1: no change before the leader has committed an entry of its term", () => {
  const leader = new LoneNode({ term: 1 });
  leader.lead();
  const change = { voters: ["1", "2"], learners: [] };
  assertEquals(leader.node.raft.configurationRefusal(change), "termNotOpened");
  assertEquals(leader.node.raft.propose(["C:1,2"]), null);
  confirm(leader, "2");
  assertEquals(leader.node.raft.configurationRefusal(change), null);
});

Deno.test("thesis 4.1: one voter at a time, each change after the one before is committed", () => {
  const leader = openedLeader();
  const refusal = (...voters: string[]) =>
    leader.node.raft.configurationRefusal({ voters, learners: [] });
  assertEquals(refusal("1"), "moreThanOneVoter");
  assertEquals(refusal("1", "2", "4"), "moreThanOneVoter");
  assertEquals(leader.node.raft.propose(["C:1,2,4"]), null);
  assertEquals(leader.node.raft.propose(["C:1,2,3,4"]), 2);
  leader.settle();
  assertEquals(refusal("1", "2", "3"), "changeUnderWay");
  for (const from of ["2", "3"]) confirm(leader, from);
  assertEquals(refusal("1", "2", "3"), null);
});

Deno.test("a removed member is told that its removal is committed, and then forgotten", () => {
  const leader = openedLeader();
  leader.node.raft.propose(["C:1,2"]);
  leader.settle();
  const told = [...confirm(leader, "2"), ...leader.tick(3)];
  const toRemoved = told.filter(({ to }) => to === "3");
  assertEquals(toRemoved.some((message) => "commit" in message), true);
  confirm(leader, "3");
  leader.tick(2);
  const commits = leader.tick(2).filter(({ to }) => to === "3");
  assertEquals(commits.every((message) => "commit" in message && message.commit === 2), true);
  const { term } = leader.status();
  leader.step({ type: "heartbeatReply", from: "3", term, round: 0 });
  leader.tick(2);
  assertEquals(typesTo("3", leader.tick(10)), []);
});

Deno.test("a learner does not stand, and one that is no member does not either", () => {
  const learner = new LoneNode({ voters: ["2", "3"], learners: ["1"] });
  const stranger = new LoneNode({ voters: ["2", "3"] });
  for (const node of [learner, stranger]) {
    assertEquals(node.tick(100), []);
    node.node.raft.campaign();
    assertEquals(node.settle(), []);
    assertEquals(node.status().term, 0);
  }
});

Deno.test("thesis 3.10: the next leader is asked to stand once it has everything", () => {
  const leader = openedLeader();
  leader.node.raft.propose(["x"]);
  leader.settle();
  confirm(leader, "3");
  assertEquals(leader.node.raft.transfer("2"), true);
  assertEquals(typesTo("2", leader.tick(4)).includes("timeoutNow"), false);
  assertEquals(leader.node.raft.propose(["y"]), null);
  assertEquals(typesTo("2", confirm(leader, "2")), ["timeoutNow"]);
  leader.tick(10);
  assertEquals(leader.node.raft.propose(["y"]), 3, "it did not take over in time");
});

Deno.test("thesis 4.2.3: while a leader is heard only he whom it asked to stand gets a vote", () => {
  const follower = new LoneNode({ term: 1 });
  follower.step({ ...heartbeat, term: 1 });
  assertEquals(follower.step({ ...vote, from: "3", term: 2, isTransfer: false }), []);
  assertEquals(follower.status().term, 1);
  const [reply] = follower.step({ ...vote, from: "3", term: 2, isTransfer: true });
  assertEquals(reply?.type === "voteReply" && reply.granted, true);
});

Deno.test("a snapshot of what the log has already leaves all behind it in place", () => {
  const follower = new LoneNode({ terms: [1, 1, 1, 1, 1] });
  const configuration = { voters: ["1", "2", "3"], learners: [] };
  const snapshot = { type: "snapshot", lastIndex: 3, lastTerm: 1, configuration, state: 0 };
  const [reply] = follower.step({ ...snapshot, term: 1 });
  assertEquals(reply?.type === "appendReply" && [reply.accepted, reply.index], [true, 3]);
  const { commitIndex, lastIndex } = follower.status();
  assertEquals([commitIndex, lastIndex], [3, 5]);
  assertEquals(follower.applied, [1, 2, 3]);
  assertEquals(follower.node.log.entries(1, 5, 1e6), entriesOf([1, 1, 1, 1, 1]));
});
