import type { Operation } from "../linearizability/operation.ts";

/** Everything that clients sent and received. */
export class History {
  readonly operations: Operation[] = [];
  /** Events that must never happen, whatever the faults. */
  readonly violations: string[] = [];
  /** Number of requests answered with an error that means: not executed. */
  refused = 0;
  readonly #told = new Map<string, number>();
  readonly #beginMs: number;
  #lastSuccessMs: number;
  #longestGap = { atMs: 0, forMs: 0 };

  /** @param nowMs on the clock of `performance.now()`, as all times here */
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

  /** The longest time without an answer to any client, and when it began. */
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
