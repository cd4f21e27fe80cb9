import { clearImmediate, setImmediate } from "node:timers";

/** Time as Regent sees it. The simulation has a clock of its own. */
export interface Clock {
  /** The wall clock, in milliseconds since the Unix epoch. It may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start. It never goes back. */
  monotonicMs(): number;
  /**
   * Calls `run` once after about `delayMs`. The result cancels the call. With a delay of 0, that is
   * in the next turn of the event loop, or up to 1 ms later.
   */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` once, after everything that has already arrived in this turn is handled. */
  soon(run: () => void): void;
}

export type Cancel = () => void;

/**
 * Maximum time in milliseconds for which immediates follow each other. As long as one is pending,
 * Deno looks at the sockets in every 61st turn only: with turns of 4 ms, a heartbeat would wait for
 * a quarter of a second. While a timer is pending and nothing else, it looks at them at once.
 */
const IMMEDIATES_MS_MAX = 8;
/**
 * Immediates that were asked for further apart than this, in milliseconds, do not follow each other.
 * It is longer than any turn: the next one is asked for at the end of a turn.
 */
const GAP_MS = 100;

/** When the current sequence of immediates began, and when its last one was asked for. */
let sequenceMs = -Infinity;
let lastMs = -Infinity;
/** Number of immediates that have not run yet. */
let pending = 0;

/**
 * Notes that a socket has been read. If no immediate is pending then, Deno has looked at all sockets
 * since the last one ran, so the next one begins a sequence.
 */
export function noteSocketRead(): void {
  if (pending === 0) sequenceMs = Infinity;
}

/** Whether the next turn has to begin with a timer, so that sockets are read before it. */
function mustReadSockets(): boolean {
  const nowMs = performance.now();
  if (sequenceMs === Infinity || nowMs - lastMs > GAP_MS) sequenceMs = nowMs;
  lastMs = nowMs;
  return nowMs - sequenceMs > IMMEDIATES_MS_MAX;
}

/** Runs this in the next turn of the event loop. */
function inNextTurn(run: () => void): Cancel {
  let isPending = true;
  pending++;
  const immediate = setImmediate(() => {
    if (!isPending) return;
    isPending = false;
    pending--;
    run();
  });
  return () => {
    if (!isPending) return;
    isPending = false;
    pending--;
    clearImmediate(immediate);
  };
}

/** Runs this after about `delayMs`, and at least 1 ms. */
function later(delayMs: number, run: () => void): Cancel {
  // Deno 2.6 runs a timer that was cleared after it became due and before it ran.
  let isCancelled = false;
  const timer = setTimeout(() => {
    if (delayMs === 0) sequenceMs = performance.now();
    if (!isCancelled) run();
  }, delayMs);
  return () => {
    isCancelled = true;
    clearTimeout(timer);
  };
}

/** The machine's own clock and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    return delayMs === 0 && !mustReadSockets() ? inNextTurn(run) : later(delayMs, run);
  },
  soon: (run) => queueMicrotask(run),
};
