/** Syncs that take longer, in the mean, are left to another thread. */
const QUICK_MS = 1;
/** The mean is over about so many. */
const MEAN_OF = 16;
/** A single one that takes so long is enough. */
const SLOW_MS = 8;
/** So many are left to the other thread before one is tried again. */
const RETRY_AFTER = 256;
/** Much that was written takes its time. */
const QUICK_BYTES = 256 * 1024;

/**
 * Says whether the next sync of a file is likely to be over so soon that it should be waited for on
 * the spot. To hand it to another thread and back costs as much processor time as a quick disk takes
 * for it; but an event loop that waits for a slow disk serves nobody.
 */
export class QuickSync {
  #meanMs = 0;
  #elsewhere = 0;
  #bytes = 0;

  /** Bytes were written that the next sync is to cover. */
  written(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether to wait on the spot for the sync that begins now; if so, `took` must follow. */
  begins(): boolean {
    const isLittle = this.#bytes <= QUICK_BYTES;
    this.#bytes = 0;
    if (this.#elsewhere > 0) this.#elsewhere--;
    return isLittle && this.#elsewhere === 0;
  }

  /** The sync was waited for, so long. */
  took(durationMs: number): void {
    this.#meanMs += (durationMs - this.#meanMs) / MEAN_OF;
    if (this.#meanMs < QUICK_MS && durationMs < SLOW_MS) return;
    this.#elsewhere = RETRY_AFTER;
    this.#meanMs = QUICK_MS; // one quick sync, when it is tried again, and it is so from then on
  }
}
