import type { Cancel, Clock } from "./clock.ts";

/**
 * The longest sleep, and so many ticks are counted at once when the event loop was late, or the whole
 * machine stood still: what others have sent meanwhile has yet to be read, or to be sent, and must
 * not start elections.
 */
export const SLEEP_TICKS_MAX = 3;

export interface TickerOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  /** Called for each tick that has passed. */
  readonly tick: () => void;
  /** It is time to look again. */
  readonly wake: () => void;
}

/**
 * Counts the time that has passed, in ticks, whenever it is asked to, and wakes its owner when the next
 * tick matters, or a few are over. A node that woke up for every tick would spend more on that than on
 * all else while nobody asks it anything.
 */
export class Ticker {
  readonly #options: TickerOptions;
  /** The ticks up to here are counted. */
  #countedMs: number;
  /** When the timer is to go off; `Infinity`: none is set. */
  #timerMs = Infinity;
  #cancelTimer: Cancel | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#countedMs = options.clock.monotonicMs();
  }

  /** Counts what has passed. */
  catchUp(): void {
    const { clock, tickMs, tick } = this.#options;
    const passed = Math.floor((clock.monotonicMs() - this.#countedMs) / tickMs);
    if (passed <= 0) return;
    this.#countedMs += passed * tickMs;
    const counted = Math.min(passed, SLEEP_TICKS_MAX);
    for (let count = 0; count < counted; count++) tick();
  }

  /** Wakes the owner when so many more ticks have passed, or earlier. */
  sleep(ticks: number): void {
    const { clock, tickMs, wake } = this.#options;
    const wakeMs = this.#countedMs + Math.min(ticks, SLEEP_TICKS_MAX) * tickMs;
    if (wakeMs >= this.#timerMs) return;
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
