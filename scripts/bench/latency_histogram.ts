const DIGITS = 4;

/** The number of requests with each latency in microseconds, rounded to four digits. */
export type LatencyCounts = readonly (readonly [us: number, count: number])[];

/** A histogram of latencies, of bounded size. */
export class LatencyHistogram {
  readonly #counts: Map<number, number>;

  constructor(counts: LatencyCounts = []) {
    this.#counts = new Map(counts);
  }

  record(latencyMs: number): void {
    const us = Math.max(0, latencyMs * 1000);
    const step = us < 10 ** DIGITS ? 1 : 10 ** (Math.floor(Math.log10(us)) + 1 - DIGITS);
    this.#add(Math.round(us / step) * step, 1);
  }

  merge(other: LatencyHistogram): void {
    for (const [us, count] of other.#counts) this.#add(us, count);
  }

  /** @param share of the requests that were at least as fast, such as 0.99; 1 gives the slowest */
  percentileMs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (const [us, count] of this.toJSON()) {
      seen += count;
      if (seen >= rank) return us / 1000;
    }
    return NaN;
  }

  get count(): number {
    return this.#counts.values().reduce((sum, count) => sum + count, 0);
  }

  toJSON(): LatencyCounts {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }

  #add(us: number, count: number): void {
    this.#counts.set(us, (this.#counts.get(us) ?? 0) + count);
  }
}
