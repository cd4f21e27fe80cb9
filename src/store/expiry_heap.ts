/**
 * A point in time, in milliseconds of the Unix epoch: a number up to 2^53 - 1, a bigint from there
 * up to 2^63 - 1. So each deadline has exactly one form.
 */
export type DeadlineMs = number | bigint;

/** What ends at some time. */
export interface Expiring {
  readonly key: string;
  deadlineMs: DeadlineMs;
  /** Its place in the heap; -1: it is not in it. */
  heapIndex: number;
}

/**
 * A binary heap of deadlines, the earliest first. Each entry knows its index, so that a deadline
 * that changes or goes away leaves nothing behind. Equal deadlines are ordered by key: what comes
 * out depends on what is in, never on the order in which it came.
 */
export class ExpiryHeap<T extends Expiring> {
  #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  earliest(): T | undefined {
    return this.#entries[0];
  }

  add(expiry: T): void {
    this.#entries.push(expiry);
    this.#up(expiry, this.#entries.length - 1);
  }

  /** Puts an entry whose deadline was changed into its new place. */
  moved(expiry: T): void {
    this.#up(expiry, expiry.heapIndex);
    this.#down(expiry, expiry.heapIndex);
  }

  remove(expiry: T): void {
    const index = expiry.heapIndex;
    const last = this.#entries.pop();
    expiry.heapIndex = -1;
    if (last === undefined || last === expiry) return;
    last.heapIndex = index;
    this.moved(last);
  }

  /** How many deadlines are at or before `timeMs`; takes as many steps. */
  countDue(timeMs: number, index = 0): number {
    const entry = this.#entries[index];
    if (entry === undefined || entry.deadlineMs > timeMs) return 0;
    return 1 + this.countDue(timeMs, 2 * index + 1) + this.countDue(timeMs, 2 * index + 2);
  }

  clear(): void {
    this.#entries = [];
  }

  #up(expiry: T, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#entries[parentIndex];
      if (parent === undefined || !isBefore(expiry, parent)) break;
      this.#put(parent, index);
      index = parentIndex;
    }
    this.#put(expiry, index);
  }

  #down(expiry: T, from: number): void {
    let index = from;
    while (true) {
      let childIndex = 2 * index + 1;
      let child = this.#entries[childIndex];
      const right = this.#entries[childIndex + 1];
      if (child === undefined) break;
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (!isBefore(child, expiry)) break;
      this.#put(child, index);
      index = childIndex;
    }
    this.#put(expiry, index);
  }

  #put(expiry: T, index: number): void {
    this.#entries[index] = expiry;
    expiry.heapIndex = index;
  }
}

function isBefore(a: Expiring, b: Expiring): boolean {
  if (a.deadlineMs === b.deadlineMs) return a.key < b.key;
  return a.deadlineMs < b.deadlineMs;
}
