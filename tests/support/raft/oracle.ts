import { assert, AssertionFailure } from "../../../src/base/errors.ts";
import { type Configuration, majority, type NodeId, type Ready } from "../../../src/raft/mod.ts";
import { configurationText, parseConfiguration } from "./configuration_text.ts";
import { describeEntry, describeMessage } from "./describe.ts";
import type { TestSnapshot } from "./test_log.ts";
import { nextState, type TestEntry, type TestMessage, type TestNode } from "./test_node.ts";

interface Committed {
  readonly entry: TestEntry;
  /** The entry was committed in this term or an earlier one. */
  readonly byTerm: number;
  /** The state of every state machine that has applied the entry. */
  readonly state: number;
  readonly configuration: Configuration;
}

/** Counts of events. */
export interface Tally {
  committed: number;
  /** Configurations committed. */
  changes: number;
  /** Number of snapshots that replaced a state. */
  restored: number;
  /** Elections won. */
  leaders: number;
  /** Number of times that a leader asked another node to stand for election. */
  transfers: number;
}

/**
 * Sees everything that the nodes of a cluster do, and asserts what Raft promises (Raft paper,
 * figure 3; thesis §4.1), that nothing is sent before it is durable, and that a snapshot equals the
 * entries that it replaces.
 */
export class Oracle {
  readonly #nodes: ReadonlyMap<NodeId, TestNode>;
  readonly #founding: Configuration;
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  /** Every entry ever written, by index and term, with its predecessor. */
  readonly #written = new Map<string, string>();
  readonly #committed: Committed[] = [];
  readonly #applied = new Map<NodeId, number>();
  readonly #commitIndexes = new Map<NodeId, number>();
  readonly #reads = new Map<string, number>();
  readonly tally: Tally = { committed: 0, changes: 0, restored: 0, leaders: 0, transfers: 0 };
  /**
   * The highest commit index that any node ever had: entries up to it may have been acknowledged.
   */
  commitMax = 0;

  constructor(nodes: ReadonlyMap<NodeId, TestNode>, founding: Configuration) {
    this.#nodes = nodes;
    this.#founding = founding;
  }

