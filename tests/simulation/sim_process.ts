import type { Random } from "../../src/base/random.ts";
import type { Cancel, Clock } from "../../src/platform/clock.ts";
import type { Scheduler } from "./scheduler.ts";

/** The clocks of one machine; they outlive its processes. */
export class HostClock {
  /** Difference between the wall clock and simulated time. It may jump. */
  wallOffsetMs: number;
  /** Speed of both clocks; 1 is right. */
  readonly rate: number;

  constructor(wallOffsetMs: number, rate: number) {
    this.wallOffsetMs = wallOffsetMs;
    this.rate = rate;
  }

  /** The time that the wall clock shows, with fractions. @param nowMs simulated time */
  wallMs(nowMs: number): number {
    return this.wallOffsetMs + nowMs * this.rate;
  }
}

export interface SimProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly hostClock: HostClock;
  /**
   * Probability that a task scheduled by `soon` waits for further events, 0 … 1; in reality it is
   * 0.
   */
  readonly laziness: number;
  /** Called with an exception that would have ended the process. */
  readonly onException: (error: unknown) => void;
}

/**
 * One life of a simulated process. Everything that happens to it goes through `run`, which does
 * nothing for a dead process, and waits while the process is suspended.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #options: SimProcessOptions;
  readonly #backlog: (() => void)[] = [];
  #soon: (() => void)[] = [];
  #isPaused = false;
  #isAlive = true;
  #isRunning = false;
  readonly #ends: (() => void)[] = [];
  readonly #startMs: number;
  #pausedSinceMs = 0;
  #pausedMs = 0;

  constructor(options: SimProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.#startMs = options.scheduler.nowMs;
    this.clock = this.#makeClock();
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** How long it has run without being suspended, by its own clock. */
  get ranMs(): number {
    const { scheduler, hostClock } = this.#options;
    const untilMs = this.#isPaused ? this.#pausedSinceMs : scheduler.nowMs;
    return (untilMs - this.#startMs - this.#pausedMs) * hostClock.rate;
  }

  /** Runs work in the process, now or when it resumes. */
  run(work: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isPaused || this.#isRunning) {
      this.#backlog.push(work);
      return;
    }
    this.#isRunning = true;
    this.#try(work);
    const { random, laziness, scheduler } = this.#options;
    if (laziness > 0 && this.#soon.length > 0 && random() < laziness) {
      scheduler.after(random() * 2, () => this.run(() => {}));
    } else this.#settle();
    this.#isRunning = false;
    if (this.#backlog.length > 0 && !this.#isPaused) this.#catchUp();
  }

  /** Suspends the process: it handles nothing, and time passes. */
  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#pausedSinceMs = this.#options.scheduler.nowMs;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#pausedMs += this.#options.scheduler.nowMs - this.#pausedSinceMs;
    this.#isPaused = false;
    this.#catchUp();
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#backlog.length = 0;
    this.#soon = [];
    for (const end of this.#ends) end();
  }

  /** Calls back when the process is killed. */
  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  #catchUp(): void {
    for (const work of this.#backlog.splice(0)) this.run(work);
  }

  #settle(): void {
    while (this.#soon.length > 0 && this.#isAlive) {
      const due = this.#soon;
      this.#soon = [];
      for (const work of due) this.#try(work);
    }
  }

  #try(work: () => void): void {
    if (!this.#isAlive) return;
    try {
      work();
    } catch (error) {
      if (this.#isAlive) this.#options.onException(error);
    }
  }

  #makeClock(): Clock {
    const { scheduler, random, hostClock } = this.#options;
    const startMs = scheduler.nowMs;
    return {
      nowMs: () => Math.floor(hostClock.wallMs(scheduler.nowMs)),
      monotonicMs: () => (scheduler.nowMs - startMs) * hostClock.rate,
      after: (delayMs, run): Cancel => {
        let isCancelled = false;
        const lateMs = random() * 0.5;
        scheduler.after(Math.max(0, delayMs) / hostClock.rate + lateMs, () => {
          if (isCancelled) return;
          this.run(() => {
            if (!isCancelled) run();
          });
        });
        return () => isCancelled = true;
      },
      soon: (run) => this.#soon.push(run),
    };
  }
}
