import { assert } from "../base/errors.ts";
import type { Cancel, Clock } from "../platform/clock.ts";

interface Delayed {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Delays actions, and keeps them in order. */
export class DelayLine {
  readonly #clock: Clock;
  #waiting: Delayed[] = [];
  #cancelTimer: Cancel | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Number of actions waiting. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Runs the action after this delay, and after all actions added before it. */
  add(delayMs: number, run: () => void): void {
    const last = this.#waiting.at(-1)?.dueMs ?? -Infinity;
    this.#waiting.push({ dueMs: Math.max(last, this.#clock.monotonicMs() + delayMs), run });
    if (this.#cancelTimer === null) this.#schedule();
  }

  /** Runs all waiting actions now. */
  release(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const { run } of this.#waiting.splice(0)) run();
  }

  #schedule(): void {
    const [next] = this.#waiting;
    assert(next !== undefined, "Nothing waits for its time");
    const delayMs = Math.max(0, next.dueMs - this.#clock.monotonicMs());
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#runDue());
  }

  #runDue(): void {
    this.#cancelTimer = null;
    const nowMs = this.#clock.monotonicMs();
    const later = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
    if (this.#waiting.length > 0) this.#schedule();
    for (const { run } of due) run();
  }
}
