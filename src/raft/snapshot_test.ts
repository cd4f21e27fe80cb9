import { assert, assertEquals } from "@std/assert";
import { entriesOf, LoneNode } from "./testing/lone_node.ts";

// What a follower does with a snapshot, and a leader with a peer that needs one (thesis §5);
// testdata/snapshot.txt shows it between several nodes.

const configuration = { voters: ["1", "2", "3"], learners: ["4"] };
const snapshot = { type: "snapshot", configuration };
const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [] };
const accepted = { type: "appendReply", accepted: true, hintIndex: 0, hintTerm: 0 };

function acceptedIndex(node: LoneNode, message: Record<string, unknown>): number | null {
  const [reply] = node.step(message);
  return reply?.type === "appendReply" && reply.accepted ? reply.index : null;
}

Deno.test("thesis 5: a snapshot that is ahead takes the place of log, state and configuration", () => {
  for (const terms of [[], [1, 1], [1, 2, 2, 2, 2, 2, 2]]) {
    const node = new LoneNode({ terms, term: 3 });
    assertEquals(acceptedIndex(node, { ...snapshot, term: 3, lastIndex: 5, lastTerm: 3 }), 5);
    const { lastIndex, commitIndex, appliedIndex, durableIndex } = node.status();
    assertEquals([lastIndex, commitIndex, appliedIndex, durableIndex], [5, 5, 5, 5]);
    assertEquals(node.status().configuration, configuration);
    assertEquals(node.node.log.firstIndex(), 6);
    const entries = entriesOf([3], 6);
    const next = { ...append, term: 3, prevIndex: 5, prevTerm: 3, commit: 6, entries };
    assertEquals(acceptedIndex(node, next), 6);
    assertEquals(node.applied, [6]);
  }
});

Deno.test("thesis 5: a snapshot of what the log has commits it, and cuts nothing off", () => {
  const node = new LoneNode({ terms: [1, 1, 2, 2], term: 2 });
  assertEquals(acceptedIndex(node, { ...snapshot, term: 2, lastIndex: 3, lastTerm: 2 }), 3);
  assertEquals([node.status().commitIndex, node.status().lastIndex], [3, 4]);
  assertEquals(node.applied, [1, 2, 3]);
  assertEquals(node.status().configuration.learners, []);
});

Deno.test("a snapshot older than what is committed changes nothing, and is answered with that", () => {
  const node = new LoneNode({ terms: [1, 1, 1], term: 1 });
  node.step({ ...append, term: 1, prevIndex: 3, prevTerm: 1, commit: 3 });
  const before = node.status();
  for (const lastIndex of [1, 3]) {
    assertEquals(acceptedIndex(node, { ...snapshot, term: 1, lastIndex, lastTerm: 1 }), 3);
  }
  assertEquals(node.status(), before);
});

Deno.test("a snapshot of an older term, or none at all, is not taken", () => {
  const node = new LoneNode({ terms: [1, 2], term: 3 });
  const before = node.status();
  const [reply] = node.step({ ...snapshot, term: 2, lastIndex: 5, lastTerm: 2 });
  assert(reply?.type === "appendReply" && !reply.accepted && reply.term === 3);
  const voters: string[] = [];
  for (
    const change of [
      { lastIndex: 0, lastTerm: 0 },
      { lastIndex: 5, lastTerm: 4 },
      { lastIndex: 5, lastTerm: 2, configuration: { voters, learners: [] } },
      { lastIndex: 5, lastTerm: 2, configuration: { voters: ["1"], learners: ["1"] } },
    ]
  ) assertEquals(node.step({ ...snapshot, term: 3, ...change }), []);
  assertEquals(node.status(), before);
});

Deno.test("a snapshot cannot contradict what this term's leader has confirmed", () => {
  const node = new LoneNode({ term: 2 });
  node.step({ ...append, term: 2, entries: entriesOf([2, 2]) });
  assertEquals(node.step({ ...snapshot, term: 2, lastIndex: 2, lastTerm: 1 }), []);
  assertEquals(node.status().lastIndex, 2);
});

