import type { Cancel, Clock } from "../platform/clock.ts";

/**
 * Maximum number of ticks in one sleep, and of ticks counted at once. After the event loop was late
 * or the machine was suspended, messages from the others are still unread or unsent. Counting all
 * of that time would start needless elections.
 */
export const SLEEP_TICKS_MAX = 3;

export interface TickerOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  /** Called once per elapsed tick. */
  readonly tick: () => void;
  /** Called when the next tick that matters is due. */
  readonly wake: () => void;
}

/**
 * Counts elapsed time in ticks when asked to, and wakes its owner when the next tick that matters
 * is due. It does not set a timer for every tick: those would be most of the work of an idle node.
 */
export class Ticker {
  readonly #options: TickerOptions;
  /** Monotonic time up to which ticks are counted. */
  #countedMs: number;
  /** When the timer fires; `Infinity` when none is set. */
  #timerMs = Infinity;
  #cancelTimer: Cancel | null = null;

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#countedMs = options.clock.monotonicMs();
  }

  /** Counts the ticks elapsed since the last call. */
  catchUp(): void {
    const { clock, tickMs, tick } = this.#options;
    const passed = Math.floor((clock.monotonicMs() - this.#countedMs) / tickMs);
    if (passed <= 0) return;
    this.#countedMs += passed * tickMs;
    const counted = Math.min(passed, SLEEP_TICKS_MAX);
    for (let count = 0; count < counted; count++) tick();
  }

  /** Wakes the owner after this many more ticks, or earlier. */
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

/** Maximum time per turn of the event loop for work on the state, in milliseconds. */
export const STATE_MS_MAX = 5;
/** Number of short steps, of about 1 µs each, between two checks of the time. */
const STEPS_PER_CHECK = 64;
/** Cost of a long step, in short steps. */
export const LONG_STEP = STEPS_PER_CHECK;

/** Bounds the work on the state that one turn of the event loop does. */
export class TurnBudget {
  readonly #clock: Clock;
  readonly #msMax: number;
  readonly #stepsMax: number;
  #sinceMs = 0;
  #steps = 0;
  /** Steps done since the last check of the time. */
  #uncheckedSteps = 0;
  #isLeft = true;
  #isResting = false;
  readonly #wake: () => void;

  /**
   * @param stepsMax maximum number of steps in a turn; a step is one request, a part of a long
   * request costs `LONG_STEP`
   * @param wake called after a rest, when the next turn has a new budget
   */
  constructor(clock: Clock, msMax: number, stepsMax: number, wake: () => void = () => {}) {
    this.#clock = clock;
    this.#msMax = msMax;
    this.#stepsMax = stepsMax;
    this.#wake = wake;
  }

  /** Whether the event loop is serving others before the work goes on. */
  get isResting(): boolean {
    return this.#isResting;
  }

  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Starts a turn with a new budget, except during a rest. */
  begin(nowMs: number): void {
    if (this.#isResting) return;
    this.#sinceMs = nowMs;
    this.#steps = 0;
    this.#uncheckedSteps = 0;
    this.#isLeft = true;
  }

  /** Lets the event loop serve others before the work goes on. */
  rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#clock.after(0, () => {
      this.#isResting = false;
      this.#wake();
    });
  }

  /** Counts steps done. Returns whether more may be done in this turn. */
  spend(steps: number): boolean {
    this.#steps += steps;
    this.#uncheckedSteps += steps;
    if (this.#steps >= this.#stepsMax) this.#isLeft = false;
    if (this.#uncheckedSteps >= STEPS_PER_CHECK && this.#isLeft) {
      this.#uncheckedSteps = 0;
      this.#isLeft = this.#clock.monotonicMs() - this.#sinceMs < this.#msMax;
    }
    return this.#isLeft;
  }
}
