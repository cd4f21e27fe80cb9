/** Time as Regent sees it. The simulation brings its own. */
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
