import type { Operation } from "../linearizability/operation.ts";

/** Everything that clients sent and received. */
export class History {
  readonly operations: Operation[] = [];
  /** What may never happen, whatever the faults. */
  readonly violations: string[] = [];
  /** Requests that were answered with an error that says: not executed. */
  refused = 0;
  readonly #told = new Map<string, number>();
  readonly #beginMs: number;
  #lastSuccessMs: number;
  #longestGap = { atMs: 0, forMs: 0 };

  /** @param nowMs by `performance.now()`, as all times here */
  constructor(nowMs: number) {
    this.#beginMs = nowMs;
    this.#lastSuccessMs = nowMs;
  }

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  violated(what: string): void {
    this.violations.push(what);
  }

  succeeded(nowMs: number): void {
    const forMs = nowMs - this.#lastSuccessMs;
    if (forMs > this.#longestGap.forMs) {
      this.#longestGap = { atMs: this.#lastSuccessMs - this.#beginMs, forMs };
    }
    this.#lastSuccessMs = nowMs;
  }

  /** The longest time in which no client got an answer, and when that was, from the beginning. */
  get longestGap(): { readonly atMs: number; readonly forMs: number } {
    return this.#longestGap;
  }

  /** Counts an error by its first words. */
  told(error: string): void {
    const kind = error.replace(/\d[\d.:]*/g, "N").slice(0, 60);
    this.#told.set(kind, (this.#told.get(kind) ?? 0) + 1);
  }

  /** Number of replies of each kind. */
  get errors(): ReadonlyMap<string, number> {
    return this.#told;
  }
}
