import type { Cancel, Clock } from "../../../src/platform/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A clock that moves only when a test moves it. Due timers run in order of time, then of creation.
 */
export class ManualClock implements Clock {
  /** Difference between the wall clock and the monotonic clock. */
  wallOffsetMs = 1_700_000_000_000;
  #nowMs = 0;
  #order = 0;
  #timers: Timer[] = [];
  #soon: (() => void)[] = [];

  nowMs(): number {
    return this.wallOffsetMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = { atMs: this.#nowMs + delayMs, order: this.#order++, run };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((one) => one !== timer);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs due timers, and advances the time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      this.settle();
      const next = this.#next(untilMs);
      if (next === null) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }

  /** Advances the time without running timers, as if the process had been suspended. */
  leap(ms: number): void {
    this.#nowMs += ms;
  }

  /** Runs everything that was scheduled by `soon`, and what that schedules. */
  settle(): void {
    for (let run = this.#soon.shift(); run !== undefined; run = this.#soon.shift()) run();
  }

  #next(untilMs: number): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue;
      const isEarlier = next === null || timer.atMs < next.atMs ||
        (timer.atMs === next.atMs && timer.order < next.order);
      if (isEarlier) next = timer;
    }
    return next;
  }
}
