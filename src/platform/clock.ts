import { clearImmediate, setImmediate } from "node:timers";

/** Time as Regent sees it. The simulation has a clock of its own. */
export interface Clock {
  /** The wall clock, in milliseconds since the Unix epoch. It may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start. It never goes back. */
  monotonicMs(): number;
  /** Calls `run` once after about `delayMs`. The result cancels the call. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` once, after everything that has already arrived in this turn is handled. */
  soon(run: () => void): void;
}

export type Cancel = () => void;

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    // Deno 2.6 runs a timer that was cleared after it became due and before it ran.
    let isCancelled = false;
    const runUnlessCancelled = () => {
      if (!isCancelled) run();
    };
    // A timer waits for at least 1 ms. An immediate runs in the next turn of the event loop.
    if (delayMs === 0) {
      const immediate = setImmediate(runUnlessCancelled);
      return () => {
        isCancelled = true;
        clearImmediate(immediate);
      };
    }
    const timer = setTimeout(runUnlessCancelled, delayMs);
    return () => {
      isCancelled = true;
      clearTimeout(timer);
    };
  },
  soon: (run) => queueMicrotask(run),
};
