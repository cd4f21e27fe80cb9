import type { Raft } from "../raft/mod.ts";
import type { Clock } from "./clock.ts";
import type { Batch } from "./entry.ts";
import type { ReadQueue } from "./read_queue.ts";
import { readNotConfirmed } from "./refusals.ts";
import type { Request } from "./request.ts";

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
