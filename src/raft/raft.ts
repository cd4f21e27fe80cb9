import { assert } from "../base/errors.ts";
import {
  answerVoteRequest,
  campaign,
  countOwnVote,
  handleElectionTimeout,
  refuseVote,
  repeatVoteRequests,
  stepCandidate,
} from "./election.ts";
import { acceptSnapshot, stepFollower } from "./follower.ts";
import {
  addRead,
  advanceCommit,
  appendProposals,
  flushLeader,
  hasLeaderWork,
  setBusy,
  stepLeader,
  tickLeader,
  ticksUntilLeaderIsDue,
} from "./leader.ts";
import { type ConfigurationRefusal, configurationRefusal, startTransfer } from "./membership.ts";
import { isPossible, isPossibleSnapshot } from "./message_guard.ts";
import type { RaftOptions } from "./options.ts";
import { hasCommittedInTerm, RaftState } from "./state.ts";
import type {
  Configuration,
  HardState,
  Message,
  NodeId,
  PeerStatus,
  RaftStatus,
  Ready,
  Role,
  SnapshotAt,
} from "./types.ts";

/**
 * Number of election timeouts for which a follower waits for the leader's answer to a read. On a
 * slow or lossy network, heartbeats can be frequent enough for a leader to stay while no read
 * request is answered within one election timeout. The driver asks again meanwhile, and a late
 * answer is as good as an early one.
 */
const FORWARDED_READ_ELECTION_TIMEOUTS = 10;

/**
 * One member's part in the consensus: a state machine without clock, disk or network. The head of
 * `mod.ts` has the contract; the type `Ready` has its own.
 */
export class Raft<T> {
  readonly #state: RaftState<T>;
  #handedHardState: HardState;
  #sequence = 0;

  /** @throws {RangeError} when an option makes no sense */
  constructor(options: RaftOptions<T>) {
    this.#state = new RaftState(options);
    this.#handedHardState = options.hardState;
  }

  /** Lets one tick pass, the unit of `electionTicks` and `heartbeatTicks`. */
  tick(): void {
    const state = this.#state;
    state.ticks++;
    if (state.role === "leader") return tickLeader(state);
    const timeoutTicks = FORWARDED_READ_ELECTION_TIMEOUTS * state.options.electionTicks;
    for (const readId of state.forwardedReads.giveUp(state.ticks - timeoutTicks)) {
      state.refusedReads.push(readId);
    }
    state.electionElapsed++;
    if (state.electionElapsed >= state.electionTimeout) {
      handleElectionTimeout(state);
    } else if (
      state.role !== "follower" && state.electionElapsed % state.options.heartbeatTicks === 0
    ) {
      repeatVoteRequests(state);
    }
  }

  /**
   * Number of ticks until this node acts by itself, if no message arrives: it stands for election,
   * repeats a request or sends its heartbeats. Whatever else a leader has to send or to check waits
   * for these ticks.
   */
  ticksUntilDue(): number {
    const state = this.#state;
    if (state.role === "leader") return ticksUntilLeaderIsDue(state);
    const { electionElapsed, electionTimeout, options: { heartbeatTicks } } = state;
    const untilElection = electionTimeout - electionElapsed;
    if (state.role === "follower") return untilElection;
    return Math.min(untilElection, heartbeatTicks - electionElapsed % heartbeatTicks);
  }

  /**
   * Takes a message from a peer. It may be late, repeated or out of order. A message that is not
   * from another node to this one, or that no correct node could have sent, is ignored. The sender
   * need not be a member: it may be one that this node has not heard of yet (thesis §4.2.2).
   */
  step(message: Message<T>): void {
    const state = this.#state;
    if (message.to !== state.id || message.from === state.id) return;
    if (!isPossible(message) || !settleTerm(state, message)) return;
    if (message.type === "vote" || message.type === "preVote") {
      return answerVoteRequest(state, message);
    }
    const isCandidate = state.role === "candidate" || state.role === "preCandidate";
    // Another has won this term, or still leads it (Raft paper §5.2).
    if (isCandidate && isFromLeader(message)) state.becomeFollower(state.term, message.from);
    if (state.role === "leader") stepLeader(state, message);
    else if (state.role === "follower") stepFollower(state, message);
    else stepCandidate(state, message);
  }

  /**
   * Stands for election now rather than after the election timeout, with a pre-vote as always. A
   * node that may not lead yet stands as soon as it may, unless it knows a leader by then.
   */
  campaign(): void {
    const state = this.#state;
    state.isCampaignDue = !state.mayLead;
    campaign(state);
  }

