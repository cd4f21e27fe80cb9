import { assert } from "../base/assert.ts";
import { Core } from "./core.ts";
import {
  answerVoteRequest,
  campaign,
  countOwnVote,
  refuseVote,
  repeatVoteRequests,
} from "./election.ts";
import { advanceCommit, appendProposals, hasCommittedInTerm, tickLeader } from "./leader.ts";
import { isPossible } from "./message_guard.ts";
import type { RaftOptions } from "./options.ts";
import { flushLeader, hasLeaderWork } from "./replication.ts";
import { type RaftStatus, raftStatus } from "./status.ts";
import { stepCandidate } from "./step_candidate.ts";
import { stepFollower } from "./step_follower.ts";
import { addRead, stepLeader } from "./step_leader.ts";
import type { HardState, Message, NodeId, Ready } from "./types.ts";

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
      campaign(core);
    } else if (
      core.role !== "follower" && core.electionElapsed % core.options.heartbeatTicks === 0
    ) {
      repeatVoteRequests(core);
    }
  }

  /**
   * Takes a message from a peer. It may be late, repeated or out of order; one that is not from a
   * voter to this node, or that cannot mean anything, is ignored.
   */
  step(message: Message<T>): void {
    const core = this.#core;
    if (message.to !== core.id || !core.peers.includes(message.from)) return;
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
   * Appends to the log, one entry for each of `data`, of which there is at least one.
   *
   * @returns the index of the first, or `null` on a node that does not lead: nothing has happened
   */
  propose(data: readonly T[]): number | null {
    assert(data.length > 0, "a proposal is of something");
    if (this.#core.role !== "leader") return null;
    return appendProposals(this.#core, data);
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
      core.reads.length > 0 || core.refusedReads.length > 0 ||
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
      entries: core.log.handOut(this.#sequence),
      messages: core.messages,
      messagesAfterPersist: core.messagesAfterPersist,
      committed: core.log.takeCommitted(core.options.committedBytesMax),
      reads: core.reads,
      refusedReads: core.refusedReads,
    };
    core.messages = [];
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
    return raftStatus(this.#core, hasCommittedInTerm(this.#core));
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
    if (core.isLeaderAlive()) return false;
    if (message.type === "preVote") return true;
  }
  if (message.type === "preVoteReply" && message.granted) return true;
  const isFromLeader = message.type === "append" || message.type === "heartbeat";
  core.becomeFollower(message.term, isFromLeader ? message.from : null);
  return true;
}

/**
 * A leader or candidate of an older term learns of ours. Without this a node that has reached a
 * higher term, and is not heard because the leader is alive, could never come back (thesis §9.6):
 * its refusal makes the leader take up the term, and the next election includes it.
 */
function answerStale<T>(core: Core<T>, message: Message<T>): void {
  if (message.type === "vote" || message.type === "preVote") return refuseVote(core, message);
  if (message.type !== "append" && message.type !== "heartbeat") return;
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
