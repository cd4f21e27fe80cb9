import { assert } from "../base/assert.ts";
import { ConfigurationLog } from "./configuration_log.ts";
import { ForwardedReads } from "./forwarded_reads.ts";
import type { Leadership } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import { completeOptions, drawElectionTimeout, type RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { majority } from "./quorum.ts";
import { ReadRounds } from "./read_rounds.ts";
import type {
  Configuration,
  Entry,
  HardState,
  Message,
  NodeId,
  ReadState,
  Role,
  SnapshotAt,
} from "./types.ts";

/**
 * The state behind `Raft`: the functions of the roles work on it. Term, vote and role change only
 * in the `become…` methods and in `voteFor`.
 */
export class Core<T> {
  readonly options: Required<RaftOptions<T>>;
  readonly id: NodeId;
  readonly log: RaftLog<T>;
  readonly configurations: ConfigurationLog;
  readonly forwarded: ForwardedReads;

  /** Since the start. */
  ticks = 0;
  /** Since a leader, or a candidate with our vote, was heard, or this node stood itself. */
  electionElapsed = 0;
  /** What the members answered this (pre-)candidate, itself included. */
  readonly votes = new Map<NodeId, boolean>();
  /** This candidate stands because its leader asked it to (thesis §3.10). */
  isTransfer = false;
  /** The log equals that of this term's leader up to here. */
  verifiedIndex: number;
  /** The highest commit index heard from this term's leader. */
  leaderCommit = 0;

  /** What the next Ready will bring. */
  messages: Message<T>[] = [];
  messagesAfterPersist: Message<T>[] = [];
  reads: ReadState[] = [];
  refusedReads: number[] = [];
  snapshot: SnapshotAt | null = null;

  #role: Role = "follower";
  #term: number;
  #vote: NodeId | null;
  #leaderId: NodeId | null = null;
  #leadership: Leadership | null = null;
  #electionTimeout = 0;
  #durableHardState: HardState;

  constructor(options: RaftOptions<T>) {
    this.options = completeOptions(options);
    this.id = options.id;
    this.log = new RaftLog(options.log, this.options.cacheBytesMax, this.options.appliedIndex);
    this.configurations = new ConfigurationLog(options.configurations);
    this.forwarded = new ForwardedReads(options.random);
    this.#term = options.hardState.term;
    this.#vote = options.hardState.vote;
    this.#durableHardState = options.hardState;
    this.verifiedIndex = this.log.commitIndex();
    assert(this.#term >= this.log.lastTerm(), "the durable term is never behind the log's");
    this.#restartElectionClock();
  }

  get role(): Role {
    return this.#role;
  }

  get term(): number {
    return this.#term;
  }

  get vote(): NodeId | null {
    return this.#vote;
  }

  get leaderId(): NodeId | null {
    return this.#leaderId;
  }

  get leadership(): Leadership | null {
    return this.#leadership;
  }

  get electionTimeout(): number {
    return this.#electionTimeout;
  }

  /** The newest in the log, which holds whether it is committed or not (thesis §4.1). */
  get configuration(): Configuration {
    return this.configurations.newest.configuration;
  }

  get isConfigurationCommitted(): boolean {
    return this.configurations.newest.index <= this.log.commitIndex();
  }

  /** How many voters decide. */
  get quorum(): number {
    return majority(this.configuration.voters.length);
  }

  isVoter(id: NodeId): boolean {
    return this.configuration.voters.includes(id);
  }

  hardState(): HardState {
    return { term: this.#term, vote: this.#vote };
  }

  /** Whether term and vote, as they are now, survive a crash. */
  isHardStateDurable(): boolean {
    const durable = this.#durableHardState;
    return durable.term === this.#term && durable.vote === this.#vote;
  }

  hardStatePersisted(hardState: HardState): void {
    assert(hardState.term <= this.#term, "nothing is durable that never was");
    this.#durableHardState = hardState;
  }

  /** Thesis §6.2, §9.6: a member of a cluster with a working leader takes no part in elections. */
  isLeaderAlive(): boolean {
    if (this.#role === "leader") return true;
    return this.#leaderId !== null && this.electionElapsed < this.options.electionTicks;
  }

  /** For a leader: whether the peer still counts towards the majority that it must have. */
  isActive(peer: Progress): boolean {
    return this.ticks - peer.heardTick < 2 * this.options.electionTicks;
  }

  becomeFollower(term: number, leaderId: NodeId | null): void {
    assert(term >= this.#term, `cannot go back from term ${this.#term} to ${term}`);
    this.#leaveRole();
    if (term > this.#term) {
      this.#term = term;
      this.#vote = null;
    }
    this.#role = "follower";
    this.#leaderId = leaderId;
  }

  /** Asks whether an election could be won, without a new term (thesis §9.6). */
  becomePreCandidate(): void {
    assert(this.#role !== "leader", "a leader does not stand");
    this.#leaveRole();
    this.#role = "preCandidate";
  }

  becomeCandidate(): void {
    assert(this.#role === "preCandidate", "a node stands only when it has a chance");
    this.#leaveRole();
    this.#role = "candidate";
    this.#term++;
    this.#vote = this.id;
  }

  becomeLeader(): void {
    assert(this.#role === "candidate", "a leader was elected");
    assert(this.#vote === this.id && this.isHardStateDurable(), "a leader's own vote is durable");
    this.#leaveRole();
    this.#role = "leader";
    this.#leaderId = this.id;
    this.#leadership = {
      progress: new Map(),
      leaving: new Map(),
      reads: new ReadRounds(),
      transfer: null,
      heartbeatElapsed: 0,
    };
  }

  /** Appends to the log; a configuration among the entries holds from now on. */
  append(entry: Entry<T>): void {
    this.log.append(entry);
    if (entry.data === null) return;
    const configuration = this.options.configurationOf(entry.data);
    if (configuration !== null) this.configurations.appended(entry.index, configuration);
  }

  /** Cuts the log off from `index` on, with the configurations there. */
  truncateFrom(index: number): void {
    this.log.truncateFrom(index);
    this.configurations.truncatedFrom(index);
  }

  /** Puts a snapshot in the place of the log; the next Ready brings it to the driver. */
  restore(snapshot: SnapshotAt): void {
    assert(this.#role === "follower", "only a follower takes a snapshot");
    this.log.restore(snapshot.index, snapshot.term);
    this.configurations.restored(snapshot.index, snapshot.configuration);
    this.snapshot = snapshot;
  }

  /** The one vote of this term. */
  voteFor(candidate: NodeId): void {
    assert(this.#vote === null || this.#vote === candidate, "one vote in a term");
    assert(this.#role === "follower", "only a follower votes for another");
    if (this.#vote === null) this.electionElapsed = 0; // a repeated request does not win time
    this.#vote = candidate;
  }

  /**
   * Queues a message: for the time after the next write when it depends on something that is not
   * durable, at once otherwise. Every message depends on the sender's term and vote, but for the
   * pre-vote, which binds nobody.
   *
   * @param dependsOnIndex the message says that the log is durable up to here
   */
  send(message: Message<T>, dependsOnIndex = 0): void {
    const isFree = message.type === "preVote" || message.type === "preVoteReply" ||
      (this.isHardStateDurable() && dependsOnIndex <= this.log.durableIndex());
    (isFree ? this.messages : this.messagesAfterPersist).push(message);
  }

  /** A driver of this node may answer the read, or its asker may. */
  answerRead(from: NodeId, readId: number, index: number | null): void {
    if (from !== this.id) {
      const { id, term } = this;
      this.send({ type: "readIndexReply", from: id, to: from, term, readId, index });
    } else if (index === null) {
      this.refusedReads.push(readId);
    } else {
      this.reads.push({ readId, index });
    }
  }

  /** Everything that belongs to the role and the leader so far ends; term and vote stay. */
  #leaveRole(): void {
    for (const read of this.#leadership?.reads.abandon() ?? []) {
      this.answerRead(read.from, read.readId, null);
    }
    for (const readId of this.forwarded.giveUp()) this.refusedReads.push(readId);
    this.#leadership = null;
    this.#leaderId = null;
    this.votes.clear();
    this.isTransfer = false;
    this.verifiedIndex = this.log.commitIndex();
    this.leaderCommit = 0;
    this.#restartElectionClock();
  }

  #restartElectionClock(): void {
    const { electionTicks, standing, random } = this.options;
    this.electionElapsed = 0;
    this.#electionTimeout = drawElectionTimeout(electionTicks, standing, random);
  }
}

/** What the leader's functions work on: `leadershipOf` proves that this node leads. */
export function leadershipOf<T>(core: Core<T>): Leadership {
  assert(core.leadership !== null, `node ${core.id} is no leader, but ${core.role}`);
  return core.leadership;
}

/** Before this is so, the leader may not know all that is committed (Raft paper §8). */
export function hasCommittedInTerm<T>(core: Core<T>): boolean {
  return core.log.term(core.log.commitIndex()) === core.term;
}
