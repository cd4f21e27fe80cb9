import type { DeadlineMs } from "./expiry_heap.ts";
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
 */
export class KeyspaceView {
  /** Number of keys. */
  readonly size: number;
  readonly #imageAt: (position: number) => KeyImage;
  /** What stood at positions where something has changed. */
  readonly #images = new Map<number, KeyImage>();
  #next = 0;

  /** @param imageAt what stands at a position now */
  constructor(size: number, imageAt: (position: number) => KeyImage) {
    this.size = size;
    this.#imageAt = imageAt;
  }

  /** To be called before what stands at a position changes or leaves it. */
  keep(position: number): void {
    if (position < this.#next || position >= this.size || this.#images.has(position)) return;
    this.#images.set(position, this.#imageAt(position));
  }

  /** The next key; `null` after the last. */
  read(): KeyImage | null {
    const position = this.#next;
    if (position >= this.size) return null;
    this.#next++;
    const image = this.#images.get(position);
    if (image === undefined) return this.#imageAt(position);
    this.#images.delete(position);
    return image;
  }
}
