import { assert, assertEquals } from "@std/assert";
import { entriesOf, LoneNode } from "../../tests/support/raft/lone_node.ts";
import type { TestMessage } from "../../tests/support/raft/test_node.ts";

// What a follower does with the leader's appends, heartbeats and snapshots, beside what the paper
// demands of it in raft_paper_test.ts.

const configuration = { voters: ["1", "2", "3"], learners: ["4"] };
const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [] };
const heartbeat = { type: "heartbeat", term: 1, commit: 0, round: 0 };
const preVote = {
  type: "preVote",
  from: "3",
  term: 2,
  lastIndex: 9,
  lastTerm: 1,
  isTransfer: false,
};

function acceptedIndex([reply]: readonly TestMessage[]): number | null {
  return reply?.type === "appendReply" && reply.accepted ? reply.index : null;
}

/** A node that follows node 2 in its term. */
function follower(state: ConstructorParameters<typeof LoneNode>[0]): LoneNode {
  const node = new LoneNode(state);
  node.step({ ...heartbeat, term: node.status().term });
  return node;
}

Deno.test("thesis 5: a snapshot that is ahead replaces log, state and configuration", () => {
  for (const terms of [[], [1, 1], [1, 2, 2, 2, 2, 2, 2]]) {
    const node = follower({ terms, term: 3 });
    assertEquals(acceptedIndex(node.receive({ index: 5, term: 3, configuration })), 5);
    const { lastIndex, commitIndex, appliedIndex, durableIndex } = node.status();
    assertEquals([lastIndex, commitIndex, appliedIndex, durableIndex], [5, 5, 5, 5]);
    assertEquals(node.status().configuration, configuration);
    assertEquals(node.node.log.firstIndex(), 6);
    const entries = entriesOf([3], 6);
    const next = { ...append, term: 3, prevIndex: 5, prevTerm: 3, commit: 6, entries };
    assertEquals(acceptedIndex(node.step(next)), 6);
    assertEquals(node.applied, [6]);
  }
});

Deno.test("thesis 5: a snapshot of entries in the log commits them, and truncates nothing", () => {
  const node = follower({ terms: [1, 1, 2, 2], term: 2 });
  assertEquals(acceptedIndex(node.receive({ index: 3, term: 2, configuration })), 3);
  assertEquals([node.status().commitIndex, node.status().lastIndex], [3, 4]);
  assertEquals(node.applied, [1, 2, 3]);
  assertEquals(node.status().configuration.learners, []);
});

Deno.test("a snapshot older than the commit index changes nothing, and the answer has that index", () => {
  const node = new LoneNode({ terms: [1, 1, 1], term: 1 });
  node.step({ ...append, term: 1, prevIndex: 3, prevTerm: 1, commit: 3 });
  const before = node.status();
  for (const index of [1, 3]) {
    assertEquals(acceptedIndex(node.receive({ index, term: 1, configuration })), 3);
  }
  assertEquals(node.status(), before);
});

Deno.test("a snapshot that no leader of this term can have is not accepted", () => {
  const node = follower({ terms: [1, 2], term: 3 });
  const before = node.status();
  const voters: string[] = [];
  for (
    const wrong of [
      { index: 0, term: 0 },
      { index: 5, term: 0 },
      { index: 5, term: 4 },
      { index: 5, term: 2, configuration: { voters, learners: [] } },
      { index: 5, term: 2, configuration: { voters: ["1"], learners: ["1"] } },
    ]
  ) assertEquals(node.receive({ configuration, ...wrong }), []);
  assertEquals(node.status(), before);
});

Deno.test("a snapshot waits for a leader to be known, and the leader of a later term hears of it", () => {
  const node = new LoneNode({ terms: [1], term: 3 });
  const snapshot = { index: 5, term: 2, configuration };
  assertEquals(node.receive(snapshot), []);
  assertEquals(node.status().lastIndex, 1);
  node.node.raft.campaign();
  node.settle();
  assertEquals([node.receive(snapshot), node.status().role], [[], "preCandidate"]);
  node.step({ ...heartbeat, from: "3", term: 4 });
  const [reply] = node.receive(snapshot);
  assert(reply?.type === "appendReply" && reply.accepted);
  assertEquals([reply.to, reply.term, reply.index], ["3", 4, 5]);
});

Deno.test("a node that was elected while a snapshot arrived takes no notice of it", () => {
  const node = new LoneNode({ terms: [1, 1] });
  node.lead();
  const before = node.status();
  for (const index of [2, 5]) {
    assertEquals(node.receive({ index, term: 1, configuration }), []);
  }
  assertEquals(node.status(), before);
});

Deno.test("a snapshot is no sign of life of the leader", () => {
  const node = new LoneNode({ term: 1, options: { standing: "eager", electionTicks: 10 } });
  node.step(heartbeat);
  node.tick(9);
  node.receive({ index: 5, term: 1, configuration });
  node.tick(4); // "eager" draws up to a quarter more
  assertEquals(node.status().role, "preCandidate");
});

Deno.test("a snapshot cannot contradict entries that this term's leader has confirmed", () => {
  const node = new LoneNode({ term: 2 });
  node.step({ ...append, term: 2, entries: entriesOf([2, 2]) });
  assertEquals(node.receive({ index: 2, term: 1, configuration }), []);
  assertEquals(node.status().lastIndex, 2);
});