Deno.test("until a snapshot is durable nothing is confirmed or applied, whatever comes behind it", () => {
  const node = new LoneNode({ terms: [1, 1], term: 1 });
  const { raft } = node.node;
  node.node.step({ ...snapshot, from: "2", to: "1", term: 1, lastIndex: 5, lastTerm: 1 } as never);
  node.node.pump();
  const behind = { ...append, term: 1, prevIndex: 5, prevTerm: 1, commit: 6 };
  node.node.step({ ...behind, from: "2", to: "1", entries: entriesOf([1], 6) } as never);
  node.node.step({ ...snapshot, from: "2", to: "1", term: 1, lastIndex: 7, lastTerm: 1 } as never);
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

Deno.test("an append that begins before the compacted log is no conflict, and cuts nothing off", () => {
  const node = new LoneNode({ before: { index: 5, term: 1 }, terms: [1, 1, 1] });
  const entries = entriesOf([1, 1, 1, 1], 4);
  const late = { ...append, term: 1, prevIndex: 3, prevTerm: 1, commit: 7, entries };
  assertEquals(acceptedIndex(node, late), 7);
  assertEquals([node.status().lastIndex, node.status().commitIndex], [8, 7]);
  assertEquals(acceptedIndex(node, { ...append, term: 1 }), 7, "not even one from the beginning");
});

Deno.test("a node starts with what its snapshot has applied", () => {
  const node = new LoneNode({ before: { index: 4, term: 2 }, terms: [2, 2] });
  assertEquals([node.status().commitIndex, node.status().appliedIndex], [4, 4]);
  node.step({ ...append, term: 2, prevIndex: 6, prevTerm: 2, commit: 6 });
  assertEquals(node.applied, [5, 6]);
});

/** A leader whose log begins at 6, and what it sends to peer 2. */
function compactedLeader(): LoneNode {
  const node = new LoneNode({ before: { index: 5, term: 1 }, terms: [1] });
  node.lead();
  node.step({ ...accepted, from: "3", term: 2, index: 7 });
  node.node.raft.propose(["C:1,2,3+4"]);
  node.settle();
  const refused = { type: "appendReply", term: 2, accepted: false };
  const [sent] = node.step({ ...refused, index: 6, hintIndex: 2, hintTerm: 1 });
  assert(sent?.type === "snapshot");
  assertEquals([sent.lastIndex, sent.lastTerm], [5, 1]);
  assertEquals(sent.configuration.learners, [], "as it was at 5");
  return node;
}

Deno.test("a peer that needs what was compacted gets a snapshot, and nothing else meanwhile", () => {
  const node = compactedLeader();
  node.node.raft.propose(["x"]);
  assert(node.settle().every(({ to }) => to !== "2"));
  assertEquals(node.status().peers[0]?.state, "snapshot");
  const sent = node.step({ ...accepted, term: 2, index: 5 });
  assert(sent[0]?.type === "append" && sent[0].prevIndex === 5);
  const entries = sent.flatMap((message) => message.type === "append" ? message.entries : []);
  assertEquals(entries.map(({ index }) => index), [6, 7, 8, 9]);
});

Deno.test("a snapshot is sent again while the peer is alive and has not taken it", () => {
  const node = compactedLeader();
  const alive = { type: "heartbeatReply", term: 2, round: 0 };
  const snapshots = (messages: readonly { type: string }[]) =>
    messages.filter(({ type }) => type === "snapshot").length;
  assertEquals(snapshots(node.tick(9)) + snapshots(node.step(alive)), 0);
  assertEquals(snapshots(node.tick(5)), 0, "nobody is there");
  assertEquals(snapshots(node.step(alive)), 1);
  node.step({ ...accepted, term: 2, index: 3 });
  assertEquals(node.status().peers[0]?.state, "snapshot", "an old answer ends nothing");
  node.node.raft.unreachable("2");
  assertEquals(snapshots(node.settle()), 0);
  assertEquals(snapshots(node.step(alive)), 1, "it is back");
});