  /**
   * Appends one entry for each of `data`, of which there is at least one. A configuration is
   * proposed alone, and takes effect at once.
   *
   * @returns the index of the first entry; `null` if nothing was appended: this node does not lead,
   * it is handing leadership over, or `configurationRefusal` says why
   */
  propose(data: readonly T[]): number | null {
    assert(data.length > 0, "a proposal has at least one entry");
    const state = this.#state;
    if (state.role !== "leader" || state.leadership?.transfer !== null) return null;
    const configuration = data.map(state.options.configurationOf).find((found) => found !== null);
    if (configuration !== undefined) {
      assert(data.length === 1, "a configuration is proposed by itself");
      if (configurationRefusal(state, configuration) !== null) return null;
    }
    return appendProposals(state, data);
  }

  /** Why this configuration cannot be proposed now; `null` if it can. */
  configurationRefusal(configuration: Configuration): ConfigurationRefusal | null {
    return configurationRefusal(this.#state, configuration);
  }

  /**
   * Makes another voter lead. From now on this node takes no proposals, and it asks the other to
   * stand once that one has all entries. If the other does not lead within an election timeout,
   * this node goes on as before. `status().transferringTo` shows whether a transfer is in progress.
   *
   * @returns false where it cannot begin: this node does not lead, the other has no vote, or a
   *   transfer to a third one is in progress
   */
  transfer(to: NodeId): boolean {
    return startTransfer(this.#state, to);
  }

  /**
   * Whether this node may stand for election; at first it may. This does not stop a leader from
   * leading, or a candidate from winning.
   */
  set mayLead(mayLead: boolean) {
    const state = this.#state;
    state.mayLead = mayLead;
    if (!mayLead || !state.isCampaignDue) return;
    state.isCampaignDue = false;
    if (state.leaderId === null) campaign(state);
  }

  /**
   * Size in MiB of the largest request that this node is about to read or execute; 0 if none is
   * large. A leader tells the others, which then allow it to be silent for longer.
   */
  set busyMib(mib: number) {
    setBusy(this.#state, mib);
  }

  /**
   * Maximum number of committed entries in the next Ready; `Infinity` at first. Entries beyond it
   * stay in the log, and come in later Readys. At 0, committed entries alone make no Ready.
   */
  set committedMax(count: number) {
    this.#state.committedMax = count;
  }

  /** Stops leading, although the term has no other leader. The members have to elect one. */
  stepDown(): void {
    const state = this.#state;
    if (state.role === "leader") state.becomeFollower(state.term, null);
  }

  /**
   * Asks for the applied index from which on a read that begins now is linearizable. The answer
   * comes in `Ready.reads` or `Ready.refusedReads`, under the same `readId`.
   *
   * @returns false if no leader is known: no answer will come
   */
  readIndex(readId: number): boolean {
    const state = this.#state;
    const { id: from, leaderId: to, term } = state;
    if (to === null) return false;
    if (to === from) {
      addRead(state, { from, readId });
    } else {
      const wireId = state.forwardedReads.ask(readId, state.ticks);
      state.send({ type: "readIndex", from, to, term, readId: wireId });
    }
    return true;
  }

  /**
   * A complete snapshot that a leader sent is durable on this node. It becomes the log and the
   * state of this follower if it brings anything new, and the current leader is told how far the
   * logs match. Nothing happens while no leader is known, or if the snapshot is impossible in the
   * current term.
   */
  snapshotReceived(snapshot: SnapshotAt): void {
    const state = this.#state;
    const { role, leaderId, term } = state;
    if (role !== "follower" || leaderId === null || !isPossibleSnapshot(snapshot, term)) return;
    acceptSnapshot(state, snapshot, leaderId);
  }

  /** The connection to a peer was lost: what is in flight to it may not arrive. */
  reportUnreachable(peer: NodeId): void {
    this.#state.leadership?.progress.get(peer)?.noteUnreachable();
  }

  /** Whether `ready()` would contain anything. */
  hasReady(): boolean {
    const state = this.#state;
    return state.messages.length > 0 || state.messagesAfterPersist.length > 0 ||
      state.log.hasNewEntries() || (state.committedMax > 0 && state.log.hasUnapplied()) ||
      this.#changedHardState() !== null ||
      state.snapshot !== null || state.reads.length > 0 || state.refusedReads.length > 0 ||
      (state.role === "leader" && hasLeaderWork(state));
  }

  /** Everything to be done since the last Ready; see `Ready` for the order in which to do it. */
  ready(): Ready<T> {
    const state = this.#state;
    if (state.role === "leader") flushLeader(state);
    const hardState = this.#changedHardState();
    if (hardState !== null) this.#handedHardState = hardState;
    this.#sequence++;
    const ready: Ready<T> = {
      sequence: this.#sequence,
      hardState,
      snapshot: state.snapshot,
      entries: state.log.handOut(this.#sequence),
      messages: state.messages,
      messagesAfterPersist: state.messagesAfterPersist,
      snapshotsWanted: state.snapshotsWanted,
      committed: state.log.takeCommitted(state.options.committedBytesMax, state.committedMax),
      reads: state.reads,
      refusedReads: state.refusedReads,
    };
    state.messages = [];
    state.snapshot = null;
    state.messagesAfterPersist = [];
    state.snapshotsWanted = [];
    state.reads = [];
    state.refusedReads = [];
    return ready;
  }

  /** What the Ready asked to persist is durable. Readys are advanced in their order, each once. */
  advance(ready: Ready<T>): void {
    const state = this.#state;
    state.log.markDurable(ready.sequence);
    if (ready.hardState !== null) state.markHardStateDurable(ready.hardState);
    countOwnVote(state);
    if (state.role === "leader") advanceCommit(state);
  }

  /** The current state, for operators, routing and tests. */
  status(): RaftStatus {
    return raftStatus(this.#state);
  }

  // Parts of the status that a driver reads often.

  get role(): Role {
    return roleOf(this.#state);
  }

  get term(): number {
    return this.#state.term;
  }

  get leaderId(): NodeId | null {
    return this.#state.leaderId;
  }

  get transferringTo(): NodeId | null {
    return this.#state.leadership?.transfer?.to ?? null;
  }

  get commitIndex(): number {
    return this.#state.log.commitIndex();
  }

  /** The last index up to which this node's own log survives a crash. */
  get durableIndex(): number {
    return this.#state.log.durableIndex();
  }

  /** The leader's commit index, as far as it has sent it in this term; 0 if it has not. */
  get leaderCommit(): number {
    const state = this.#state;
    return state.role === "leader" ? state.log.commitIndex() : state.leaderCommit;
  }

  get servesReads(): boolean {
    return servesReads(this.#state);
  }

  #changedHardState(): HardState | null {
    const { term, vote } = this.#state;
    const isSame = term === this.#handedHardState.term && vote === this.#handedHardState.vote;
    return isSame ? null : { term, vote };
  }
}

/**
 * Brings this node and the message to one term (Raft paper §5.1). Returns whether the message is
 * still to be handled. Requests for a pre-vote, and a granted one, keep the term that they ask
 * about.
 */
function settleTerm<T>(state: RaftState<T>, message: Message<T>): boolean {
  if (message.term === state.term) return true;
  if (message.term < state.term) {
    answerStale(state, message);
    return false;
  }
  if (message.type === "vote" || message.type === "preVote") {
    if (state.isLeaderAlive() && !message.isTransfer) return false;
    if (message.type === "preVote") return true;
  }
  if (message.type === "preVoteReply" && message.granted) return true;
  state.becomeFollower(message.term, isFromLeader(message) ? message.from : null);
  return true;
}

/**
 * Answers a leader or candidate of an older term, so that it learns of the newer term. Otherwise a
 * node that has reached a higher term, and is ignored because the leader is alive, could never come
 * back (thesis §9.6). Its refusal makes the leader adopt the term, and the next election includes
 * the node.
 */
function answerStale<T>(state: RaftState<T>, message: Message<T>): void {
  if (message.type === "vote" || message.type === "preVote") return refuseVote(state, message);
  if (!isFromLeader(message)) return;
  state.send({
    type: "appendReply",
    from: state.id,
    to: message.from,
    term: state.term,
    accepted: false,
    index: 0,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function isFromLeader<T>({ type }: Message<T>): boolean {
  return type === "append" || type === "heartbeat" || type === "timeoutNow";
}

/** See `RaftStatus.role`. */
function roleOf<T>(state: RaftState<T>): Role {
  return state.role === "follower" && !state.isVoter(state.id) ? "learner" : state.role;
}

/** See `RaftStatus.servesReads`. */
function servesReads<T>(state: RaftState<T>): boolean {
  return state.role === "leader" ? hasCommittedInTerm(state) : state.leaderId !== null;
}

/** The status of a core. */
function raftStatus<T>(state: RaftState<T>): RaftStatus {
  const peers: PeerStatus[] = [];
  for (const [id, peer] of state.leadership?.progress ?? []) {
    if (state.leadership?.leaving.has(id)) continue;
    peers.push({
      id,
      isLearner: !state.isVoter(id),
      match: peer.match,
      next: peer.next,
      state: peer.state,
      recentlyActive: state.isActive(peer),
    });
  }
  return {
    id: state.id,
    role: roleOf(state),
    term: state.term,
    leaderId: state.leaderId,
    vote: state.vote,
    commitIndex: state.log.commitIndex(),
    appliedIndex: state.log.appliedIndex(),
    lastIndex: state.log.lastIndex(),
    durableIndex: state.log.durableIndex(),
    configuration: state.configuration,
    isConfigurationCommitted: state.isConfigurationCommitted,
    transferringTo: state.leadership?.transfer?.to ?? null,
    peers,
    servesReads: servesReads(state),
  };
}
