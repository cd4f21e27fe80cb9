import type { DeadlineMs, Deadlines } from "./deadlines.ts";
import type { Items } from "./items.ts";
import type { Value } from "./values/value.ts";

/** A key as it was when a view began. */
export interface KeyImage {
  readonly key: string;
  readonly value: Value;
  /** `null`: the key does not expire. */
  readonly deadlineMs: DeadlineMs | null;
}

/**
 * All keys as they were when the view began, in order of position. A view begins in constant time:
 * the image of a position that was not read yet is stored before a write changes the position. A
 * write changes at most two positions.
 *
 * @typeParam T the image of a key
 */
export class KeyspaceView<T = KeyImage> {
  /** Number of positions. */
  readonly size: number;
  readonly #imageAt: (position: number) => T;
  /** Images of positions that have changed since the view began and were not read yet. */
  readonly #images = new Map<number, T>();
  #next = 0;

  /** @param imageAt makes the image of a position as it is now */
  constructor(size: number, imageAt: (position: number) => T) {
    this.size = size;
    this.#imageAt = imageAt;
  }

  /** To be called before the key at a position changes or moves. */
  keep(position: number): void {
    if (position < this.#next || position >= this.size || this.#images.has(position)) return;
    this.#images.set(position, this.#imageAt(position));
  }

  /** The image of the next position; `null` after the last. */
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

/**
 * Maximum number of views of the keys alone that are open at once. Each costs every write a copy.
 */
export const KEY_VIEWS_MAX = 4;

/** The image of a key in a view without values. */
export interface KeyName {
  /** `null`: the key was due. */
  readonly key: string | null;
}

export const DUE_KEY: KeyName = { key: null };

/** The image of the key at a position, as it is now. */
export function imageAt(items: Items, deadlines: Deadlines, position: number): KeyImage {
  const item = items.at(position);
  return {
    key: items.keyOf(item),
    value: items.valueOf(item),
    deadlineMs: deadlines.at(position),
  };
}
