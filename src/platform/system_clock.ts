import { clearImmediate, setImmediate } from "node:timers";
import type { Clock } from "./clock.ts";

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    // Deno 2.6 runs a timer that was cleared when it was due and had not had its turn.
    let isCancelled = false;
    const runUnlessCancelled = () => {
      if (!isCancelled) run();
    };
    // A timer waits for a millisecond at least, and the next turn of the event loop is sooner.
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
