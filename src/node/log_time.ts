import type { StateMachine } from "../commands/state_machine.ts";
import type { Raft } from "../raft/mod.ts";
import type { Clock } from "./clock.ts";
import { Batch } from "./entry.ts";

/** The leader's part in the log's time: what entries say, and entries that only let it pass. */
export class LogTime {
  readonly #raft: Raft<Batch>;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  /** Of the newest entry that this node proposed. */
  #lastMs = 0;
  #index = 0;

  constructor(raft: Raft<Batch>, machine: StateMachine, clock: Clock) {
    this.#raft = raft;
    this.#machine = machine;
    this.#clock = clock;
  }

  /** The newest entry that only let time pass: reads see what it did to keys. */
  get index(): number {
    return this.#index;
  }

  /** What an entry says that is proposed now. */
  next(): number {
    this.#lastMs = Math.max(this.#lastMs, this.#machine.timeMs, this.#clock.nowMs());
    return this.#lastMs;
  }

  /** For reads: a deadline that has come and that no proposal takes care of yet must be seen. */
  passBeforeRead(): void {
    this.#passIfDue(this.#lastMs);
  }

  /** On an idle cluster keys expire too. @param isBusy proposals of clients let time pass anyway */
  tick(isBusy: boolean): void {
    const isProposed = this.#index > this.#raft.status().appliedIndex;
    if (!isBusy && !isProposed) this.#passIfDue(0);
  }

  /** This node leads no more. */
  forget(): void {
    this.#index = 0;
  }

  /**
   * Lets the log's time pass when a key's deadline has come and nothing else is being written.
   *
   * @param proposedMs the time up to which deadlines are being taken care of already
   */
  #passIfDue(proposedMs: number): void {
    const deadlineMs = this.#machine.nextDeadlineMs();
    if (deadlineMs === null || deadlineMs <= proposedMs) return;
    if (deadlineMs > this.#clock.nowMs()) return;
    this.#index = this.#raft.propose([new Batch(this.next(), [])]) ?? 0;
  }
}
