import type { Expiry, Slot } from "./slot.ts";

/**
 * A binary heap of deadlines, the earliest first. Each entry knows its index, so that a deadline
 * that changes or goes away leaves nothing behind. Equal deadlines are ordered by key: what comes
 * out depends on what is in, never on the order in which it came.
 */
export class ExpiryHeap<T extends { readonly key: string } = Slot> {
  #entries: Expiry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  earliest(): Expiry<T> | undefined {
    return this.#entries[0];
  }

  add(expiry: Expiry<T>): void {
    this.#entries.push(expiry);
    this.#up(expiry, this.#entries.length - 1);
  }

  /** Puts an entry whose deadline was changed into its new place. */
  moved(expiry: Expiry<T>): void {
    this.#up(expiry, expiry.heapIndex);
    this.#down(expiry, expiry.heapIndex);
  }

  remove(expiry: Expiry<T>): void {
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

  #up(expiry: Expiry<T>, from: number): void {
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

  #down(expiry: Expiry<T>, from: number): void {
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

  #put(expiry: Expiry<T>, index: number): void {
    this.#entries[index] = expiry;
    expiry.heapIndex = index;
  }
}

function isBefore<T extends { readonly key: string }>(a: Expiry<T>, b: Expiry<T>): boolean {
  if (a.deadlineMs === b.deadlineMs) return a.slot.key < b.slot.key;
  return a.deadlineMs < b.deadlineMs;
}
