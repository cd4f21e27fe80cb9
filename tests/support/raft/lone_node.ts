import { assert } from "../../../src/base/errors.ts";
import type { SnapshotAt, SnapshotWanted } from "../../../src/raft/mod.ts";
import { TestLog } from "./test_log.ts";
import { type TestEntry, type TestMessage, TestNode, type TestOptions } from "./test_node.ts";

/** Entries 1, 2, … of the given terms. */
export function entriesOf(terms: readonly number[], first = 1): TestEntry[] {
  return terms.map((term, i) => ({ index: first + i, term, data: `t${term}`, sizeBytes: 2 }));
}

interface LoneNodeState {
  /** The terms of the entries in its log. */
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string | null;
  readonly voters?: readonly string[];
  readonly learners?: readonly string[];
  /** The log starts after this entry. */
  readonly before?: { readonly index: number; readonly term: number };
  readonly options?: TestOptions;
}

/** Node `1` of a cluster. The test plays the other members. */
export class LoneNode {
  readonly node: TestNode;
  readonly applied: number[] = [];
  readonly reads: { readId: number; index: number | null }[] = [];
  #sent: TestMessage[] = [];
  #wanted: SnapshotWanted[] = [];

  constructor(state: LoneNodeState) {
    const { terms = [], vote = null, before = { index: 0, term: 0 }, options } = state;
    const { voters = ["1", "2", "3"], learners = [] } = state;
    const hardState = { term: state.term ?? terms.at(-1) ?? before.term, vote };
    const events = {
      send: (message: TestMessage) => void this.#sent.push(message),
      lacksSnapshot: (wanted: SnapshotWanted) => void this.#wanted.push(wanted),
      apply: (_node: TestNode, entry: TestEntry) => void this.applied.push(entry.index),
      read: (_node: TestNode, readId: number, index: number | null) =>
        void this.reads.push({ readId, index }),
    };
    const log = new TestLog(hardState, entriesOf(terms, before.index + 1), before);
    this.node = new TestNode("1", { voters, learners }, events, options, log);
  }

  status() {
    return this.node.raft.status();
  }

  /** Steps a message, by default from `2` to `1`, does all work, and returns the messages sent. */
  step(message: Record<string, unknown>): TestMessage[] {
    this.node.step({ from: "2", to: "1", ...message } as TestMessage);
    return this.settle();
  }

  /** Receives a whole snapshot, does all work, and returns the messages sent since the last call. */
  receive(snapshot: SnapshotAt): TestMessage[] {
    this.node.receive({ ...snapshot, state: 0 });
    return this.settle();
  }

  /** Returns the snapshots that the core has asked for since the last call. */
  takeWanted(): SnapshotWanted[] {
    const wanted = this.#wanted;
    this.#wanted = [];
    return wanted;
  }

  /** Does all work, including the disk's, and returns the messages sent since the last call. */
  settle(): TestMessage[] {
    this.node.settle();
    return this.takeSent();
  }

  takeSent(): TestMessage[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  tick(count: number): TestMessage[] {
    for (let i = 0; i < count; i++) {
      this.node.raft.tick();
      this.node.settle();
    }
    return this.takeSent();
  }

  /** Wins an election with the votes of all others. */
  lead(): TestMessage[] {
    this.node.raft.campaign();
    this.settle();
    const term = this.status().term + 1;
    const granted = true;
    for (const from of ["2", "3"]) this.step({ type: "preVoteReply", from, term, granted });
    return this.step({ type: "voteReply", term, granted });
  }

  /** Lets a member confirm all of this leader's entries. */
  confirm(from: string): TestMessage[] {
    const { term, lastIndex: index } = this.status();
    const rest = { accepted: true, index, hintIndex: 0, hintTerm: 0 };
    return this.step({ type: "appendReply", from, term, ...rest });
  }
}

/** A leader that has committed entry 1 of its term 1 among `voters`, all of which have it. */
export function leaderOf(voters: readonly string[], learners: readonly string[] = []): LoneNode {
  const leader = new LoneNode({ voters, learners });
  leader.node.raft.campaign();
  leader.settle();
  for (const from of voters) leader.step({ type: "preVoteReply", from, term: 1, granted: true });
  for (const from of voters) leader.step({ type: "voteReply", from, term: 1, granted: true });
  for (const from of voters) leader.confirm(from);
  const { role, commitIndex } = leader.status();
  assert(role === "leader" && commitIndex === 1, `${role} with commit index ${commitIndex}`);
  return leader;
}
