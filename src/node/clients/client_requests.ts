import { assert } from "../../base/errors.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { Cancel, Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId, Ready } from "../../raft/types.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import type { Batch } from "../log/entry.ts";
import type { MemberAddresses } from "../members/addresses.ts";
import type { CatchUp } from "../members/catch_up.ts";
import type { Membership } from "../members/membership.ts";
import type { MachineUpgrade } from "../members/versions.ts";
import type { OwnDisk } from "../own_disk.ts";
import type { TurnBudget } from "../ticker.ts";
import type { LogTime } from "../time/log_time.ts";
import type { Applier } from "./applier.ts";
import type { Proposals } from "./proposals.ts";
import type { ReadAsker, ReadQueue } from "./reads.ts";
import {
  CATCHING_UP,
  isKnownAt,
  LEADER_CHANGED,
  OUTCOME_UNKNOWN,
  readNotConfirmed,
  type Request,
  slotOf,
  STOPPING,
  TOO_MUCH_IN_FLIGHT,
  tooNew,
  WRITE_NOT_BEGUN,
  WRITE_NOT_CONFIRMED,
} from "./request.ts";

/**
 * Keeps requests that arrive while leadership moves to another node. They were not executed, and
 * wait until their new target is known.
 */
class HandoverQueue {
  #requests: Request[] = [];
  #untilMs = -Infinity;

  /** Starts to keep requests: this node has handed leadership over. */
  begin(requests: readonly Request[], untilMs: number): void {
    this.#requests.push(...requests);
    this.#untilMs = untilMs;
  }

  /** Whether to keep requests rather than refuse them while no leader is known. */
  isInProgress(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }

  add(request: Request): void {
    if (request.isWrite) request.client.openWrites++;
    this.#requests.push(request);
  }

  get count(): number {
    return this.#requests.length;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Takes the requests that arrived at or before this time. */
  takeOlderThan(sinceMs: number): Request[] {
    const taken = this.#requests.filter((request) => request.sinceMs <= sinceMs);
    if (taken.length > 0) {
      this.#requests = this.#requests.filter((request) => request.sinceMs > sinceMs);
    }
    return taken;
  }

  /** Ends the handover. */
  takeAll(): Request[] {
    this.#untilMs = -Infinity;
    return this.#requests.splice(0);
  }
}

interface Waiter {
  /** Index to replicate; `null` until all writes taken before the wait are in the log. */
  index: number | null;
  readonly count: number;
  deadlineMs: number;
  readonly done: (count: number) => void;
}

/** How far a member's log is durable and matches the leader's. */
interface PeerProgress {
  readonly id: NodeId;
  readonly match: number;
}

/** Callers waiting until N other members hold everything written so far (`WAIT`). */
export class ReplicationWaiters {
  #waiters: Waiter[] = [];

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  get count(): number {
    return this.#waiters.length;
  }

  /** Whether a waiter depends on the passing of time. */
  get hasDeadline(): boolean {
    return this.#waiters.some(({ index, deadlineMs }) => index === null || deadlineMs < Infinity);
  }

  /**
   * @param deadlineMs `Infinity`: no deadline
   * @returns ends the wait at the next `check`
   */
  add(count: number, deadlineMs: number, done: (count: number) => void): Cancel {
    const waiter: Waiter = { index: null, count, deadlineMs, done };
    this.#waiters.push(waiter);
    return () => waiter.deadlineMs = -Infinity;
  }

  /** All writes taken from clients so far are in the log, up to this index. */
  noteLogged(lastIndex: number): void {
    for (const waiter of this.#waiters) waiter.index ??= lastIndex;
  }

  /** Answers waiters whose count or deadline is reached, and all of them when not leading. */
  check(peers: readonly PeerProgress[], isLeader: boolean, nowMs: number): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      const { index, count, deadlineMs, done } = waiter;
      const held = index === null ? 0 : peers.filter(({ match }) => match >= index).length;
      const isWaiting = isLeader && nowMs < deadlineMs && (index === null || held < count);
      if (!isWaiting) done(held);
      return isWaiting;
    });
  }
}

