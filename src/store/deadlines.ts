import { type DeadlineMs, ExpiryHeap } from "./expiry_heap.ts";

/** What a deadline costs beside its key's bytes: at most so much was measured on V8. */
export const DEADLINE_BYTES = 120;

const CHUNK_BITS = 12;
const CHUNK_POSITIONS = 2 ** CHUNK_BITS;

interface KeyDeadline {
  readonly key: string;
  deadlineMs: DeadlineMs;
  heapIndex: number;
}

/** Those of neighbouring positions. */
interface Chunk {
  readonly deadlines: (KeyDeadline | null)[];
  count: number;
}

/**
 * The ends of keys: the earliest first, and by the key's position. A position needs no hash that
 * someone could aim at, and a list of chunks grows without ever being copied as a whole.
 */
export class Deadlines {
  readonly #heap = new ExpiryHeap<KeyDeadline>();
  readonly #chunks: (Chunk | null)[] = [];
  #keyBytes = 0;

  get size(): number {
    return this.#heap.size;
  }

  /** About how much memory they take. */
  get usedBytes(): number {
    return this.#heap.size * DEADLINE_BYTES + this.#keyBytes;
  }

  /** When the key at a position ends; `null`: never. */
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

  /** The key at a position stands at another one now, where no deadline is. */
  moved(from: number, to: number): void {
    const deadline = this.#take(from);
    if (deadline !== null) this.#put(to, deadline);
  }

  /** The earliest, of equal ones the one whose key comes first. */
  earliest(): Readonly<KeyDeadline> | undefined {
    return this.#heap.earliest();
  }

  /** How many are at or before `timeMs`; takes as many steps. */
  countDue(timeMs: number): number {
    return this.#heap.countDue(timeMs);
  }

  #find(position: number): KeyDeadline | null {
    const chunk = this.#chunks[position >>> CHUNK_BITS] ?? null;
    return chunk === null
      ? null
      : chunk.deadlines[position % CHUNK_POSITIONS] as KeyDeadline | null;
  }

  #put(position: number, deadline: KeyDeadline): void {
    const index = position >>> CHUNK_BITS;
    while (this.#chunks.length <= index) this.#chunks.push(null);
    const chunk = this.#chunks[index] ??= newChunk();
    chunk.deadlines[position % CHUNK_POSITIONS] = deadline;
    chunk.count++;
  }

  #take(position: number): KeyDeadline | null {
    const index = position >>> CHUNK_BITS;
    const deadline = this.#find(position);
    const chunk = this.#chunks[index] ?? null;
    if (deadline === null || chunk === null) return null;
    chunk.deadlines[position % CHUNK_POSITIONS] = null;
    if (--chunk.count === 0) this.#chunks[index] = null;
    return deadline;
  }
}

function newChunk(): Chunk {
  return { deadlines: new Array<KeyDeadline | null>(CHUNK_POSITIONS).fill(null), count: 0 };
}
