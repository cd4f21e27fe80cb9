import type { DeadlineMs, Deadlines } from "./deadlines.ts";
import type { Items } from "./items.ts";
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
 * of keys, and each write at most two copies.
 *
 * @typeParam T what the view tells of a key
 */
export class KeyspaceView<T = KeyImage> {
  /** Number of positions. */
  readonly size: number;
  readonly #imageAt: (position: number) => T;
  /** What stood at positions where something has changed. */
  readonly #images = new Map<number, T>();
  #next = 0;

  /** @param imageAt what stands at a position now */
  constructor(size: number, imageAt: (position: number) => T) {
    this.size = size;
    this.#imageAt = imageAt;
  }

  /** To be called before what stands at a position changes or leaves it. */
  keep(position: number): void {
    if (position < this.#next || position >= this.size || this.#images.has(position)) return;
    this.#images.set(position, this.#imageAt(position));
  }

  /** What stood at the next position; `null` after the last. */
  read(): T | null {
    const position = this.#next;
    if (position >= this.size) return null;
    this.#next++;
    if (this.#images.size === 0) return this.#imageAt(position);
    const image = this.#images.get(position);
    if (image === undefined) return this.#imageAt(position);
    this.#images.delete(position);
    return image;
  }
}

/** A key as a view of the keys alone tells it. */
export interface KeyName {
  /** `null`: it does not exist. */
  readonly key: string | null;
}

export const DUE_KEY: KeyName = { key: null };

/** What stands at a position now. */
export function imageAt(items: Items, deadlines: Deadlines, position: number): KeyImage {
  const item = items.at(position);
  return {
    key: items.keyOf(item),
    value: items.valueOf(item),
    deadlineMs: deadlines.at(position),
  };
}
