/** The id of a cluster member: for life, chosen by the operator. */
export type NodeId = string;

export type Role = "leader" | "follower" | "candidate" | "preCandidate" | "learner";

/** One place in the replicated log. */
export interface Entry<T> {
  /** From 1, without gaps. */
  readonly index: number;
  readonly term: number;
  /** What the state machine gets; `null` is the no-op that opens a leader's term. */
  readonly data: T | null;
  /** About how many bytes `data` takes on the wire; bounds batches and caches. */
  readonly sizeBytes: number;
}

/** What a node must never forget: durable, in one write, before any message that depends on it. */
export interface HardState {
  readonly term: number;
  /** Whom this node voted for in `term`. */
  readonly vote: NodeId | null;
}

/** Who takes part. A learner gets the log and has no vote (thesis §4.2.1). */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/** A configuration and the place in the log from which on it holds. */
export interface ConfigurationAt {
  /** Of its entry, or of the snapshot that has it; 0 for the founding one. */
  readonly index: number;
  readonly configuration: Configuration;
}

/** What takes the place of all entries up to `index` (thesis §5). */
export interface SnapshotAt {
  readonly index: number;
  readonly term: number;
  /** As it was when `index` had been applied. */
  readonly configuration: Configuration;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term; in `preVote` the term it would stand for. */
  readonly term: number;
}

/** Raft paper, figure 2 (RequestVote). A `preVote` changes no state at its receiver (thesis §9.6). */
export interface VoteRequest extends Envelope {
  readonly type: "preVote" | "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader itself wants this election (thesis §3.10): that it is alive is no reason to refuse. */
  readonly isTransfer: boolean;
}

export interface VoteReply extends Envelope {
  readonly type: "preVoteReply" | "voteReply";
  readonly granted: boolean;
}

/** Raft paper, figure 2 (AppendEntries). */
export interface AppendRequest<T> extends Envelope {
  readonly type: "append";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  /** Consecutive from `prevIndex + 1`. */
  readonly entries: readonly Entry<T>[];
}

export interface AppendReply extends Envelope {
  readonly type: "appendReply";
  readonly accepted: boolean;
  /** Accepted: the log matches the leader's up to here, durably. Refused: the refused `prevIndex`. */
  readonly index: number;
  /** Refused: where the follower's log may still match, for the leader's fast back-up. */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

export interface Heartbeat extends Envelope {
  readonly type: "heartbeat";
  /** Never beyond what is known to match at the receiver. */
  readonly commit: number;
  /** The newest round of leadership confirmation (ReadIndex) that this heartbeat belongs to. */
  readonly round: number;
}

export interface HeartbeatReply extends Envelope {
  readonly type: "heartbeatReply";
  readonly round: number;
}

/** A follower asks the leader for a read index (thesis §6.4). */
export interface ReadIndexRequest extends Envelope {
  readonly type: "readIndex";
  /** Chosen by the follower, unique in its life. */
  readonly readId: number;
}

export interface ReadIndexReply extends Envelope {
  readonly type: "readIndexReply";
  readonly readId: number;
  /** The follower may answer once it has applied this index; `null`: refused, ask again. */
  readonly index: number | null;
}

/**
 * The receiver needs what the leader's log no longer has (thesis §5, InstallSnapshot). The sending
 * driver does not send this message as it stands, but streams its newest snapshot, which covers at
 * least `lastIndex`; the receiving driver, when it has all of it, steps this message with that
 * snapshot's own index, term and configuration.
 */
export interface SnapshotRequest extends Envelope {
  readonly type: "snapshot";
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly configuration: Configuration;
}

/** The leader asks the receiver to stand for election at once (thesis §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: "timeoutNow";
}

export type Message<T> =
  | SnapshotRequest
  | TimeoutNow
  | VoteRequest
  | VoteReply
  | AppendRequest<T>
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | ReadIndexRequest
  | ReadIndexReply;

/** A read may be answered from the state machine once `index` is applied. */
export interface ReadState {
  readonly readId: number;
  readonly index: number;
}

/**
 * What the core wants done. The driver, in this order:
 * 1. sends `messages` (they depend on nothing that is not durable yet);
 * 2. puts `snapshot`, if there is one, in the place of the whole log and of the state; appends
 *    `entries` to the log, cutting off what stands at or after the first one's index; and writes
 *    `hardState`, all in one durable write; writes of successive Readys keep their order;
 * 3. applies `committed` in order, and answers `reads` whose index is applied;
 * 4. when the write of step 2 is durable, and the state machine has the state of `snapshot`: calls
 *    `advance(ready)`, then sends `messagesAfterPersist`.
 *
 * Steps 1 and 3 need not wait for step 4, and further Readys may be taken while it is under way.
 * A Ready with no `snapshot`, `hardState` or `entries` may be advanced at once, but never before an
 * earlier one. From a Ready with a snapshot until it is advanced, no Ready has anything to apply.
 */
export interface Ready<T> {
  /** Grows by one from Ready to Ready. */
  readonly sequence: number;
  readonly hardState: HardState | null;
  /** The log now begins behind it: what the driver stepped last with this index and term. */
  readonly snapshot: SnapshotAt | null;
  readonly entries: readonly Entry<T>[];
  readonly messages: readonly Message<T>[];
  readonly messagesAfterPersist: readonly Message<T>[];
  /** Each committed entry once, in order. The core counts them as applied when it hands them out. */
  readonly committed: readonly Entry<T>[];
  readonly reads: readonly ReadState[];
  /** Reads that will get no index: the leader changed or never answered. Ask again, not before the next tick. */
  readonly refusedReads: readonly number[];
}

/**
 * The durable log as the core reads it: everything that Readys so far have handed out to be
 * persisted is visible here as soon as the driver has appended it, synced or not. Synchronous.
 *
 * The driver may compact it at any time, never above the core's `appliedIndex` or `durableIndex`:
 * then `firstIndex()` moves up, and `term(firstIndex() - 1)` stays known.
 */
export interface LogReader<T> {
  /** Index of the first entry kept; `lastIndex() + 1` when empty. */
  firstIndex(): number;
  /** 0 when nothing was ever appended. */
  lastIndex(): number;
  /** The term of the entry; 0 for index 0. `index` is in `firstIndex() - 1 … lastIndex()`. */
  term(index: number): number;
  /**
   * Entries from `from` on, as many as fit into `bytesMax`, but at least one.
   * `from` is in `firstIndex() … lastIndex()`; `to` is the last index wanted.
   */
  entries(from: number, to: number, bytesMax: number): readonly Entry<T>[];
}
