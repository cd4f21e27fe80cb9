import { clearImmediate, setImmediate } from "node:timers";
import type { Clock } from "./clock.ts";

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