export interface ClientRequestsOptions {
  readonly raft: Raft<Batch>;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly proposals: Proposals;
  readonly reads: ReadQueue;
  readonly asker: ReadAsker;
  readonly applier: Applier;
  readonly budget: TurnBudget;
  readonly time: LogTime;
  readonly catchUp: CatchUp;
  readonly addresses: MemberAddresses;
  /** The next three may hold back writes. */
  readonly membership: Pick<Membership, "holdsWrites">;
  readonly upgrade: Pick<MachineUpgrade, "holdsWrites">;
  readonly ownDisk: Pick<OwnDisk, "holdsWrites">;
  readonly electionMs: number;
  /** Maximum time before a request is answered, executed or not, in milliseconds. */
  readonly waitMs: number;
  /** Bytes of writes in flight above which new writes are refused. */
  readonly inFlightBytesMax: number;
  /** Asks for another turn. */
  readonly schedule: () => void;
}

/**
 * Takes, refuses or redirects the clients' requests, hands them to the core in batches, and makes
 * sure that each is answered in time, whoever leads.
 */
export class ClientRequests {
  readonly #options: ClientRequestsOptions;
  readonly #raft: Raft<Batch>;
  readonly #proposals: Proposals;
  readonly #reads: ReadQueue;
  readonly #asker: ReadAsker;
  readonly #time: LogTime;
  readonly #handover = new HandoverQueue();
  readonly #waiters = new ReplicationWaiters();
  #isLeader = false;
  #leaderId: NodeId | null = null;
  #isRemoved = false;
  #isStopped = false;
  /** When the requests of this turn arrived; `null` before the first of them. */
  #arrivalMs: number | null = null;

  constructor(options: ClientRequestsOptions) {
    this.#options = options;
    this.#raft = options.raft;
    this.#proposals = options.proposals;
    this.#reads = options.reads;
    this.#asker = options.asker;
    this.#time = options.time;
  }

