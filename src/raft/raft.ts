import { assert } from "../base/assert.ts";
import { Core } from "./core.ts";
import {
  answerVoteRequest,
  campaign,
  countOwnVote,
  electionTimedOut,
  refuseVote,
  repeatVoteRequests,
} from "./election.ts";
import { advanceCommit, appendProposals, tickLeader, ticksUntilLeaderIsDue } from "./leader.ts";
import { type ConfigurationRefusal, configurationRefusal } from "./membership.ts";
import { isPossible } from "./message_guard.ts";
import type { RaftOptions } from "./options.ts";
import { flushLeader, hasLeaderWork } from "./replication.ts";
import { type RaftStatus, raftStatus, roleOf, servesReads } from "./status.ts";
import { stepCandidate } from "./step_candidate.ts";
import { stepFollower } from "./step_follower.ts";
import { addRead, stepLeader } from "./step_leader.ts";
import { startTransfer } from "./transfer.ts";
import type { Configuration, HardState, Message, NodeId, Ready, Role } from "./types.ts";

/**
 * How many election timeouts a leader may take to answer a read. On a slow or lossy network heartbeats
 * can be frequent enough for a leader to stay while no question is answered within one timeout; the
 * driver asks again meanwhile, and the first answer, however late, is as good as the last.
 */
const FORWARDED_READ_ELECTIONS = 10;

/**
 * One member's part in the consensus: a state machine without clock, disk or network. The contract
 * stands at the head of `mod.ts`, that of `Ready` at its type.
 */
export class Raft<T> {
  readonly #core: Core<T>;
  #handedHardState: HardState;
  #sequence = 0;

  /** @throws {RangeError} when an option makes no sense */
  constructor(options: RaftOptions<T>) {
    this.#core = new Core(options);
    this.#handedHardState = options.hardState;
  }

  /** Lets time pass by one tick, the unit of `electionTicks` and `heartbeatTicks`. */
  tick(): void {
    const core = this.#core;
    core.ticks++;
    if (core.role === "leader") return tickLeader(core);
    const patience = FORWARDED_READ_ELECTIONS * core.options.electionTicks;
    for (const readId of core.forwarded.giveUp(core.ticks - patience)) {
      core.refusedReads.push(readId);
    }
    core.electionElapsed++;
    if (core.electionElapsed >= core.electionTimeout) {
      electionTimedOut(core);
    } else if (
      core.role !== "follower" && core.electionElapsed % core.options.heartbeatTicks === 0
    ) {
      repeatVoteRequests(core);
    }
  }

  /**
   * With which tick from now on this node does something by itself if no message comes: stands for
   * election, repeats a request, sends its heartbeats. What a leader has to say to peers or to find
   * out about them waits for these.
   */
  ticksUntilDue(): number {
    const core = this.#core;
    if (core.role === "leader") return ticksUntilLeaderIsDue(core);
    const { electionElapsed, electionTimeout, options: { heartbeatTicks } } = core;
    const untilElection = electionTimeout - electionElapsed;
    if (core.role === "follower") return untilElection;
    return Math.min(untilElection, heartbeatTicks - electionElapsed % heartbeatTicks);
  }

  /**
   * Takes a message from a peer. It may be late, repeated or out of order; one that is not from
   * another to this node, or that cannot mean anything, is ignored. Whether the sender is a member
   * does not matter: it may be one that this node has not heard of (thesis §4.2.2).
   */
  step(message: Message<T>): void {
    const core = this.#core;
    if (message.to !== core.id || message.from === core.id) return;
    if (!isPossible(message) || !settleTerm(core, message)) return;
    if (message.type === "vote" || message.type === "preVote") {
      answerVoteRequest(core, message);
    } else if (core.role === "leader") {
      stepLeader(core, message);
    } else if (core.role === "follower") {
      stepFollower(core, message);
    } else {
      stepCandidate(core, message);
    }
  }

