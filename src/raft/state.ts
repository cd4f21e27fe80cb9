import { assert } from "../base/errors.ts";
import { ConfigurationLog } from "./configuration_log.ts";
import { RaftLog } from "./log.ts";
import { completeOptions, drawElectionTimeout, type RaftOptions } from "./options.ts";
import { majority, type Progress } from "./progress.ts";
import { ForwardedReads, ReadRounds } from "./reads.ts";
import type {
  Configuration,
  Entry,
  HardState,
  Message,
  NodeId,
  ReadState,
  Role,
  SnapshotAt,
  SnapshotWanted,
} from "./types.ts";

/**
 * Maximum number of MiB for which a busy member gets extra time: one election timeout for each MiB
 * that it is busy with. Without extra time it would be taken for dead, and would have to do all of
 * the work again.
 */
const BUSY_MIB_MAX = 8;

/** State that exists only while this node leads. Each leadership begins with a new one. */
export interface Leadership {
  /** The progress of all other members, and of the peers in `leaving`. */
  readonly progress: Map<NodeId, Progress>;
  /** Removed peers that are still to learn of their removal. */
  readonly leaving: Map<NodeId, LeavingPeer>;
  readonly reads: ReadRounds;
  transfer: TransferAttempt | null;
  /** Ticks since the last regular heartbeats. */
  heartbeatElapsed: number;
}

/** A peer that the newest configuration no longer has. */
export interface LeavingPeer {
  /** Index of the configuration that removed it. */
  readonly index: number;
  /** The tick at which the leader adopted that configuration. */
  readonly sinceTick: number;
  /** The first tick after a message told the peer that the removal is committed. */
  commitSentTick: number | null;
}

/** An attempt to hand leadership over (thesis §3.10). The leader takes no proposals meanwhile. */
export interface TransferAttempt {
  readonly to: NodeId;
  /** The tick at which the attempt ends. */
  readonly endTick: number;
  /**
   * The leader is no longer a member: it steps down, whether the target takes over or not (thesis
   * §4.2.2).
   */
  readonly isRetiring: boolean;
  /** The target was asked to stand since the last regular heartbeats. */
  isTimeoutNowSent: boolean;
}

/**
 * The state behind `Raft`, on which the functions of the roles operate. Term, vote and role change
 * only in the `become…` methods and in `voteFor`.
 */
export class RaftState<T> {
  readonly options: Required<RaftOptions<T>>;
  readonly id: NodeId;
  readonly log: RaftLog<T>;
  readonly configurations: ConfigurationLog;
  readonly forwardedReads: ForwardedReads;

  /** Ticks since the start. */
  ticks = 0;
  /** Ticks since this node heard its leader, voted, or stood for election itself. */
  electionElapsed = 0;
  /** The answers to this candidate or pre-candidate, its own included. */
  readonly votes = new Map<NodeId, boolean>();
  /** Whether the driver allows this node to stand for election. */
  mayLead = true;
  /**
   * The driver asked this node to stand for election while it was not allowed to. It stands once it
   * is allowed.
   */
  isCampaignDue = false;
  /** This candidate stands because the leader asked it to (thesis §3.10). */
  isTransfer = false;
  /** The log matches that of this term's leader up to here. */
  matchIndex: number;
  /** The highest commit index that this term's leader has sent. */
  leaderCommit = 0;
  /** Maximum number of committed entries in the next Ready. */
  committedMax = Infinity;
  /** MiB of the request that keeps this node busy while it leads; see `Heartbeat`. */
  busyMib = 0;
  /** Extra ticks for which this term's leader may be silent, because it is busy. */
  leaderGraceTicks = 0;

