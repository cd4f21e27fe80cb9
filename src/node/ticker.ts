import type { Cancel, Clock } from "../platform/clock.ts";

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

/** How long one turn may work on the state, before the event loop looks after everybody else. */
export const STATE_MS_MAX = 5;
/** The clock is looked at after so many short steps, a microsecond or so each. */
const STEPS_PER_LOOK = 64;
/** A step that takes as long as many short ones. */
export const LONG_STEP = STEPS_PER_LOOK;

/** How much work on the state one turn of the event loop may still do. */
export class TurnBudget {
  readonly #clock: Clock;
  readonly #msMax: number;
  readonly #stepsMax: number;
  #sinceMs = 0;
  #steps = 0;
  #unlooked = 0;
  #isLeft = true;
  #isResting = false;
  readonly #wake: () => void;

  /**
   * @param stepsMax a step is one request, or `LONG_STEP` for a part of a long one
   * @param wake a rest is over: there is a new budget for the next turn
   */
  constructor(clock: Clock, msMax: number, stepsMax: number, wake: () => void = () => {}) {
    this.#clock = clock;
    this.#msMax = msMax;
    this.#stepsMax = stepsMax;
    this.#wake = wake;
  }

  /** The event loop is looking after others. */
  get isResting(): boolean {
    return this.#isResting;
  }

  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** A turn begins, with a budget of its own unless it is a part of one that rests. */
  begin(nowMs: number): void {
    if (this.#isResting) return;
    this.#sinceMs = nowMs;
    this.#steps = 0;
    this.#unlooked = 0;
    this.#isLeft = true;
  }

  /** Lets the event loop look after others before more is done. */
  rest(): void {
    if (this.#isResting) return;
    this.#isResting = true;
    this.#clock.after(0, () => {
      this.#isResting = false;
      this.#wake();
    });
  }

  /** So many steps were done; tells whether more may be. */
  spend(steps: number): boolean {
    this.#steps += steps;
    this.#unlooked += steps;
    if (this.#steps >= this.#stepsMax) this.#isLeft = false;
    if (this.#unlooked >= STEPS_PER_LOOK && this.#isLeft) {
      this.#unlooked = 0;
      this.#isLeft = this.#clock.monotonicMs() - this.#sinceMs < this.#msMax;
    }
    return this.#isLeft;
  }
}
