import type { Random } from "../base/random.ts";

const FIRST_MS = 10;
const LAST_MS = 250;

/** How long to wait before the next attempt: doubling, with jitter so that many do not come at once. */
export class Backoff {
  readonly #random: Random;
  #failures = 0;
  /** Before this time, by the monotonic clock, there should be no attempt. */
  notBeforeMs = -Infinity;

  constructor(random: Random) {
    this.#random = random;
  }

  failed(nowMs: number): void {
    const boundMs = Math.min(LAST_MS, FIRST_MS * 2 ** this.#failures++);
    this.notBeforeMs = nowMs + boundMs * (0.5 + this.#random() / 2);
  }

  succeeded(): void {
    this.#failures = 0;
    this.notBeforeMs = -Infinity;
  }
}