  /** The contents of the next Ready. */
  messages: Message<T>[] = [];
  messagesAfterPersist: Message<T>[] = [];
  snapshotsWanted: SnapshotWanted[] = [];
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
    this.forwardedReads = new ForwardedReads(options.random);
    this.#term = options.hardState.term;
    this.#vote = options.hardState.vote;
    this.#durableHardState = options.hardState;
    this.matchIndex = this.log.commitIndex();
    assert(this.#term >= this.log.lastTerm(), "the durable term is not below the log's");
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

  /** This node stands when `electionElapsed` reaches this number of ticks. */
  get electionTimeout(): number {
    return this.#electionTimeout + this.leaderGraceTicks;
  }

  /**
   * The newest configuration in the log, which is in effect whether it is committed or not (thesis
   * §4.1).
   */
  get configuration(): Configuration {
    return this.configurations.newest.configuration;
  }

  get isConfigurationCommitted(): boolean {
    return this.configurations.newest.index <= this.log.commitIndex();
  }

  /** Number of voters that form a majority. */
  get quorum(): number {
    return majority(this.configuration.voters.length);
  }

  isVoter(id: NodeId): boolean {
    return this.configuration.voters.includes(id);
  }

  /** Whether the current term and vote survive a crash. */
  isHardStateDurable(): boolean {
    const durable = this.#durableHardState;
    return durable.term === this.#term && durable.vote === this.#vote;
  }

  markHardStateDurable(hardState: HardState): void {
    assert(hardState.term <= this.#term, "the durable term is not above the current one");
    this.#durableHardState = hardState;
  }

  /** Thesis §6.2, §9.6: a member of a cluster with a working leader takes no part in elections. */
  isLeaderAlive(): boolean {
    if (this.#role === "leader") return true;
    const silenceMax = this.options.electionTicks + this.leaderGraceTicks;
    return this.#leaderId !== null && this.electionElapsed < silenceMax;
  }

  /** Extra ticks for which a member that is busy with `mib` MiB may be silent. */
  graceTicks(mib: number): number {
    return Math.min(BUSY_MIB_MAX, mib) * this.options.electionTicks;
  }

  /**
   * For a leader: whether the peer still counts towards the majority that the leader must hear.
   *
   * @param graceTicks extra ticks for which the peer may be silent
   */
  isActive(peer: Progress, graceTicks = 0): boolean {
    return this.ticks - peer.heardTick < 2 * this.options.electionTicks + graceTicks;
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

  /** Starts to ask whether an election could be won, without a new term (thesis §9.6). */
  becomePreCandidate(): void {
    assert(this.#role !== "leader", "a leader does not stand");
    this.#leaveRole();
    this.#role = "preCandidate";
  }

  becomeCandidate(): void {
    assert(this.#role === "preCandidate", "only a pre-candidate becomes a candidate");
    this.#leaveRole();
    this.#role = "candidate";
    this.#term++;
    this.#vote = this.id;
  }

  becomeLeader(): void {
    assert(this.#role === "candidate", "only a candidate becomes the leader");
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

  /** Appends to the log. A configuration in the entry takes effect at once. */
  append(entry: Entry<T>): void {
    this.log.append(entry);
    if (entry.data === null) return;
    const configuration = this.options.configurationOf(entry.data);
    if (configuration !== null) this.configurations.append(entry.index, configuration);
  }

  /** Truncates the log from `index` on, and drops the configurations there. */
  truncateFrom(index: number): void {
    this.log.truncateFrom(index);
    this.configurations.truncateFrom(index);
  }

  /** Replaces the log by a snapshot. The next Ready brings it to the driver. */
  restore(snapshot: SnapshotAt): void {
    assert(this.#role === "follower", "only a follower takes a snapshot");
    this.log.restore(snapshot.index, snapshot.term);
    this.configurations.restore(snapshot.index, snapshot.configuration);
    this.snapshot = snapshot;
  }

  /** Casts the one vote of this term. */
  voteFor(candidate: NodeId): void {
    assert(this.#vote === null || this.#vote === candidate, "one vote in a term");
    assert(this.#role === "follower", "only a follower votes for another");
    // A repeated request does not delay this node again.
    if (this.#vote === null) this.electionElapsed = 0;
    this.#vote = candidate;
  }

  /**
   * Queues a message. It is sent after the next write if it depends on something that is not
   * durable yet, and at once otherwise. Every message depends on the sender's term and vote, except
   * the pre-vote, which binds nobody.
   *
   * @param dependsOnIndex index up to which the message says that the log is durable
   */
  send(message: Message<T>, dependsOnIndex = 0): void {
    const mayLeaveNow = message.type === "preVote" || message.type === "preVoteReply" ||
      (this.isHardStateDurable() && dependsOnIndex <= this.log.durableIndex());
    (mayLeaveNow ? this.messages : this.messagesAfterPersist).push(message);
  }

  /** Answers the read of this node's driver, or of the follower that asked. `null` refuses it. */
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

  /** Ends everything that belongs to the current role and leader; term and vote stay. */
  #leaveRole(): void {
    for (const read of this.#leadership?.reads.abandon() ?? []) {
      this.answerRead(read.from, read.readId, null);
    }
    for (const readId of this.forwardedReads.giveUp()) this.refusedReads.push(readId);
    this.#leadership = null;
    this.#leaderId = null;
    this.votes.clear();
    this.isTransfer = false;
    this.matchIndex = this.log.commitIndex();
    this.leaderCommit = 0;
    this.leaderGraceTicks = 0;
    this.#restartElectionClock();
  }

  #restartElectionClock(): void {
    const { electionTicks, standing, random } = this.options;
    this.electionElapsed = 0;
    this.#electionTimeout = drawElectionTimeout(electionTicks, standing, random);
  }
}

/** The leader's state. Asserts that this node leads. */
export function leadershipOf<T>(state: RaftState<T>): Leadership {
  assert(state.leadership !== null, `node ${state.id} is not the leader, but ${state.role}`);
  return state.leadership;
}

/**
 * Whether this term's leader has committed an entry of its term. Before that it may not know all
 * that is committed (Raft paper §8).
 */
export function hasCommittedInTerm<T>(state: RaftState<T>): boolean {
  return state.log.term(state.log.commitIndex()) === state.term;
}
