import type { Clock } from "../platform/clock.ts";
import { wait } from "./waits.ts";

/** The longest time, in milliseconds, for which unused tokens are kept. */
const BURST_MS = 100;

/** Limits a rate, for example of bytes per second. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** When the tokens that were taken so far are earned, on the monotonic clock. */
  #paidMs = -Infinity;

  /** @param perSecond tokens per second; `Infinity` for no limit */
  constructor(clock: Clock, perSecond: number) {
    if (!(perSecond > 0)) {
      throw new RangeError(`Cannot limit a rate to ${perSecond} per second: expected above 0`);
    }
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Takes tokens, and resolves when they are earned, or as soon as the signal is aborted. */
  async take(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === Infinity) return;
    const nowMs = this.#clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + count / this.#perSecond * 1_000;
    if (this.#paidMs > nowMs) await wait(this.#clock, this.#paidMs - nowMs, signal);
  }
}
