import { Buffer } from "node:buffer";

const CAPACITY_BYTES_MIN = 256;
const CAPACITY_BYTES_KEPT_MAX = 1024;
const EMPTY = Buffer.alloc(0);

/**
 * The beginning of something whose end has not arrived yet. Each byte is copied in once, whatever
 * the size of the pieces, so that nothing is kept of the buffers that they came in.
 */
export class ByteTail {
  #bytes: Buffer = EMPTY;
  #length = 0;

  /** Valid in `0 … length - 1`, until the next call of a method. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Adds `chunk[from … to - 1]`.
   *
   * @param lengthExpected how long all of it will be, if known: memory grows with what has arrived,
   * not with what was announced, and stops here
   */
  append(chunk: Uint8Array, from: number, to: number, lengthExpected = Infinity): void {
    const length = this.#length + (to - from);
    if (length > this.#bytes.length) this.#grow(length, lengthExpected);
    this.#bytes.set(
      from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to),
      this.#length,
    );
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > CAPACITY_BYTES_KEPT_MAX) this.#bytes = EMPTY;
  }

  #grow(lengthNeeded: number, lengthExpected: number): void {
    const doubled = Math.max(CAPACITY_BYTES_MIN, this.#bytes.length * 2);
    const capacity = Math.max(lengthNeeded, Math.min(doubled, lengthExpected));
    const grown = Buffer.allocUnsafe(capacity);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
