import { assertEquals } from "@std/assert";
import { entriesOf, LoneNode } from "../../tests/support/raft/lone_node.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import type { Message } from "./types.ts";

const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [] };
const heartbeat = { type: "heartbeat", commit: 0, round: 0 };

const IMPOSSIBLE: Record<string, Record<string, unknown>> = {
  "from itself": { ...heartbeat, term: 9, from: "1" },
  "to another": { ...heartbeat, term: 9, to: "2" },
  "of an unknown type": { type: "handshake", term: 9 },
  "of a negative term": { ...heartbeat, term: -1 },
  "of a leader that is busy with half a MiB": { ...heartbeat, term: 9, busyMib: 0.5 },
  "of half a term": { ...heartbeat, term: 9.5 },
  "of an inexact term": { ...heartbeat, term: 2 ** 60 },
  "with a negative index": { ...append, term: 9, prevIndex: -1 },
  "with a term at index 0": { ...append, term: 9, prevTerm: 1 },
  "with an entry from the future": { ...append, term: 9, entries: entriesOf([10]) },
  "with a gap": { ...append, term: 9, entries: entriesOf([9], 3) },
  "with terms that fall": { ...append, term: 9, entries: entriesOf([9, 8]) },
  "with an entry of term 0": { ...append, term: 9, entries: entriesOf([0]) },
  "with a candidate's log of its own term": { type: "vote", term: 9, lastIndex: 9, lastTerm: 9 },
};

for (const [name, message] of Object.entries(IMPOSSIBLE)) {
  Deno.test(`a message ${name} is ignored`, () => {
    const node = new LoneNode({ terms: [1, 2] });
    const before = node.status();
    assertEquals(node.step(message), []);
    assertEquals(node.status(), before);
  });
}

Deno.test("a second leader of one term is ignored, by followers and by the leader", () => {
  const follower = new LoneNode({ terms: [1, 2] });
  follower.step({ ...heartbeat, term: 2, from: "2" });
  const leader = new LoneNode({ terms: [1, 1] });
  leader.lead();
  for (const node of [follower, leader]) {
    const before = node.status();
    const entries = entriesOf([2, 2, 2, 2]);
    assertEquals(node.step({ ...append, entries, commit: 4, term: 2, from: "3" }), []);
    assertEquals(node.step({ ...heartbeat, commit: 2, term: 2, from: "3" }), []);
    assertEquals(node.status(), before);
  }
});

Deno.test("answers to questions that were never sent do not change the leader", () => {
  const node = new LoneNode({ terms: [1] });
  node.lead();
  const before = node.status();
  const reply = { type: "appendReply", term: 2, hintIndex: 0, hintTerm: 0 };
  node.step({ ...reply, accepted: true, index: 3 });
  node.step({ ...reply, accepted: false, index: 0 });
  node.step({ ...reply, accepted: false, index: 77, hintIndex: 99, hintTerm: 99 });
  node.step({ type: "heartbeatReply", term: 2, round: 5 });
  node.step({ type: "readIndexReply", term: 2, readId: 1, index: 1 });
  assertEquals(node.status(), before);
});

Deno.test("unrequested votes do not elect a candidate whose own vote is not durable", () => {
  const node = new LoneNode({ terms: [1] });
  const { raft } = node.node;
  raft.step(
    { ...append, entries: entriesOf([1, 1]), term: 1, from: "2", to: "1" } as Message<string>,
  );
  node.node.pump(); // this write is in flight when the node stands
  raft.campaign();
  raft.step({ type: "preVoteReply", term: 2, granted: true, from: "2", to: "1" });
  node.node.pump();
  for (let writes = 0; writes < 2; writes++) {
    assertEquals(node.status().role, "candidate");
    node.node.persistNext();
    const roleBefore = node.status().role;
    raft.step({ type: "voteReply", term: 2, granted: true, from: "3", to: "1" });
    assertEquals([roleBefore, node.status().role], ["candidate", ["candidate", "leader"][writes]]);
  }
});

Deno.test("a leader that contradicts committed or its own entries cannot truncate them", () => {
  const node = new LoneNode({ term: 2 });
  node.step({ ...append, entries: entriesOf([1, 1, 1]), commit: 2, term: 2 });
  node.step({ ...append, entries: entriesOf([2, 2, 2]), commit: 3, term: 2 });
  node.step({
    ...append,
    prevIndex: 2,
    prevTerm: 1,
    entries: entriesOf([2], 3),
    commit: 3,
    term: 2,
  });
  node.step({ ...append, entries: entriesOf([2, 2, 2]), commit: 3, term: 5, from: "3" });
  assertEquals(node.node.log.durableEntries.map((entry) => entry.term), [1, 1, 1]);
  assertEquals(node.status().commitIndex, 2);
});

Deno.test("no sequence of messages and snapshots, possible or not, makes a node throw", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const node = new LoneNode({ terms: [1, 2, 2], options: { random } });
    const trace: unknown[] = [];
    try {
      for (let i = 0; i < 300; i++) {
        const message = anyMessage(random, node.status().term);
        trace.push(message);
        if (random() < 0.1) node.tick(1 + randomInteger(random, 10));
        if (random() < 0.1) node.node.raft.propose(["x"]);
        if (random() < 0.1) node.node.raft.readIndex(i);
        if (random() < 0.1) node.node.receive(anySnapshot(random));
        node.node.raft.step(message as unknown as Message<string>);
        if (random() < 0.5) node.node.pump(); // the disk is slow
        else node.settle();
      }
    } catch (error) {
      const last = trace.slice(-10).map((message) => JSON.stringify(message)).join("\n");
      throw new Error(`seed ${seed} made the node throw after\n${last}`, { cause: error });
    }
  }
});

/** A snapshot that no correct leader may have. */
function anySnapshot(random: Random) {
  const [index, term] = [randomInteger(random, 9), randomInteger(random, 4)];
  const voters = ["1", "2", "3"].slice(randomInteger(random, 4));
  return { index, term, configuration: { voters, learners: [] }, state: 0 };
}

/** A message with small random numbers, mostly of about the present term. */
function anyMessage(random: Random, term: number): Record<string, unknown> {
  const below = (limit: number) => randomInteger(random, limit);
  const types = [
    ["preVote", "vote", "preVoteReply", "voteReply", "append", "append", "appendReply"],
    ["appendReply", "heartbeat", "heartbeatReply", "readIndex", "readIndexReply"],
  ].flat();
  const prevIndex = below(6);
  let entryTerm = below(3);
  const entries = Array.from({ length: below(4) }, (_, i) => {
    entryTerm += below(2);
    return { index: prevIndex + 1 + i, term: entryTerm, data: "y", sizeBytes: 1 };
  });
  return {
    type: types[below(types.length)],
    from: String(2 + below(2)),
    term: Math.max(0, term + below(4) - 1 - below(2)),
    granted: random() < 0.7,
    accepted: random() < 0.7,
    ...{ prevIndex, prevTerm: below(4), entries, commit: below(8), round: below(3) },
    ...{ index: below(8), hintIndex: below(8), hintTerm: below(4), readId: below(3) },
    ...{ lastIndex: below(8), lastTerm: below(4) },
  };
}
