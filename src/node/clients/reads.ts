import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { ReadState } from "../../raft/types.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import type { Batch } from "../log/entry.ts";
import type { BatchPacer } from "./batch_pacer.ts";
import { readNotConfirmed, type Request } from "./request.ts";

interface ReadBatch {
  readonly readId: number;
  readonly requests: readonly Request[];
  /**
   * Index of the last write that these reads follow. It must be applied before the reads are
   * answered, even if the leader's read index is lower.
   */
  indexMin: number;
  /**
   * Sequence of this node's newest proposal when the reads were taken. Later proposals come after
   * the reads.
   */
  readonly afterProposal: number;
  readonly sinceMs: number;
  /**
   * Index that must be applied before the reads are answered; `null` until a quorum confirmed it.
   */
  index: number | null;
}

/** Reads waiting for a quorum to confirm the read index, and then for the state to reach it. */
export class ReadQueue {
  /** Never full: a round costs the same for any number of reads. */
  readonly isFull = false;
  readonly #pacer: BatchPacer;
  #open: Request[] = [];
  #batches: ReadBatch[] = [];

  constructor(pacer: BatchPacer) {
    this.#pacer = pacer;
  }

  /** Whether to start a ReadIndex round for the open reads now. */
  isDue(): boolean {
    return this.#pacer.isDue(this);
  }

  /** Whether one more read may have made the round due. */
  mayBeDue(): boolean {
    return this.#pacer.mayBeDue(this);
  }

  get openCount(): number {
    return this.#open.length;
  }

  get batchesInFlight(): number {
    let count = 0;
    for (const batch of this.#batches) if (batch.index === null) count++;
    return count;
  }

  /** Number of reads, whether or not their round has started. */
  get requestCount(): number {
    return this.#batches.reduce((sum, { requests }) => sum + requests.length, this.#open.length);
  }

  /** Monotonic time at which the newest waiting batch asked for its read index. */
  get newestSentMs(): number {
    return this.#batches.at(-1)?.sinceMs ?? -Infinity;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0 && this.#open.length === 0;
  }

  add(request: Request): void {
    this.#pacer.noteRequest(request.client);
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

  /** A quorum has confirmed this round, and with it all earlier ones. */
  confirm({ readId, index }: ReadState): void {
    for (const batch of this.#batches) {
      if (batch.readId <= readId && batch.index === null) {
        batch.index = Math.max(index, batch.indexMin);
      }
    }
  }

  /** Drops all confirmations: the new leader must give its own read index. */
  forgetConfirmations(): void {
    for (const batch of this.#batches) {
      batch.index = null;
      batch.indexMin = 0;
    }
  }

  /** Takes the reads that can be answered from the state at `appliedIndex`, in order. */
  takeReady(appliedIndex: number): Request[] {
    const ready = this.#take((batch) => batch.index !== null && batch.index <= appliedIndex);
    if (ready.length > 0) this.#pacer.noteAnswers(ready);
    return ready;
  }

  /**
   * Takes the reads to answer before this node's own committed proposal is applied. The commit
   * confirms them, and the proposal's writes follow them.
   */
  takeBefore(proposalSequence: number): Request[] {
    return this.#take((batch) => batch.afterProposal < proposalSequence);
  }

  /** Refuses all waiting reads. */
  refuseAll(replyTo: (request: Request) => ErrorReply): void {
    for (const request of this.takeOpen()) request.settle(replyTo(request));
    for (const request of this.takeOlderThan(Infinity)) request.settle(replyTo(request));
  }

  /**
   * Takes the reads that arrived at or before this time, whether or not their round has started.
   */
  takeOlderThan(sinceMs: number): Request[] {
    const isOld = (request?: Request) => request !== undefined && request.sinceMs <= sinceMs;
    // Batches are in order of arrival, so the scan mostly ends at the first.
    const taken = this.#batches.some(({ requests: [first] }) => isOld(first))
      ? this.takeWhere(isOld)
      : [];
    while (isOld(this.#open[0])) taken.push(this.#open.shift() as Request);
    return taken;
  }

  /** Takes the matching reads out of their batches. The other reads keep waiting. */
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
  /** How long a read waits for a leader, in milliseconds. */
  readonly waitMs: number;
}

/** What the reads of one batch must see, besides what the leader has committed. */
export interface ReadsAfter {
  /** Index of the entry that must be applied, even if the leader's read index is lower. */
  readonly indexMin: number;
  /** Sequence of this node's newest proposal. */
  readonly proposal: number;
}

/** Asks the core for read indexes, and asks again when no answer comes. */
export class ReadAsker {
  readonly #options: ReadAskerOptions;
  #nextReadId = 1;
  #askedMs = -Infinity;
  #isRefused = false;

  constructor(options: ReadAskerOptions) {
    this.#options = options;
  }

  /** The node that was asked does not lead. The next tick asks again. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Makes these reads wait until a quorum confirms them. */
  ask(requests: readonly Request[], { indexMin, proposal }: ReadsAfter): void {
    const sinceMs = this.#options.clock.monotonicMs();
    const readId = this.#ask(sinceMs);
    this.#options.reads.wait({ readId, requests, indexMin, afterProposal: proposal, sinceMs });
  }

  /** Asks again for all waiting reads: there is a new leader, or the old one did not answer. */
  repeat(): void {
    this.#isRefused = false;
    const { reads, clock } = this.#options;
    if (reads.batchesInFlight > 0) this.#ask(clock.monotonicMs());
  }

  noteRefusal(): void {
    this.#isRefused = true;
  }

  tick(): void {
    if (this.#isRefused) this.repeat();
  }

  /** Refuses reads that have waited too long. Asks again in case the last request was lost. */
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