  /** Stands for election now instead of after the election timeout, with a pre-vote as always. */
  campaign(): void {
    campaign(this.#core);
  }

  /**
   * Appends to the log, one entry for each of `data`, of which there is at least one. A
   * configuration comes by itself, and holds at once.
   *
   * @returns the index of the first, or `null` where nothing has happened: on a node that does not
   *   lead or is handing leadership over, and where `configurationRefusal` would say why
   */
  propose(data: readonly T[]): number | null {
    assert(data.length > 0, "a proposal is of something");
    const core = this.#core;
    if (core.role !== "leader" || core.leadership?.transfer !== null) return null;
    const configuration = data.map(core.options.configurationOf).find((found) => found !== null);
    if (configuration !== undefined) {
      assert(data.length === 1, "a configuration is proposed by itself");
      if (configurationRefusal(core, configuration) !== null) return null;
    }
    return appendProposals(core, data);
  }

  /** Why this configuration cannot be proposed now; `null` when it can. */
  configurationRefusal(configuration: Configuration): ConfigurationRefusal | null {
    return configurationRefusal(this.#core, configuration);
  }

  /**
   * Makes another voter lead: no proposals are taken from now on, and when the peer has everything
   * it is asked to stand. If it does not lead within an election timeout, all is as before.
   * `status().transferringTo` tells whether it is under way.
   *
   * @returns false where it cannot begin: this node does not lead, the other has no vote, or a
   *   transfer to another is under way
   */
  transfer(to: NodeId): boolean {
    return startTransfer(this.#core, to);
  }

  /**
   * Asks from which applied index on a read that begins now is linearizable. The answer comes in
   * `Ready.reads` or `Ready.refusedReads`, under the same `readId`.
   *
   * @returns false when no leader is known: no answer will come
   */
  readIndex(readId: number): boolean {
    const core = this.#core;
    const { id: from, leaderId: to, term } = core;
    if (to === null) return false;
    if (to === from) {
      addRead(core, { from, readId });
    } else {
      const wireId = core.forwarded.ask(readId, core.ticks);
      core.send({ type: "readIndex", from, to, term, readId: wireId });
    }
    return true;
  }

  /** The connection to a peer was lost: what is under way to it may not arrive. */
  unreachable(peer: NodeId): void {
    this.#core.leadership?.progress.get(peer)?.unreachable();
  }

  /** Whether `ready()` would have anything to say. */
  hasReady(): boolean {
    const core = this.#core;
    return core.messages.length > 0 || core.messagesAfterPersist.length > 0 ||
      core.log.hasUnhanded() || core.log.hasUnapplied() || this.#changedHardState() !== null ||
      core.snapshot !== null || core.reads.length > 0 || core.refusedReads.length > 0 ||
      (core.role === "leader" && hasLeaderWork(core));
  }

  /** Everything to be done since the last Ready; see `Ready` for the order in which to do it. */
  ready(): Ready<T> {
    const core = this.#core;
    if (core.role === "leader") flushLeader(core);
    const hardState = this.#changedHardState();
    if (hardState !== null) this.#handedHardState = hardState;
    this.#sequence++;
    const ready: Ready<T> = {
      sequence: this.#sequence,
      hardState,
      snapshot: core.snapshot,
      entries: core.log.handOut(this.#sequence),
      messages: core.messages,
      messagesAfterPersist: core.messagesAfterPersist,
      committed: core.log.takeCommitted(core.options.committedBytesMax),
      reads: core.reads,
      refusedReads: core.refusedReads,
    };
    core.messages = [];
    core.snapshot = null;
    core.messagesAfterPersist = [];
    core.reads = [];
    core.refusedReads = [];
    return ready;
  }

  /** What the Ready asked to persist is durable; Readys are advanced in their order, each once. */
  advance(ready: Ready<T>): void {
    const core = this.#core;
    core.log.persisted(ready.sequence);
    if (ready.hardState !== null) core.hardStatePersisted(ready.hardState);
    countOwnVote(core);
    if (core.role === "leader") advanceCommit(core);
  }

  /** A picture of the present state, for operators, routing and tests. */
  status(): RaftStatus {
    return raftStatus(this.#core);
  }

  // The same of what a driver looks at again and again.

  get role(): Role {
    return roleOf(this.#core);
  }

  get term(): number {
    return this.#core.term;
  }

  get leaderId(): NodeId | null {
    return this.#core.leaderId;
  }

  get transferringTo(): NodeId | null {
    return this.#core.leadership?.transfer?.to ?? null;
  }

  get commitIndex(): number {
    return this.#core.log.commitIndex();
  }

  get servesReads(): boolean {
    return servesReads(this.#core);
  }

  #changedHardState(): HardState | null {
    const { term, vote } = this.#core;
    const isSame = term === this.#handedHardState.term && vote === this.#handedHardState.vote;
    return isSame ? null : { term, vote };
  }
}

/**
 * Brings this node and the message to one term (Raft paper §5.1). Tells whether there is anything
 * left to do: a granted pre-vote and requests for one keep the term they ask about.
 */
function settleTerm<T>(core: Core<T>, message: Message<T>): boolean {
  if (message.term === core.term) return true;
  if (message.term < core.term) {
    answerStale(core, message);
    return false;
  }
  if (message.type === "vote" || message.type === "preVote") {
    if (core.isLeaderAlive() && !message.isTransfer) return false;
    if (message.type === "preVote") return true;
  }
  if (message.type === "preVoteReply" && message.granted) return true;
  core.becomeFollower(message.term, isFromLeader(message) ? message.from : null);
  return true;
}

/**
 * A leader or candidate of an older term learns of ours. Without this a node that has reached a
 * higher term, and is not heard because the leader is alive, could never come back (thesis §9.6):
 * its refusal makes the leader take up the term, and the next election includes it.
 */
function answerStale<T>(core: Core<T>, message: Message<T>): void {
  if (message.type === "vote" || message.type === "preVote") return refuseVote(core, message);
  if (!isFromLeader(message)) return;
  core.send({
    type: "appendReply",
    from: core.id,
    to: message.from,
    term: core.term,
    accepted: false,
    index: 0,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function isFromLeader<T>({ type }: Message<T>): boolean {
  return type === "append" || type === "heartbeat" || type === "snapshot" || type === "timeoutNow";
}
