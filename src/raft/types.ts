/** The id of a cluster member, for life. The operator chooses it. */
export type NodeId = string;

export type Role = "leader" | "follower" | "candidate" | "preCandidate" | "learner";

/** One place in the replicated log. */
export interface Entry<T> {
  /** From 1, without gaps. */
  readonly index: number;
  readonly term: number;
  /** What the state machine gets; `null` for the no-op that opens a leader's term. */
  readonly data: T | null;
  /** Approximate size of `data` on the wire, in bytes. Bounds batches and caches. */
  readonly sizeBytes: number;
}

/**
 * The term and the vote, which a node must never forget. They are made durable in one write, before
 * any message that depends on them.
 */
export interface HardState {
  readonly term: number;
  /** The candidate that this node voted for in `term`. */
  readonly vote: NodeId | null;
}

/** The members. A learner gets the log and has no vote (thesis §4.2.1). */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** A configuration, and the index in the log from which on it is in effect. */
export interface ConfigurationAt {
  /** Index of its entry, or of the snapshot that has it; 0 for the founding one. */
  readonly index: number;
  readonly configuration: Configuration;
}

/** The snapshot that replaces all entries up to `index` (thesis §5). */
export interface SnapshotAt {
  readonly index: number;
  readonly term: number;
  /** The configuration in effect at `index`. */
  readonly configuration: Configuration;
}

/** What every message has. */
interface MessageHeader {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term; in `preVote` the term that it would stand for. */
  readonly term: number;
}

/**
 * Raft paper, figure 2 (RequestVote). A `preVote` changes no state at its receiver (thesis §9.6).
 */
export interface VoteRequest extends MessageHeader {
  readonly type: "preVote" | "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /**
   * The leader itself wants this election (thesis §3.10). That it is alive is no reason to refuse.
   */
  readonly isTransfer: boolean;
}

export interface VoteReply extends MessageHeader {
  readonly type: "preVoteReply" | "voteReply";
  readonly granted: boolean;
}

/** Raft paper, figure 2 (AppendEntries). */
export interface AppendRequest<T> extends MessageHeader {
  readonly type: "append";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  /** Consecutive from `prevIndex + 1`. */
  readonly entries: readonly Entry<T>[];
}

