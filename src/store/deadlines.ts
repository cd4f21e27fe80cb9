import { type DeadlineMs, ExpiryHeap } from "./expiry_heap.ts";
import { PartedMap } from "./parted_map.ts";

/** What a deadline costs beside its key's bytes: at most so much was measured on V8. */
export const DEADLINE_BYTES = 160;

interface KeyDeadline {
  readonly key: string;
  deadlineMs: DeadlineMs;
  heapIndex: number;
}

/** The ends of keys: found by key, and the earliest first. */
export class Deadlines {
  readonly #byKey = new PartedMap<KeyDeadline>();
  readonly #heap = new ExpiryHeap<KeyDeadline>();
  #keyBytes = 0;

  get size(): number {
    return this.#heap.size;
  }

  /** About how much memory they take. */
  get usedBytes(): number {
    return this.#heap.size * DEADLINE_BYTES + this.#keyBytes;
  }

  of(key: string): DeadlineMs | null {
    return this.#byKey.get(key)?.deadlineMs ?? null;
  }

  set(key: string, deadlineMs: DeadlineMs): void {
    const deadline = this.#byKey.get(key);
    if (deadline !== undefined) {
      deadline.deadlineMs = deadlineMs;
      this.#heap.moved(deadline);
      return;
    }
    const added = { key, deadlineMs, heapIndex: -1 };
    this.#byKey.set(key, added);
    this.#heap.add(added);
    this.#keyBytes += key.length;
  }

  delete(key: string): void {
    const deadline = this.#byKey.get(key);
    if (deadline === undefined) return;
    this.#byKey.delete(key);
    this.#heap.remove(deadline);
    this.#keyBytes -= key.length;
  }

  /** The earliest, of equal ones the one whose key comes first. */
  earliest(): Readonly<KeyDeadline> | undefined {
    return this.#heap.earliest();
  }

  /** How many are at or before `timeMs`; takes as many steps. */
  countDue(timeMs: number): number {
    return this.#heap.countDue(timeMs);
  }
}
