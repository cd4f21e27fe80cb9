import type { Cancel, Clock } from "./clock.ts";

/** Ticks made up for at once when the event loop was late: a late loop must not start elections. */
export const LATE_TICKS_MAX = 3;

export interface TickerOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  /** Called for each tick that has passed. */
  readonly tick: () => void;
  /** It is time to look again. */
  readonly wake: () => void;
}

/**
 * Counts the time that has passed, in ticks, whenever it is asked to, and wakes its owner when so many
 * are over that the next one matters. A node that woke up for every tick would spend more on that
 * than on all else while nobody asks it anything.
 */
export class Ticker {
  readonly #options: TickerOptions;
  /** The ticks up to here are counted. */
  #countedMs: number;
  /** So many more were to pass before anybody looks: to find that they did is no surprise. */
  #expected = 0;
  /** When the timer is to go off; `Infinity`: none is set. */
  #timerMs = Infinity;
  #cancelTimer: Cancel | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#countedMs = options.clock.monotonicMs();
  }

  /**
   * Counts what has passed. Of more than was expected, only a few: the loop was late, and what others
   * have sent meanwhile has yet to be read.
   */
  catchUp(): void {
    const { clock, tickMs, tick } = this.#options;
    const passed = Math.floor((clock.monotonicMs() - this.#countedMs) / tickMs);
    if (passed <= 0) return;
    this.#countedMs += passed * tickMs;
    const counted = Math.min(passed, Math.max(this.#expected, LATE_TICKS_MAX));
    this.#expected = Math.max(0, this.#expected - counted);
    for (let count = 0; count < counted; count++) tick();
  }

  /** Wakes the owner when so many more ticks have passed, or earlier. */
  sleep(ticks: number): void {
    const { clock, tickMs, wake } = this.#options;
    const wakeMs = Math.min(this.#timerMs, this.#countedMs + ticks * tickMs);
    this.#expected = Math.ceil((wakeMs - this.#countedMs) / tickMs);
    if (wakeMs === this.#timerMs) return;
    this.#cancelTimer?.();
    this.#timerMs = wakeMs;
    const delayMs = Math.max(1, Math.ceil(wakeMs - clock.monotonicMs()));
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#timerMs = Infinity;
      wake();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
  }
}