export interface AppendReply extends MessageHeader {
  readonly type: "appendReply";
  readonly accepted: boolean;
  /**
   * Accepted: index up to which the log matches the leader's, durably. Refused: the refused
   * `prevIndex`.
   */
  readonly index: number;
  /** Refused: the follower's log may match up to here. Lets the leader back up fast. */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

export interface Heartbeat extends MessageHeader {
  readonly type: "heartbeat";
  /** Never above what is known to match at the receiver. */
  readonly commit: number;
  /** The newest round of leadership confirmation (ReadIndex). */
  readonly round: number;
  /**
   * Size in MiB of the request that the leader is about to read or execute. It keeps the leader
   * busy, so that the leader may be silent for longer. Left out if there is none.
   */
  readonly busyMib?: number;
}

export interface HeartbeatReply extends MessageHeader {
  readonly type: "heartbeatReply";
  readonly round: number;
}

/** A follower asks the leader for a read index (thesis §6.4). */
export interface ReadIndexRequest extends MessageHeader {
  readonly type: "readIndex";
  /** Chosen by the follower, unique during one run of its process. */
  readonly readId: number;
}

export interface ReadIndexReply extends MessageHeader {
  readonly type: "readIndexReply";
  readonly readId: number;
  /** The follower may answer once it has applied this index; `null`: refused, ask again. */
  readonly index: number | null;
}

/** The leader asks the receiver to stand for election at once (thesis §3.10). */
export interface TimeoutNow extends MessageHeader {
  readonly type: "timeoutNow";
}

export type Message<T> =
  | TimeoutNow
  | VoteRequest
  | VoteReply
  | AppendRequest<T>
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndexRequest
  | ReadIndexReply;

/** A leader's peer that needs entries which the leader has compacted (thesis §5). */
export interface SnapshotWanted {
  readonly to: NodeId;
  /** The leader's term. */
  readonly term: number;
  /** Index of the last compacted entry. The snapshot must cover this entry; any newer one does. */
  readonly index: number;
}

/** A read that may be answered from the state machine once `index` is applied. */
export interface ReadState {
  readonly readId: number;
  readonly index: number;
}

/**
 * What the core wants done. The driver, in this order:
 * 1. sends `messages`, which depend on nothing that is not durable yet, and its newest snapshot to
 *    each peer in `snapshotsWanted`;
 * 2. makes one durable write: it replaces the whole log and the state by `snapshot`, if there is
 *    one; appends `entries`, after it has truncated the log from the first one's index on; and
 *    stores `hardState`. Writes of successive Readys keep their order;
 * 3. applies `committed` in order, and answers `reads` whose index is applied;
 * 4. calls `advance(ready)` when the write of step 2 is durable and the state machine has the state
 *    of `snapshot`, then sends `messagesAfterPersist`.
 *
 * Steps 1 and 3 need not wait for step 4, and the driver may take further Readys while it is in
 * progress. A Ready without `snapshot`, `hardState` and `entries` may be advanced at once, but
 * never before an earlier one. From a Ready with a snapshot until it is advanced, no Ready has
 * anything to apply.
 */
export interface Ready<T> {
  /** Grows by one from Ready to Ready. */
  readonly sequence: number;
  readonly hardState: HardState | null;
  /**
   * The snapshot that the driver reported last by `snapshotReceived` with this index and term. The
   * log now begins after it.
   */
  readonly snapshot: SnapshotAt | null;
  readonly entries: readonly Entry<T>[];
  readonly messages: readonly Message<T>[];
  readonly messagesAfterPersist: readonly Message<T>[];
  /**
   * Peers that get nothing but a snapshot now. The core asks again after each election timeout,
   * while the peer answers heartbeats and has not confirmed. The stream to that peer then goes on.
   */
  readonly snapshotsWanted: readonly SnapshotWanted[];
  /**
   * Each committed entry once, in order. The core counts an entry as applied when it hands it out.
   */
  readonly committed: readonly Entry<T>[];
  readonly reads: readonly ReadState[];
  /**
   * Reads that get no index: the leader changed or never answered. They may be asked again after
   * the next tick.
   */
  readonly refusedReads: readonly number[];
}

/**
 * The durable log as the core reads it. It shows everything that Readys have handed out as soon as
 * the driver has appended it, synced or not. All calls are synchronous.
 *
 * The driver may compact the log at any time, but never above the core's `appliedIndex` or
 * `durableIndex`: then `firstIndex()` moves up, and `term(firstIndex() - 1)` stays known.
 */
export interface LogReader<T> {
  /** Index of the first entry kept; `lastIndex() + 1` if there is none. */
  firstIndex(): number;
  /** 0 if nothing was ever appended. */
  lastIndex(): number;
  /** The term of the entry; 0 for index 0. `index` is in `firstIndex() - 1 … lastIndex()`. */
  term(index: number): number;
  /**
   * Entries from `from` to `to`, as many as fit into `bytesMax`, but at least one. `from` is in
   * `firstIndex() … lastIndex()`.
   */
  entries(from: number, to: number, bytesMax: number): readonly Entry<T>[];
}

/** One node's consensus state at this moment. */
export interface RaftStatus {
  readonly id: NodeId;
  /** `learner` for a follower that has no vote in the newest configuration. */
  readonly role: Role;
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly vote: NodeId | null;
  readonly commitIndex: number;
  /** Index of the last entry that was handed out to be applied. */
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  /** The newest configuration in the log, which is in effect. */
  readonly configuration: Configuration;
  readonly isConfigurationCommitted: boolean;
  /** Leader: the voter to which it is handing leadership. It takes no proposals meanwhile. */
  readonly transferringTo: NodeId | null;
  /** Leader: what it knows of the other members. Empty elsewhere. */
  readonly peers: readonly PeerStatus[];
  /** Leader: an entry of its term is committed. Follower: a leader is known. */
  readonly servesReads: boolean;
}

/** How the leader sends to a peer; see `Progress`. */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** What the leader knows of a peer. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly isLearner: boolean;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  /** Whether it answered within the last `2 * electionTicks` ticks. */
  readonly recentlyActive: boolean;
}
