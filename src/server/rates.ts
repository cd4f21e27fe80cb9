/** Totals since the process started; or, as the result of `Rates.get`, rates per second. */
export interface Counted {
  readonly requests: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

interface Sample extends Counted {
  readonly atMs: number;
}

/** Minimum interval in ms between two samples. */
const SAMPLE_MS = 100;
/** Number of samples that a rate covers, as in Redis. */
const SAMPLES = 16;

/** Recent rates per second, from samples that are taken whenever there is work. */
export class Rates {
  readonly #counted: Counted;
  #samples: readonly Sample[];

  constructor(counted: Counted, nowMs: number) {
    this.#counted = counted;
    this.#samples = [{ ...counted, atMs: nowMs }];
  }

  /** Takes a sample if one is due. To be called often. */
  sample(nowMs: number): void {
    const last = this.#samples[this.#samples.length - 1];
    if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
    const { requests, inputBytes, outputBytes } = this.#counted;
    const sample = { requests, inputBytes, outputBytes, atMs: nowMs };
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
  }

  /** Rates per second over the last 1.6 s, or over a longer time without work. */
  get(nowMs: number): Counted {
    const recent = this.#samples.filter(({ atMs }) => nowMs - atMs <= SAMPLE_MS * SAMPLES);
    const first = recent[0] ?? this.#samples[this.#samples.length - 1];
    if (first === undefined || nowMs <= first.atMs) {
      return { requests: 0, inputBytes: 0, outputBytes: 0 };
    }
    const perSecond = (now: number, before: number) => (now - before) * 1000 / (nowMs - first.atMs);
    const { requests, inputBytes, outputBytes } = this.#counted;
    return {
      requests: perSecond(requests, first.requests),
      inputBytes: perSecond(inputBytes, first.inputBytes),
      outputBytes: perSecond(outputBytes, first.outputBytes),
    };
  }
}
