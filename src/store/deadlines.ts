/**
 * A point in time in milliseconds of the Unix epoch: a number up to 2^53 - 1, a bigint beyond that
 * up to 2^63 - 1. So each deadline has exactly one representation.
 */
export type DeadlineMs = number | bigint;

/** Maximum number of due keys or sessions that one `advanceTime` removes, which bounds how long it takes. */
export const EXPIRED_PER_STEP_MAX = 1000;

/** Number of entries that one step of `countDueInSteps` counts. */
const ENTRIES_PER_STEP = 1024;

/** Something that expires. */
export interface Expiring {
  readonly key: string;
  deadlineMs: DeadlineMs;
  /** Its index in the heap; -1: it is not in the heap. */
  heapIndex: number;
}

/**
 * A binary heap of deadlines, the earliest first. Each entry knows its index, so that a deadline
 * can be changed or removed at once. Equal deadlines are ordered by key: the order in which entries
 * leave depends on the entries alone, never on the order in which they were added.
 */
export class ExpiryHeap<T extends Expiring> {
  readonly #entries: T[] = [];

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

  /** Restores the order of the heap after the deadline of an entry has changed. */
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

  /** Number of deadlines at or before `timeMs`. Takes time in proportion to it. */
  countDue(timeMs: number, index = 0): number {
    const entry = this.#entries[index];
    if (entry === undefined || entry.deadlineMs > timeMs) return 0;
    return 1 + this.countDue(timeMs, 2 * index + 1) + this.countDue(timeMs, 2 * index + 2);
  }

  /** As `countDue`, in steps of a bounded time. */
  *countDueInSteps(timeMs: number): Generator<void, number> {
    const unseen = [0];
    let count = 0;
    for (let index = unseen.pop(); index !== undefined; index = unseen.pop()) {
      const entry = this.#entries[index];
      if (entry === undefined || entry.deadlineMs > timeMs) continue;
      unseen.push(2 * index + 1, 2 * index + 2);
      if (++count % ENTRIES_PER_STEP === 0) yield;
    }
    return count;
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

/** Memory that a deadline takes beside its key's bytes, as measured on V8 at the worst. */
export const DEADLINE_BYTES = 120;

const CHUNK_BITS = 12;
const CHUNK_POSITIONS = 2 ** CHUNK_BITS;
/** Maximum number of empty chunks that are kept, of 32 KiB each. */
const SPARES_MAX = 32;

/** The deadlines of neighbouring positions. */
interface Chunk {
  readonly deadlines: (Expiring | null)[];
  count: number;
}

/**
 * The deadlines of keys, ordered by time and found by the key's position. Unlike a hash table, a
 * list of chunks by position cannot be attacked with colliding keys, and grows without a copy of
 * the whole.
 */
export class Deadlines {
  readonly #heap = new ExpiryHeap<Expiring>();
  readonly #chunks: (Chunk | null)[] = [];
  /** Empty chunks. A lock that is taken and released again and again would make one each time. */
  readonly #spares: Chunk[] = [];
  #keyBytes = 0;

  get size(): number {
    return this.#heap.size;
  }

  /** Estimated memory of the deadlines, in bytes. */
  get usedBytes(): number {
    return this.#heap.size * DEADLINE_BYTES + this.#keyBytes;
  }

  /** The deadline of the key at a position; `null`: it does not expire. */
  at(position: number): DeadlineMs | null {
    return this.#heap.size === 0 ? null : this.#find(position)?.deadlineMs ?? null;
  }

  set(position: number, key: string, deadlineMs: DeadlineMs): void {
    const deadline = this.#find(position);
    if (deadline !== null) {
      deadline.deadlineMs = deadlineMs;
      this.#heap.moved(deadline);
      return;
    }
    const added = { key, deadlineMs, heapIndex: -1 };
    this.#put(position, added);
    this.#heap.add(added);
    this.#keyBytes += key.length;
  }

  delete(position: number): void {
    const deadline = this.#take(position);
    if (deadline === null) return;
    this.#heap.remove(deadline);
    this.#keyBytes -= deadline.key.length;
  }

  /** Notes that a key has moved to a position that has no deadline. */
  moved(from: number, to: number): void {
    const deadline = this.#take(from);
    if (deadline !== null) this.#put(to, deadline);
  }

  /** The earliest deadline. Of equal ones, the one whose key sorts first. */
  earliest(): Readonly<Expiring> | undefined {
    return this.#heap.earliest();
  }

  /** Number of deadlines at or before `timeMs`. Takes time in proportion to it. */
  countDue(timeMs: number): number {
    return this.#heap.countDue(timeMs);
  }

  /** As `countDue`, in steps of a bounded time. */
  countDueInSteps(timeMs: number): Generator<void, number> {
    return this.#heap.countDueInSteps(timeMs);
  }

  #find(position: number): Expiring | null {
    const chunk = this.#chunks[position >>> CHUNK_BITS] ?? null;
    return chunk === null ? null : chunk.deadlines[position % CHUNK_POSITIONS] as Expiring | null;
  }

  #put(position: number, deadline: Expiring): void {
    const index = position >>> CHUNK_BITS;
    while (this.#chunks.length <= index) this.#chunks.push(null);
    const chunk = this.#chunks[index] ??= this.#spares.pop() ?? newChunk();
    chunk.deadlines[position % CHUNK_POSITIONS] = deadline;
    chunk.count++;
  }

  #take(position: number): Expiring | null {
    const index = position >>> CHUNK_BITS;
    const deadline = this.#find(position);
    const chunk = this.#chunks[index] ?? null;
    if (deadline === null || chunk === null) return null;
    chunk.deadlines[position % CHUNK_POSITIONS] = null;
    if (--chunk.count === 0) {
      this.#chunks[index] = null;
      if (this.#spares.length < SPARES_MAX) this.#spares.push(chunk);
    }
    return deadline;
  }
}

function newChunk(): Chunk {
  return { deadlines: new Array<Expiring | null>(CHUNK_POSITIONS).fill(null), count: 0 };
}
