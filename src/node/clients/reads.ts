import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { ReadState } from "../../raft/types.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import type { Batch } from "../log/entry.ts";
import type { Gathering } from "./batch_pacer.ts";
import { readNotConfirmed, type Request } from "./request.ts";

interface ReadBatch {
  readonly readId: number;
  readonly requests: readonly Request[];
  /** What must be applied whatever the leader says: the writes that these reads come after. */
  indexMin: number;
  /** The newest of this node's own proposals when the reads were taken: later ones come after them. */
  readonly afterProposal: number;
  readonly sinceMs: number;
  /** What must be applied before the reads may be answered; `null` until a quorum confirmed it. */
  index: number | null;
}

/** Reads that wait: for a quorum to confirm that nothing newer exists, then for the state to be there. */
export class ReadQueue {
  /** A round costs the same for any number of reads. */
  readonly isFull = false;
  readonly #gathering: Gathering;
  #open: Request[] = [];
  #batches: ReadBatch[] = [];

  constructor(gathering: Gathering) {
    this.#gathering = gathering;
  }

  /** Whether a round of confirmation begins now for what is open. */
  isDue(): boolean {
    return this.#gathering.isDue(this);
  }

  /** Whether one read more may have made it so. */
  mayBeDue(): boolean {
    return this.#gathering.mayBeDue(this);
  }

  get openCount(): number {
    return this.#open.length;
  }

  get underWayCount(): number {
    let count = 0;
    for (const batch of this.#batches) if (batch.index === null) count++;
    return count;
  }

  /** When the newest batch that waits was asked about. */
  get newestSinceMs(): number {
    return this.#batches.at(-1)?.sinceMs ?? -Infinity;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0 && this.#open.length === 0;
  }

  add(request: Request): void {
    this.#gathering.asked(request.client);
    this.#open.push(request);
  }

  takeOpen(): Request[] {
    const open = this.#open;
    this.#open = [];
    return open;
  }

  wait(batch: Omit<ReadBatch, "index">): void {
    this.#batches.push({ ...batch, index: null });
  }

  /** A quorum confirmed this round, and with it all that were asked earlier. */
  confirm({ readId, index }: ReadState): void {
    for (const batch of this.#batches) {
      if (batch.readId <= readId && batch.index === null) {
        batch.index = Math.max(index, batch.indexMin);
      }
    }
  }

  /** The leader is another one now: it must say anew how far the state has to be. */
  forgetConfirmations(): void {
    for (const batch of this.#batches) {
      batch.index = null;
      batch.indexMin = 0;
    }
  }

  /** Takes the reads that may be answered from the state as of `appliedIndex`, in order. */
  takeReady(appliedIndex: number): Request[] {
    const ready = this.#take((batch) => batch.index !== null && batch.index <= appliedIndex);
    if (ready.length > 0) this.#gathering.answered(ready);
    return ready;
  }

  /**
   * Takes the reads that must be answered before this node's own committed proposal is applied: its
   * commit confirms them, and its writes come after them.
   */
  takeBefore(proposalSequence: number): Request[] {
    return this.#take((batch) => batch.afterProposal < proposalSequence);
  }

  /** Answers all reads that wait, without having executed them. */
  refuseAll(replyTo: (request: Request) => ErrorReply): void {
    for (const request of this.takeOpen()) request.settle(replyTo(request));
    for (const request of this.takeOlderThan(Infinity)) request.settle(replyTo(request));
  }

  /** Takes the reads that came at or before then, asked about or not. */
  takeOlderThan(sinceMs: number): Request[] {
    const isOld = (request?: Request) => request !== undefined && request.sinceMs <= sinceMs;
    // They came in this order, so that hardly ever more than the first is looked at.
    const taken = this.#batches.some(({ requests: [first] }) => isOld(first))
      ? this.takeWhere(isOld)
      : [];
    while (isOld(this.#open[0])) taken.push(this.#open.shift() as Request);
    return taken;
  }

  /** Takes the single reads that fit, out of their batches, and leaves the others waiting. */
  takeWhere(fits: (request: Request) => boolean): Request[] {
    const taken: Request[] = [];
    this.#batches = this.#batches.flatMap((batch) => {
      const left = batch.requests.filter((request) => !fits(request));
      if (left.length === batch.requests.length) return [batch];
      taken.push(...batch.requests.filter(fits));
      return left.length === 0 ? [] : [{ ...batch, requests: left }];
    });
    return taken;
  }

  #take(fits: (batch: ReadBatch) => boolean): Request[] {
    if (!this.#batches.some(fits)) return [];
    const taken: Request[] = [];
    const left: ReadBatch[] = [];
    for (const batch of this.#batches) {
      if (fits(batch)) { for (const request of batch.requests) taken.push(request); }
      else left.push(batch);
    }
    this.#batches = left;
    return taken;
  }
}

export interface ReadAskerOptions {
  readonly raft: Raft<Batch>;
  readonly reads: ReadQueue;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /** How long a read waits for a leader. */
  readonly waitMs: number;
}

/** What the reads of one batch come after, beside what the leader has committed. */
export interface ReadsAfter {
  /** The entry that must be applied whatever the leader says. */
  readonly indexMin: number;
  /** The newest of this node's own proposals. */
  readonly proposal: number;
}

/** Asks the core from which index on reads may be answered, and once more where no answer comes. */
export class ReadAsker {
  readonly #options: ReadAskerOptions;
  #nextReadId = 1;
  #askedMs = -Infinity;
  #isRefused = false;

  constructor(options: ReadAskerOptions) {
    this.#options = options;
  }

  /** Whoever was asked does not lead: asked again at the next tick. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Has these reads wait until a quorum has confirmed them. */
  ask(requests: readonly Request[], { indexMin, proposal }: ReadsAfter): void {
    const sinceMs = this.#options.clock.monotonicMs();
    const readId = this.#ask(sinceMs);
    this.#options.reads.wait({ readId, requests, indexMin, afterProposal: proposal, sinceMs });
  }

  /** Asks once more for all that wait: there is a new leader, or the old one does not answer. */
  repeat(): void {
    this.#isRefused = false;
    const { reads, clock } = this.#options;
    if (reads.underWayCount > 0) this.#ask(clock.monotonicMs());
  }

  refused(): void {
    this.#isRefused = true;
  }

  tick(): void {
    if (this.#isRefused) this.repeat();
  }

  /** Gives up what waits for too long; an answer may be lost, or the leader that was asked. */
  sweep(nowMs: number): void {
    const { reads, heartbeatMs, waitMs } = this.#options;
    for (const request of reads.takeOlderThan(nowMs - waitMs)) {
      request.settle(readNotConfirmed(waitMs));
    }
    if (nowMs - this.#askedMs > 2 * heartbeatMs) this.repeat();
  }

  #ask(nowMs: number): number {
    const readId = this.#nextReadId++;
    this.#options.raft.readIndex(readId);
    this.#askedMs = nowMs;
    return readId;
  }
}
