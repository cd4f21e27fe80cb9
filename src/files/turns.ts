import type { Clock } from "../platform/clock.ts";
import { FileError } from "./file_error.ts";

export interface TurnsOptions {
  /** Maximum number of those that have their turn at the same time. */
  readonly countMax: number;
  /** Maximum of what they take together. One that takes more has its turn alone. @default Infinity */
  readonly weightMax?: number;
  /** Time in milliseconds for which one more waits. */
  readonly waitMs: number;
  /** What is too many, for the sentence of the error. */
  readonly what: string;
  readonly clock: Clock;
}

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
  readonly fail: (error: FileError) => void;
}

/** Lets only so many do something at the same time. The others wait, the first one first. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting = new Set<Waiting>();
  #count = 0;
  #weight = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Waits for a turn.
   *
   * @param weight what it takes of `weightMax`
   * @returns what ends the turn; it is called once
   * @throws {FileError} `busy` when the turn does not come in time, and what `failWaiting` is given
   */
  async take(weight = 1): Promise<() => void> {
    const { clock, waitMs, what } = this.#options;
    if (this.#waiting.size > 0 || !this.#fits(weight)) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const waiting: Waiting = {
        weight,
        begin: resolve,
        fail: (error) => {
          this.#waiting.delete(waiting);
          reject(error);
          this.#beginNext(); // what takes less may have waited behind it
        },
      };
      this.#waiting.add(waiting);
      const busy = new FileError("busy", `Too many ${what} are in progress, try again later.`);
      const cancel = clock.after(waitMs, () => waiting.fail(busy));
      await promise.finally(cancel);
    } else {
      this.#begin(weight);
    }
    return () => {
      this.#count--;
      this.#weight -= weight;
      this.#beginNext();
    };
  }

  /** Sends all away that wait. */
  failWaiting(error: FileError): void {
    for (const waiting of [...this.#waiting]) waiting.fail(error);
  }

  #fits(weight: number): boolean {
    const { countMax, weightMax = Infinity } = this.#options;
    return this.#count === 0 ||
      (this.#count < countMax && this.#weight + weight <= weightMax);
  }

  #begin(weight: number): void {
    this.#count++;
    this.#weight += weight;
  }

  #beginNext(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.weight)) return;
      this.#waiting.delete(waiting);
      this.#begin(waiting.weight);
      waiting.begin();
    }
  }
}