Deno.test("until a snapshot is durable nothing is acknowledged or applied, whatever follows it", () => {
  const node = follower({ terms: [1, 1], term: 1 });
  node.takeSent();
  const { raft } = node.node;
  node.node.receive({ index: 5, term: 1, configuration, state: 0 });
  node.node.pump();
  const next = { ...append, term: 1, prevIndex: 5, prevTerm: 1, commit: 6 };
  node.node.step({ ...next, from: "2", to: "1", entries: entriesOf([1], 6) } as never);
  node.node.receive({ index: 7, term: 1, configuration, state: 0 });
  node.node.pump();
  assertEquals([node.takeSent(), node.applied], [[], []]);
  assertEquals([raft.status().appliedIndex, raft.status().durableIndex], [0, 0]);
  node.node.persistNext();
  assertEquals(raft.status().appliedIndex, 5);
  assertEquals(raft.status().durableIndex, 5);
  node.settle();
  const { appliedIndex, durableIndex, lastIndex } = raft.status();
  assertEquals([appliedIndex, durableIndex, lastIndex], [7, 7, 7]);
  assertEquals(node.applied, []);
});

Deno.test("an append that begins before the compacted log is no conflict, and truncates nothing", () => {
  const node = new LoneNode({ before: { index: 5, term: 1 }, terms: [1, 1, 1] });
  const entries = entriesOf([1, 1, 1, 1], 4);
  const late = { ...append, term: 1, prevIndex: 3, prevTerm: 1, commit: 7, entries };
  assertEquals(acceptedIndex(node.step(late)), 7);
  assertEquals([node.status().lastIndex, node.status().commitIndex], [8, 7]);
  assertEquals(
    acceptedIndex(node.step({ ...append, term: 1 })),
    7,
    "not even one from the beginning",
  );
});

Deno.test("a node starts with the applied state of its snapshot", () => {
  const node = new LoneNode({ before: { index: 4, term: 2 }, terms: [2, 2] });
  assertEquals([node.status().commitIndex, node.status().appliedIndex], [4, 4]);
  node.step({ ...append, term: 2, prevIndex: 6, prevTerm: 2, commit: 6 });
  assertEquals(node.applied, [5, 6]);
});

Deno.test("a snapshot of entries in the log keeps the entries after it", () => {
  const node = follower({ terms: [1, 1, 1, 1, 1] });
  assertEquals(acceptedIndex(node.receive({ index: 3, term: 1, configuration })), 3);
  const { commitIndex, lastIndex } = node.status();
  assertEquals([commitIndex, lastIndex], [3, 5]);
  assertEquals(node.applied, [1, 2, 3]);
  assertEquals(node.node.log.entries(1, 5, 1e6), entriesOf([1, 1, 1, 1, 1]));
});

Deno.test("a follower waits longer for a busy leader, and not for ever", () => {
  for (const [busyMib, ticks] of [[undefined, 10], [0, 10], [3, 40], [64, 90]] as const) {
    const follower = new LoneNode({ term: 1, options: { standing: "eager", electionTicks: 10 } });
    follower.step(busyMib === undefined ? heartbeat : { ...heartbeat, busyMib });
    follower.tick(ticks - 1);
    assertEquals(follower.status().leaderId, "2", `${busyMib} MiB`);
    assertEquals(follower.step(preVote), [], "it helps nobody else to an election either");
    follower.tick(4); // "eager" draws up to a quarter more
    assertEquals(follower.status().role, "preCandidate", `${busyMib} MiB`);
  }
});

Deno.test("a follower waits no longer than usual once its leader is no longer busy, or is another", () => {
  const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [] };
  for (const last of [heartbeat, { ...append, term: 2, from: "3" }]) {
    const follower = new LoneNode({ term: 1, options: { standing: "eager", electionTicks: 10 } });
    follower.step({ ...heartbeat, busyMib: 8 });
    follower.step(last);
    follower.tick(13);
    assertEquals(follower.status().role, "preCandidate");
  }
});

Deno.test("committed entries that the driver does not take yet stay in the log", () => {
  const node = follower({ terms: [1, 1, 1, 1], term: 1 });
  const { raft } = node.node;
  raft.committedMax = 0;
  const commit = { ...append, from: "2", to: "1", term: 1, prevIndex: 4, prevTerm: 1, commit: 4 };
  node.node.step(commit as TestMessage);
  node.node.write(raft.ready());
  assertEquals([raft.hasReady(), raft.commitIndex, raft.status().appliedIndex], [false, 4, 0]);
  raft.committedMax = 3;
  assertEquals(raft.hasReady(), true);
  node.node.write(raft.ready());
  assertEquals(node.applied, [1, 2, 3]);
  node.settle();
  assertEquals(node.applied, [1, 2, 3, 4]);
});

Deno.test("a snapshot replaces committed entries that the driver has not taken", () => {
  const node = follower({ terms: [1, 1], term: 1 });
  node.node.raft.committedMax = 0;
  node.step({ ...append, term: 1, prevIndex: 2, prevTerm: 1, commit: 2 });
  assertEquals(acceptedIndex(node.receive({ index: 5, term: 1, configuration })), 5);
  const entries = entriesOf([1], 6);
  node.step({ ...append, term: 1, prevIndex: 5, prevTerm: 1, commit: 6, entries });
  assertEquals(node.applied, []);
  node.node.raft.committedMax = Infinity;
  node.settle();
  assertEquals(node.applied, [6]);
});
