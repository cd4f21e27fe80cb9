const CALIBRATION_TICKS = 200;
/** Cells of the memory shared with the worker. */
export const TICKS = 0;
export const IS_STOPPED = 1;
const CELLS = 2;

/**
 * Ticks once per millisecond, with an error of about 0.1 ms. Timers of the event loop are up to
 * 2 ms late, which is more than the latencies to measure. So a worker thread sleeps from tick to
 * tick and wakes this one.
 */
export class Metronome {
  readonly #cells = new Int32Array(new SharedArrayBuffer(4 * CELLS));
  /** The time of tick 0, estimated from the earliest arrival of any tick. */
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
   * Calls back for each tick, without gaps, with the time at which it was due. Missed ticks are
   * delivered together, late.
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

  /** Waits for a tick after `last`. @returns the newest one */
  async #next(last: number): Promise<number> {
    const waiting = Atomics.waitAsync(this.#cells, TICKS, last);
    if (waiting.async) await waiting.value;
    return Atomics.load(this.#cells, TICKS);
  }
}
