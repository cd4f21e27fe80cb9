import { assert } from "../base/assert.ts";
import type { DeadlineMs, Slot } from "./slot.ts";
import type { Value } from "./value.ts";

/** A key as it was at a point in time. */
export interface KeyImage {
  readonly key: string;
  readonly value: Value;
  /** `null`: it has no end. */
  readonly deadlineMs: DeadlineMs | null;
}

/**
 * All keys as they were when the view began, in order of position. What stands at a position that
 * was not read yet is copied before it changes, so that beginning costs nothing, whatever the number
 * of keys, and each write at most two copies. A value never changes: its slot gets another one.
 */
export class KeyspaceView {
  /** Number of keys. */
  readonly size: number;
  /** The keyspace's own, which goes on changing. */
  readonly #slots: readonly Slot[];
  /** What stood at positions whose slots have changed. */
  readonly #images = new Map<number, KeyImage>();
  #next = 0;

  constructor(slots: readonly Slot[]) {
    this.#slots = slots;
    this.size = slots.length;
  }

  /** To be called before a slot changes, and before it leaves its position. */
  keep(slot: Slot): void {
    const { position } = slot;
    if (position < this.#next || position >= this.size || this.#images.has(position)) return;
    this.#images.set(position, imageOf(slot));
  }

  /** The next key; `null` after the last. */
  read(): KeyImage | null {
    const position = this.#next;
    if (position >= this.size) return null;
    this.#next++;
    const image = this.#images.get(position);
    if (image === undefined) {
      const slot = this.#slots[position];
      assert(slot !== undefined, `Cannot read the view: position ${position} was not kept`);
      return imageOf(slot);
    }
    this.#images.delete(position);
    return image;
  }
}

function imageOf({ key, value, deadlineMs }: Slot): KeyImage {
  return { key, value, deadlineMs };
}
