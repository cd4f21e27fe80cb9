/** How a write ended, as far as the client knows. */
export type Outcome = "done" | "refused" | "unknown";

/** Errors that promise that the request was not executed. */
const REFUSALS = /^(MOVED|CLUSTERDOWN|TRYAGAIN) /;

/** The outcome of a write that an error promises. */
export function outcomeOf(error: string): Outcome {
  return REFUSALS.test(error) ? "refused" : "unknown";
}

/**
 * A number that one writer increments, one write after the other, and that anybody reads. A read
 * must return at least what was acknowledged, or returned by another read, before it was sent; and
 * at most what was attempted before it returned.
 */
export class Register {
  readonly key: string;
  #attempted = 0;
  #floor = 0;

  constructor(key: string) {
    this.key = key;
  }

  /** The least value that a read sent now must return. */
  get floor(): number {
    return this.#floor;
  }

  nextAttempt(): number {
    return ++this.#attempted;
  }

  acknowledged(value: number): void {
    this.#floor = Math.max(this.#floor, value);
  }

  /**
   * @param floor `floor` as it was when the read was sent
   * @returns what is wrong with this answer, or `null`
   */
  violationOf(reply: string | null, floor: number): string | null {
    const value = Number(reply ?? "0");
    if (!(value >= floor && value <= this.#attempted)) {
      return `a read of ${this.key} returned ${reply}, but ${floor} was there before it was sent ` +
        `and ${this.#attempted} was attempted last`;
    }
    this.#floor = Math.max(this.#floor, value);
    return null;
  }
}

/** Single writes to keys of their own, and how each ended. */
export class UniqueWrites {
  readonly #outcomes = new Map<string, Outcome>();

  /** The only value that a key may ever have. */
  static valueOf(key: string): string {
    return `value of ${key}`;
  }

  ended(key: string, outcome: Outcome): void {
    this.#outcomes.set(key, outcome);
  }

  get keys(): string[] {
    return [...this.#outcomes.keys()];
  }

  count(outcome: Outcome): number {
    let count = 0;
    for (const ended of this.#outcomes.values()) if (ended === outcome) count++;
    return count;
  }

  /** @returns what is wrong with this value, read after all writes ended, or `null` */
  violationOf(key: string, value: string | null): string | null {
    const outcome = this.#outcomes.get(key);
    if (value !== null && value !== UniqueWrites.valueOf(key)) return `${key} holds ${value}`;
    if (outcome === "done" && value === null) return `${key} was acknowledged and is lost`;
    if (outcome === "refused" && value !== null) return `${key} was refused and is there`;
    return null;
  }
}

/**
 * The values that a key may have after the writes of its only client. There are several as long as
 * it is unknown whether a write was executed.
 */
export class PossibleValues {
  #values: Set<string | null>;

  constructor(...values: readonly (string | null)[]) {
    this.#values = new Set(values);
  }

  /** @param after the value after the write, as a function of the value before */
  wrote(outcome: Outcome, after: (before: string | null) => string): void {
    if (outcome === "refused") return;
    const written = [...this.#values].map(after);
    this.#values = new Set(outcome === "done" ? written : [...this.#values, ...written]);
  }

  /** @returns whether the key can have had this value, which is then its only possible one */
  sees(value: string | null): boolean {
    if (!this.#values.has(value)) return false;
    this.#values = new Set([value]);
    return true;
  }

  toString(): string {
    return [...this.#values].join(" or ");
  }
}
