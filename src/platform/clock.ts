/** Time as the node sees it; the simulator brings its own. */
export interface Clock {
  /** The wall clock: milliseconds of the Unix epoch. May jump. */
  nowMs(): number;
  /** Never goes back; milliseconds from an arbitrary start. */
  monotonicMs(): number;
  /** Calls `run` once after about `delayMs`; the result cancels it. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` once when everything that has already arrived in this turn was handled. */
  soon(run: () => void): void;
}

export type Cancel = () => void;
