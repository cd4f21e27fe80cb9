const CALIBRATION_TICKS = 200;
/** Cells of the memory shared with the worker. */
export const TICKS = 0;
export const IS_STOPPED = 1;
export const CELLS = 2;

/**
 * Ticks once in a millisecond, within about a tenth of one. Timers of the event loop come up to two
 * milliseconds late, which is more than what is to be measured; so a thread of its own sleeps from
 * tick to tick and wakes this one.
 */
export class Metronome {
  readonly #cells = new Int32Array(new SharedArrayBuffer(4 * CELLS));
  /** When tick 0 was, as early as a tick was ever seen here. */
  #originMs = Infinity;

  static async start(): Promise<Metronome> {
    const metronome = new Metronome();
    const worker = new Worker(new URL("metronome_worker.ts", import.meta.url), { type: "module" });
    worker.postMessage(metronome.#cells);
    for (let tick = 0; tick < CALIBRATION_TICKS;) {
      tick = await metronome.#next(tick);
      metronome.#originMs = Math.min(metronome.#originMs, performance.now() - tick);
    }
    return metronome;
  }

  /**
   * Calls for each tick, none left out, with the moment at which it was due. Those that were missed
   * come together, later.
   */
  async run(ticks: number, onTick: (dueMs: number) => void): Promise<void> {
    const first = Atomics.load(this.#cells, TICKS) + 1;
    for (let tick = first; tick < first + ticks;) {
      const now = await this.#next(tick - 1);
      for (; tick <= now && tick < first + ticks; tick++) onTick(this.#originMs + tick);
    }
  }

  stop(): void {
    Atomics.store(this.#cells, IS_STOPPED, 1);
  }

  /** Waits until another tick than this one is the last. @returns which */
  async #next(last: number): Promise<number> {
    const waiting = Atomics.waitAsync(this.#cells, TICKS, last);
    if (waiting.async) await waiting.value;
    return Atomics.load(this.#cells, TICKS);
  }
}
