import { assert, AssertionFailure } from "../../base/assert.ts";
import type { NodeId } from "../mod.ts";
import { majority } from "../quorum.ts";
import { describeEntry, describeMessage } from "./describe.ts";
import type { TestEntry, TestMessage, TestNode } from "./test_node.ts";

interface Committed {
  readonly entry: TestEntry;
  /** The entry was committed in this term or an earlier one. */
  readonly byTerm: number;
}

/**
 * Sees everything that the nodes of a cluster do, and asserts what Raft promises of it (Raft paper,
 * figure 3) and that nothing is said before it is durable.
 */
export class Oracle {
  readonly #nodes: ReadonlyMap<NodeId, TestNode>;
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  /** Of each entry that was ever written, by index and term: what it is and what stands before it. */
  readonly #written = new Map<string, string>();
  readonly #committed: Committed[] = [];
  readonly #applied = new Map<NodeId, number>();
  readonly #commitIndexes = new Map<NodeId, number>();
  readonly #reads = new Map<string, number>();
  /** The highest commit index that any node ever had: what may have been acknowledged. */
  commitMax = 0;

  constructor(nodes: ReadonlyMap<NodeId, TestNode>) {
    this.#nodes = nodes;
  }

  /** The message leaves now: what it says must be durable now. */
  sent(message: TestMessage): void {
    if (message.type === "preVote" || message.type === "preVoteReply") return;
    const { log } = this.#node(message.from);
    if (log.hardState.term < message.term) fail("term not durable", message);
    const candidate = candidateOf(message);
    if (candidate !== null) {
      this.#voted(message.term, message.from, candidate);
      const { term, vote } = log.hardState;
      if (term === message.term && vote !== candidate) fail("vote not durable", message);
    }
    if (message.type === "appendReply" && message.accepted) {
      if (message.index > log.durableEntries.length) fail("entries not durable", message);
    }
    if (message.type === "heartbeat") {
      const known = this.#node(message.from).raft.status().commitIndex;
      if (message.commit > known) fail("commit index made up", message);
    }
  }

  /** Log matching: an entry of one index and term is one entry, and stands behind the same one. */
  wrote(node: TestNode, entries: readonly TestEntry[]): void {
    for (const entry of entries) {
      const before = node.log.term(entry.index - 1);
      const key = `${entry.index}/${entry.term}`;
      const text = `${entry.data} behind ${before}`;
      const known = this.#written.get(key) ?? text;
      assert(known === text, `two entries ${key}: ${known}, and at ${node.id} ${text}`);
      this.#written.set(key, text);
    }
  }

  /** State machine safety: all nodes apply the same, in order, each entry once. */
  applied(node: TestNode, entry: TestEntry): void {
    const next = (this.#applied.get(node.id) ?? 0) + 1;
    assert(entry.index === next, `${node.id} applies ${describeEntry(entry)} instead of ${next}`);
    this.#applied.set(node.id, next);
    const known = this.#committed[entry.index - 1];
    if (known === undefined) {
      this.#committed.push({ entry, byTerm: node.raft.status().term });
      this.#assertOnMajority(entry);
      return;
    }
    const isSame = known.entry.term === entry.term && known.entry.data === entry.data;
    assert(isSame, `${node.id} applies ${describeEntry(entry)}, not ${describeEntry(known.entry)}`);
  }

  readAsked(node: TestNode, readId: number): void {
    this.#reads.set(`${node.id}/${readId}`, this.commitMax);
  }

  /** Linearizability: the read sees all that was acknowledged before it began; one answer each. */
  readAnswered(node: TestNode, readId: number, index: number | null): void {
    const key = `${node.id}/${readId}`;
    const needed = this.#reads.get(key);
    assert(needed !== undefined, `read ${key} was not asked, or answered before`);
    this.#reads.delete(key);
    assert(index === null || index >= needed, `read ${key} at ${index} misses entry ${needed}`);
  }

  crashed(node: TestNode): void {
    this.#applied.delete(node.id);
    this.#commitIndexes.delete(node.id);
    for (const key of this.#reads.keys()) {
      if (key.startsWith(`${node.id}/`)) this.#reads.delete(key);
    }
  }

  /** After each step of a node. */
  check(node: TestNode): void {
    const status = node.raft.status();
    const commitBefore = this.#commitIndexes.get(node.id) ?? 0;
    assert(status.commitIndex >= commitBefore, `commit index of ${node.id} went back`);
    this.#commitIndexes.set(node.id, status.commitIndex);
    this.commitMax = Math.max(this.commitMax, status.commitIndex);
    assert(status.appliedIndex <= status.commitIndex, `${node.id} applied what is not committed`);
    if (status.role === "leader") this.#checkLeader(node, status.term);
    const last = this.#committed.at(-1);
    if (last !== undefined) this.#assertOnMajority(last.entry);
  }

  /** Where nothing is under way: the core knows exactly what is durable. */
  checkDurable(node: TestNode): void {
    const { durableIndex, lastIndex } = node.raft.status();
    const durable = node.log.durableEntries;
    assert(durableIndex <= durable.length, `${node.id} takes too much for durable`);
    if (durableIndex > 0 && durableIndex <= node.log.lastIndex()) {
      const isSame = durable[durableIndex - 1]?.term === node.log.term(durableIndex);
      assert(isSame, `${node.id} takes another entry ${durableIndex} for durable`);
    }
    const isIdle = node.underWayCount === 0 && !node.raft.hasReady();
    if (isIdle) assert(durableIndex === lastIndex, `${node.id} takes too little for durable`);
  }

  /** Election safety and leader completeness. */
  #checkLeader(node: TestNode, term: number): void {
    const known = this.#leaders.get(term);
    assert(known === undefined || known === node.id, `${known} and ${node.id} lead term ${term}`);
    if (known !== undefined) return;
    this.#leaders.set(term, node.id);
    for (const { entry, byTerm } of this.#committed) {
      if (byTerm >= term) break;
      const has = entry.index <= node.log.lastIndex() && node.log.term(entry.index) === entry.term;
      assert(has, `leader ${node.id} of term ${term} lacks ${describeEntry(entry)}`);
    }
  }

  #voted(term: number, voter: NodeId, candidate: NodeId): void {
    const key = `${term}/${voter}`;
    const known = this.#votes.get(key) ?? candidate;
    assert(known === candidate, `${voter} votes for ${known} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
  }

  #assertOnMajority(entry: TestEntry): void {
    let count = 0;
    for (const { log } of this.#nodes.values()) {
      if (log.durableEntries[entry.index - 1]?.term === entry.term) count++;
    }
    if (count >= majority(this.#nodes.size)) return;
    throw new AssertionFailure(`${describeEntry(entry)} is committed, but durable on ${count}`);
  }

  #node(id: NodeId): TestNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, `no node ${id}`);
    return node;
  }
}

/** For whom the sender votes with this message, if it does. */
function candidateOf(message: TestMessage): NodeId | null {
  if (message.type === "vote") return message.from;
  return message.type === "voteReply" && message.granted ? message.to : null;
}

function fail(what: string, message: TestMessage): never {
  throw new AssertionFailure(`${what}: ${describeMessage(message)}`);
}
