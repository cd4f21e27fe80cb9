/** What is counted since the process began. */
export interface Counted {
  readonly requests: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

interface Sample extends Counted {
  readonly atMs: number;
}

const SAMPLE_MS = 100;
/** Over so many samples, as Redis does it. */
const SAMPLES = 16;

/** How much was done by second of late, from samples that are taken when there is work anyway. */
export class Rates {
  readonly #counted: Counted;
  #samples: readonly Sample[];

  constructor(counted: Counted, nowMs: number) {
    this.#counted = counted;
    this.#samples = [{ ...counted, atMs: nowMs }];
  }

  /** To be called often; takes a sample when it is time. */
  sample(nowMs: number): void {
    const last = this.#samples[this.#samples.length - 1];
    if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
    const { requests, inputBytes, outputBytes } = this.#counted;
    const sample = { requests, inputBytes, outputBytes, atMs: nowMs };
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
  }

  /** By second, over the last 1.6 s, or a longer time in which there was no work. */
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