  /** A message is sent now: what it claims must be durable now. */
  checkSend(message: TestMessage): void {
    if (message.type === "preVote") assertMayStand(this.#node(message.from));
    if (message.type === "preVote" || message.type === "preVoteReply") return;
    const { log } = this.#node(message.from);
    if (log.hardState.term < message.term) fail("term not durable", message);
    const candidate = candidateOf(message);
    if (candidate !== null) {
      this.#checkVote(message.term, message.from, candidate);
      const { term, vote } = log.hardState;
      if (term === message.term && vote !== candidate) fail("vote not durable", message);
    }
    if (message.type === "appendReply" && message.accepted) {
      // One write may add entries and, for the leader of a later term, cut them off. What was
      // claimed in the earlier term is then as true as if there had been two writes.
      const isPast = log.hardState.term > message.term;
      if (!isPast && message.index > log.durableLastIndex) fail("entries not durable", message);
    }
    if (message.type === "timeoutNow") this.tally.transfers++;
    if (message.type === "heartbeat") {
      const known = this.#node(message.from).raft.status().commitIndex;
      if (message.commit > known) fail("commit index made up", message);
    }
  }

  /**
   * Called right before a node writes: the log keeps what is committed, and changes by one voter.
   */
  checkWrite(node: TestNode, { snapshot, entries }: Ready<string>): void {
    const first = snapshot !== null ? snapshot.index + 1 : entries[0]?.index;
    if (first === undefined) return;
    this.#assertKept(node, first, entries);
    let before = snapshot?.term ?? node.log.term(first - 1);
    let configuration: Configuration | null = snapshot?.configuration ?? null;
    for (const entry of entries) {
      const key = `${entry.index}/${entry.term}`;
      const text = `${entry.data} after ${before}`;
      const known = this.#written.get(key) ?? text;
      assert(known === text, `two entries ${key}: ${known}, and at ${node.id} ${text}`);
      this.#written.set(key, text);
      before = entry.term;
      const next = entry.data === null ? null : parseConfiguration(entry.data);
      if (next === null) continue;
      assertMayChange(node, entry);
      configuration ??= node.configurationAt(first - 1);
      if (configuration.voters.length > 0) assertSingleChange(configuration, next);
      configuration = next;
    }
  }

  /** State machine safety: all nodes apply the same entries, in order, each once. */
  checkApply(node: TestNode, entry: TestEntry): void {
    const next = (this.#applied.get(node.id) ?? 0) + 1;
    assert(entry.index === next, `${node.id} applies ${describeEntry(entry)} instead of ${next}`);
    this.#applied.set(node.id, next);
    const known = this.#committed[entry.index - 1] ??
      this.#commit(entry, node.raft.status().term);
    const isSame = known.entry.term === entry.term && known.entry.data === entry.data;
    assert(isSame, `${node.id} applies ${describeEntry(entry)}, not ${describeEntry(known.entry)}`);
    assert(node.state === known.state, `${node.id} has another state at ${entry.index}`);
  }

  /** A snapshot has replaced a node's state: it must equal the state after the entries. */
  checkRestore(node: TestNode, snapshot: TestSnapshot): void {
    const { index, term } = snapshot;
    const known = this.#committed[index - 1];
    assert(known?.entry.term === term, `${node.id} restores ${index}/${term}, not committed`);
    assert(known.state === snapshot.state, `${node.id} restores a wrong state at ${index}`);
    const [given, held] = [snapshot, known].map((at) => configurationText(at.configuration));
    assert(given === held, `${node.id} restores ${given} where ${held} held`);
    const before = this.#applied.get(node.id) ?? 0;
    assert(index > before, `${node.id} restores ${index}, but had applied ${before}`);
    this.#applied.set(node.id, index);
    this.tally.restored++;
  }

  noteRead(node: TestNode, readId: number): void {
    this.#reads.set(`${node.id}/${readId}`, this.commitMax);
  }

  /**
   * Linearizability: the read sees everything acknowledged before it began, and gets one answer.
   */
  checkReadAnswer(node: TestNode, readId: number, index: number | null): void {
    const key = `${node.id}/${readId}`;
    const needed = this.#reads.get(key);
    assert(needed !== undefined, `read ${key} was not asked, or answered before`);
    this.#reads.delete(key);
    assert(index === null || index >= needed, `read ${key} at ${index} misses entry ${needed}`);
  }

  noteCrash(node: TestNode): void {
    this.#applied.set(node.id, node.log.snapshot?.index ?? 0);
    this.#commitIndexes.delete(node.id);
    for (const key of this.#reads.keys()) {
      if (key.startsWith(`${node.id}/`)) this.#reads.delete(key);
    }
  }

  /** Called after each step of a node. */
  check(node: TestNode): void {
    const status = node.raft.status();
    const commitBefore = this.#commitIndexes.get(node.id) ?? 0;
    assert(status.commitIndex >= commitBefore, `commit index of ${node.id} went back`);
    this.#commitIndexes.set(node.id, status.commitIndex);
    this.commitMax = Math.max(this.commitMax, status.commitIndex);
    assert(status.appliedIndex <= status.commitIndex, `${node.id} applied what is not committed`);
    if (status.role === "leader") {
      this.#checkLeader(node, status.term);
      if (status.commitIndex > commitBefore) this.#assertOnMajority(node);
    }
    const changes = node.log.entriesAfter(this.commitMax).filter(({ data }) => isChange(data));
    assert(changes.length <= 1, `${node.id} has changes ${changes.map(describeEntry)}`);
  }

  /** Called when no write is in flight: the core then knows exactly what is durable. */
  checkDurable(node: TestNode): void {
    const { durableIndex, lastIndex } = node.raft.status();
    const { log } = node;
    assert(durableIndex <= log.durableLastIndex, `${node.id} takes too much for durable`);
    const durableTerm = log.durableTerm(durableIndex);
    if (
      durableTerm !== null && durableIndex >= log.firstIndex() && durableIndex <= log.lastIndex()
    ) {
      const isSame = durableTerm === log.term(durableIndex);
      assert(isSame, `${node.id} takes another entry ${durableIndex} for durable`);
    }
    const isIdle = node.inFlightCount === 0 && !node.raft.hasReady();
    if (isIdle) assert(durableIndex === lastIndex, `${node.id} takes too little for durable`);
  }

  #commit(entry: TestEntry, byTerm: number): Committed {
    const last = this.#committed.at(-1);
    const configuration = (entry.data === null ? null : parseConfiguration(entry.data)) ??
      last?.configuration ?? this.#founding;
    const committed = { entry, byTerm, state: nextState(last?.state ?? 0, entry), configuration };
    this.#committed.push(committed);
    this.tally.committed++;
    if (isChange(entry.data)) this.tally.changes++;
    return committed;
  }

  /** Election safety and leader completeness. */
  #checkLeader(node: TestNode, term: number): void {
    const known = this.#leaders.get(term);
    assert(known === undefined || known === node.id, `${known} and ${node.id} lead term ${term}`);
    if (known !== undefined) return;
    this.#leaders.set(term, node.id);
    this.tally.leaders++;
    const { log } = node;
    for (const { entry, byTerm } of this.#committed) {
      if (byTerm >= term) break;
      if (entry.index < log.firstIndex() - 1) continue;
      const has = entry.index <= log.lastIndex() && log.term(entry.index) === entry.term;
      assert(has, `leader ${node.id} of term ${term} lacks ${describeEntry(entry)}`);
    }
  }