  /** Takes a read or a write. Its sink gets the reply, perhaps before this returns. */
  submit(request: Request): void {
    // Refusals go to the sink itself: `Request.settle` would take a write from the client's
    // `openWrites` that was not added to them.
    if (this.#isStopped) return request.sink.settle(STOPPING);
    request.sinceMs = this.#arrivalMs ??= this.#options.clock.monotonicMs();
    const mayWait = request.isWrite ? !this.#isLeader : this.#isRemoved && !this.#isLeader;
    if (mayWait && this.#leaderId === null && this.#isHandingOver) {
      this.#handover.add(request);
    } else if (this.#isRemoved && !this.#isLeader) {
      return request.sink.settle(this.redirect(slotOf(request)));
    } else if (!request.isWrite) {
      if (this.#isLeader && request.client.openWrites > 0) {
        this.#proposals.addReadAfterWrite(request);
      } else return this.#addRead(request);
    } else if (!this.#isLeader) {
      return request.sink.settle(this.redirect(slotOf(request)));
    } else if (!isKnown(this.#options.machine, request)) {
      return request.sink.settle(tooNew(request, this.#options.machine.version));
    } else if (this.#proposals.bytes > this.#options.inFlightBytesMax) {
      return request.sink.settle(TOO_MUCH_IN_FLIGHT);
    } else {
      this.#proposals.addWrite(request);
      if (!this.#proposals.mayBeDue()) return;
    }
    this.#options.schedule();
  }

  #addRead(request: Request): void {
    if (this.#refusesReads) return request.sink.settle(CATCHING_UP);
    this.#reads.add(request);
    if (this.#reads.mayBeDue()) this.#options.schedule();
  }

  /** Without a leader, reads wait: no other node could answer them. */
  get #refusesReads(): boolean {
    const { catchUp, clock } = this.#options;
    // Checked first: reading the clock takes longer.
    if (this.#leaderId === null || !catchUp.isBehind) return false;
    return catchUp.refusesReads(clock.monotonicMs());
  }

  /** Whether leadership is moving to another node, so that requests are kept for now. */
  get #isHandingOver(): boolean {
    return this.#handover.isInProgress(this.#options.clock.monotonicMs());
  }

  /** The refusal of a request that only the leader can take, for this slot. */
  redirect(slot: number): ErrorReply {
    return this.#options.addresses.redirect(slot, this.#isRemoved);
  }

  /** See `Node.whenReplicated`. */
  whenReplicated(count: number, timeoutMs: number, done: (count: number) => void): Cancel {
    const { clock, schedule } = this.#options;
    const deadlineMs = timeoutMs === 0 ? Infinity : clock.monotonicMs() + timeoutMs;
    const cancel = this.#waiters.add(count, deadlineMs, done);
    if (this.#isStopped) this.#checkWaiters(false);
    schedule();
    return () => {
      cancel();
      schedule();
    };
  }

  /** Number of open `whenReplicated` calls. */
  get waitingCount(): number {
    return this.#waiters.count;
  }

  /** Number of reads and writes taken and not executed yet, for the report. */
  get queuedCount(): number {
    return this.#handover.count + this.#proposals.requestCount + this.#reads.requestCount;
  }

  /** Whether clients' writes are in flight. */
  get hasProposals(): boolean {
    return this.#proposals.batchesInFlight > 0;
  }

  get hasReads(): boolean {
    return !this.#reads.isEmpty;
  }

  /** Whether a request depends on the passing of time, so that the node must wake at each tick. */
  get isUrgent(): boolean {
    return this.#asker.isRefused || this.#waiters.hasDeadline || !this.#handover.isEmpty;
  }

  // In each turn

  /** Starts a turn: later requests get a later time of arrival. */
  begin(): void {
    this.#arrivalMs = null;
  }

  /**
   * Redirects the requests that waited for the next leader, or refuses them once they waited too
   * long.
   */
  endHandover(): void {
    if (this.#handover.isEmpty) return;
    if (this.#options.addresses.leader() === null && this.#isHandingOver) return;
    for (const request of this.#handover.takeAll()) {
      request.settle(this.#isLeader ? LEADER_CHANGED : this.redirect(slotOf(request)));
    }
  }

  /** Hands the collected requests to the core, as far as the pipeline has room. */
  seal(): void {
    if (this.#isLeader) this.#sealWrites();
    this.#sealReads();
  }

  #sealWrites(): void {
    const reads = this.#proposals.takeReadsOnly();
    const { term } = this.#raft;
    if (reads.length > 0) this.#await(reads, this.#proposals.lastIndexIn(term));
    if (this.#proposals.openWriteCount === 0) return;
    const { membership, upgrade, ownDisk, clock } = this.#options;
    if (membership.holdsWrites || upgrade.holdsWrites || ownDisk.holdsWrites) return;
    if (!this.#proposals.isDue()) return;
    // Reads that came before these writes must be registered before the proposal.
    this.#sealReads(true);
    const sealed = this.#proposals.sealOpen(this.#time.next());
    const index = this.#raft.propose([sealed.batch]);
    assert(index !== null, "the leader's core refused a proposal");
    this.#proposals.noteProposed(index, term, sealed, clock.monotonicMs());
  }

  /**
   * @param isForced seals at once, since a later write of the same client is about to be proposed
   */
  #sealReads(isForced = false): void {
    if (this.#reads.openCount === 0) return;
    if (!isForced && !this.#reads.isDue()) return;
    if (this.#isLeader) this.#time.passBeforeRead();
    this.#await(this.#reads.takeOpen(), this.#time.timeEntryIndex);
  }

  #await(requests: readonly Request[], indexMin: number): void {
    this.#asker.ask(requests, { indexMin, proposal: this.#proposals.lastSequence });
  }

  /** Takes the core's answers: read indexes, and reads refused without one. */
  confirm({ reads, refusedReads }: Ready<Batch>): void {
    for (const read of reads) this.#reads.confirm(read);
    if (refusedReads.length > 0) this.#asker.noteRefusal();
  }

  /** Hands the reads whose index is applied to the applier, which answers them. */
  answerReads(): void {
    const { applier, budget, schedule } = this.#options;
    if (this.#reads.isEmpty || applier.isBusy || !budget.isLeft) return;
    const ready = this.#reads.takeReady(applier.last.index);
    if (ready.length > 0) applier.executeReads(ready);
    const { openCount, batchesInFlight } = this.#reads;
    if (ready.length > 0 && openCount > 0 && batchesInFlight === 0) schedule();
  }

  checkWaiters(): void {
    if (!this.#waiters.isEmpty) this.#checkWaiters(this.#isLeader);
  }

  /** @param mayWait if false, all waiters are answered with what is replicated so far */
  #checkWaiters(mayWait: boolean): void {
    const { peers, lastIndex } = this.#raft.status();
    if (this.#proposals.openWriteCount === 0) this.#waiters.noteLogged(lastIndex);
    this.#waiters.check(peers, mayWait, this.#options.clock.monotonicMs());
  }

  // When the role changes, time passes, or the node stops

  noteRole(isLeader: boolean, leaderId: NodeId | null): void {
    this.#isLeader = isLeader;
    this.#leaderId = leaderId;
  }

  /** A leader is known: asks it for the indexes of the waiting reads. */
  askAgain(): void {
    this.#asker.repeat();
  }

  /** Leadership has ended: answers the requests that were not proposed. */
  endLeadership(isHandingOver: boolean): void {
    const open = this.#proposals.takeOpen();
    if (isHandingOver) {
      const { clock, electionMs } = this.#options;
      const untilMs = clock.monotonicMs() + 2 * electionMs;
      this.#handover.begin(open.filter(({ isWrite }) => isWrite), untilMs);
    }
    for (const request of open) {
      if (request.isWrite && isHandingOver) continue;
      request.settle(request.isWrite ? this.redirect(slotOf(request)) : LEADER_CHANGED);
    }
    // Other reads get their index from the next leader. These follow writes that may be lost.
    const hasWrites = ({ client }: Request) => client.openWrites > 0;
    for (const request of this.#reads.takeWhere(hasWrites)) request.settle(LEADER_CHANGED);
    this.#reads.forgetConfirmations();
  }

  /** This node is no longer a member: from now on it only redirects its clients. */
  noteRemoved(): void {
    const { clock, electionMs } = this.#options;
    this.#isRemoved = true;
    this.#handover.begin([], clock.monotonicMs() + electionMs);
    this.#reads.refuseAll((request) => this.redirect(slotOf(request)));
  }

  /** Called once per tick of the core. */
  tick(): void {
    this.#asker.tick();
  }

  /** Answers requests that have waited too long. */
  sweep(nowMs: number): void {
    const { waitMs } = this.#options;
    const tooOldMs = nowMs - waitMs;
    this.#proposals.giveUp(tooOldMs, this.#isLeader ? WRITE_NOT_CONFIRMED : OUTCOME_UNKNOWN);
    for (const request of this.#proposals.takeOpenOlderThan(tooOldMs)) {
      request.settle(request.isWrite ? WRITE_NOT_BEGUN : readNotConfirmed(waitMs));
    }
    for (const request of this.#handover.takeOlderThan(tooOldMs)) {
      request.settle(this.redirect(slotOf(request)));
    }
    if (this.#refusesReads) this.#reads.refuseAll(() => CATCHING_UP);
    this.#asker.sweep(nowMs);
  }

  /** Answers all requests when the node stops. */
  stop(): void {
    this.#isStopped = true;
    this.#proposals.giveUp(Infinity, OUTCOME_UNKNOWN);
    for (const request of this.#handover.takeAll()) request.settle(STOPPING);
    for (const request of this.#proposals.takeOpen()) request.settle(STOPPING);
    this.#reads.refuseAll(() => STOPPING);
    this.#checkWaiters(false);
  }
}

/** Whether the cluster's machine version knows this write. */
function isKnown(machine: StateMachine, request: Request): boolean {
  return machine.version >= machine.versions.newest || isKnownAt(machine.version, request);
}
