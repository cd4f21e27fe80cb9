import { assert } from "../../base/assert.ts";

/** The term of each entry of a log. Terms change rarely, so only the changes are kept. */
export class TermRuns {
  /** Where each run begins; the first one stands for the entry before the log. */
  readonly #starts: number[];
  readonly #terms: number[];

  /** @param baseTerm the term of the entry before the log's first, at `baseIndex` */
  constructor(baseIndex: number, baseTerm: number) {
    this.#starts = [baseIndex];
    this.#terms = [baseTerm];
  }

  /** The term of the entry at `index`, which must be one that was set. */
  termAt(index: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    // What is asked for is mostly near the end.
    if (index >= (this.#starts[high] ?? 0)) low = high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const term = this.#terms[low];
    assert(term !== undefined && index >= (this.#starts[low] ?? 0), `No term is known at ${index}`);
    return term;
  }

  /** Sets the term of the entry at `index`; whatever stood there and after it is gone. */
  set(index: number, term: number): void {
    this.cutFrom(index);
    if (this.#terms.at(-1) === term) return;
    this.#starts.push(index);
    this.#terms.push(term);
  }

  /** Forgets the terms of the entries before the one at `index`, which is known. */
  forgetBefore(index: number): void {
    const term = this.termAt(index);
    const next = this.#starts.findIndex((start) => start > index);
    const kept = next === -1 ? this.#starts.length : next;
    this.#starts.splice(0, kept, index);
    this.#terms.splice(0, kept, term);
  }

  cutFrom(index: number): void {
    while ((this.#starts.at(-1) ?? 0) >= index && this.#starts.length > 1) {
      this.#starts.pop();
      this.#terms.pop();
    }
  }
}