  #checkVote(term: number, voter: NodeId, candidate: NodeId): void {
    const key = `${term}/${voter}`;
    const known = this.#votes.get(key) ?? candidate;
    assert(known === candidate, `${voter} votes for ${known} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
  }

  /**
   * Entries that a leader has just committed are durable on a majority of the voters that it
   * counts.
   */
  #assertOnMajority(leader: TestNode): void {
    const { commitIndex, configuration: { voters } } = leader.raft.status();
    const term = leader.log.term(commitIndex);
    const count = voters.filter((id) => this.#node(id).log.hasDurable(commitIndex, term)).length;
    if (count >= majority(voters.length)) return;
    throw new AssertionFailure(
      `${commitIndex}/${term} is committed, but durable on ${count} of ${voters}`,
    );
  }

  /** A committed entry that a node has written is never replaced or cut off. */
  #assertKept(node: TestNode, first: number, entries: readonly TestEntry[]): void {
    const last = Math.min(node.log.lastIndex(), this.#committed.length);
    for (let index = Math.max(first, node.log.firstIndex()); index <= last; index++) {
      const committed = this.#committed[index - 1]?.entry.term;
      if (node.log.term(index) !== committed) continue;
      const isKept = entries[index - first]?.term === committed;
      assert(isKept, `${node.id} cuts off the committed entry ${index}/${committed}`);
    }
  }

  #node(id: NodeId): TestNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, `no node ${id}`);
    return node;
  }
}

function assertSingleChange(before: Configuration, after: Configuration): void {
  const difference = new Set(before.voters).symmetricDifference(new Set(after.voters));
  const [from, to] = [before, after].map(configurationText);
  assert(difference.size <= 1, `${from} and ${to} differ by ${[...difference]}`);
}

/**
 * Thesis §4.1 as corrected: a leader changes members only after an entry of its own term is
 * committed.
 */
function assertMayChange(node: TestNode, entry: TestEntry): void {
  const { role, term, commitIndex } = node.raft.status();
  if (role !== "leader" || entry.term !== term) return;
  const isOpen = node.log.term(commitIndex) === term;
  assert(isOpen, `${node.id} begins ${describeEntry(entry)} too early`);
}

/** Only a voter may stand for election, by its newest configuration or by a committed one. */
function assertMayStand(node: TestNode): void {
  const { role, commitIndex, configuration } = node.raft.status();
  if (role !== "preCandidate") return; // it stood before it learned more
  const mayStand = [configuration, node.configurationAt(commitIndex)].some(({ voters }) =>
    voters.includes(node.id)
  );
  assert(mayStand, `${node.id} stands without a vote`);
}

function isChange(data: string | null): boolean {
  return data !== null && parseConfiguration(data) !== null;
}

/** The candidate for which the sender votes with this message; `null` if it is no vote. */
function candidateOf(message: TestMessage): NodeId | null {
  if (message.type === "vote") return message.from;
  return message.type === "voteReply" && message.granted ? message.to : null;
}

function fail(what: string, message: TestMessage): never {
  throw new AssertionFailure(`${what}: ${describeMessage(message)}`);
}
