import type { Clock } from "../platform/clock.ts";

/** Time in milliseconds over which a rate is measured. */
const WINDOW_MS = 10_000;
const BUCKET_MS = 500;

/** How much of something there was a second, over the last ten seconds. */
export class Rate {
  readonly #clock: Clock;
  readonly #sinceMs: number;
  /** By the number of their half second. */
  readonly #counts = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  add(count: number): void {
    const bucket = Math.floor(this.#clock.monotonicMs() / BUCKET_MS);
    const before = this.#counts.get(bucket);
    if (before === undefined) this.#forget();
    this.#counts.set(bucket, (before ?? 0) + count);
  }

  get perSecond(): number {
    this.#forget();
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    // Of a rate that has just begun, the first second counts whole.
    const [first] = this.#counts.keys();
    if (first === undefined) return 0;
    const startMs = Math.max(this.#sinceMs, first * BUCKET_MS);
    const overMs = Math.max(1_000, this.#clock.monotonicMs() - startMs);
    return Math.round(sum * 1_000 / overMs);
  }

  #forget(): void {
    const oldest = Math.floor((this.#clock.monotonicMs() - WINDOW_MS) / BUCKET_MS);
    for (const bucket of this.#counts.keys()) if (bucket <= oldest) this.#counts.delete(bucket);
  }
}
