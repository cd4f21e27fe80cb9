import { Buffer } from "node:buffer";

const DIGITS_MAX = 18;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/**
 * The decimal integer in `bytes[from … to - 1]`, as strict as Redis: no sign but one minus, no
 * leading zeros, no spaces, not empty. `NaN` when it is anything else or longer than 18 digits; beyond 2^53
 * it may be rounded, which is far above every limit.
 */
export function parseLength(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from] === MINUS ? from + 1 : from;
  if (first >= to || to - first > DIGITS_MAX) return NaN;
  if (bytes[first] === ZERO && (to - first > 1 || first > from)) return NaN;
  let value = 0;
  for (let i = first; i < to; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < ZERO || byte > NINE) return NaN;
    value = value * 10 + (byte - ZERO);
  }
  return first > from ? -value : value;
}

const CAPACITY_BYTES_MIN = 256;
const CAPACITY_BYTES_KEPT_MAX = 1024;
const EMPTY = Buffer.alloc(0);

/** Smaller buffers are left to V8, which collects them before they add up. */
const SPARE_BYTES_MIN = 64 * 1024;
/** Larger buffers are not kept for reuse. */
const SPARE_BYTES_MAX = 2 * 1024 * 1024;
const SPARES_MAX = 4;

/** A buffer that is handed over is at most this many times as long as the bytes in it. */
const TAKEN_FACTOR_MAX = 1.125;

/**
 * Free buffers, shared by all tails of the process. Without them each request of a megabyte would
 * leave two megabytes of garbage, and V8 lets hundreds of megabytes of it accumulate.
 */
const spares: Buffer[] = [];

/** Takes the largest free buffer out of the spares if it holds `bytes`; otherwise `null`. */
function takeSpare(bytes: number): Buffer | null {
  if (bytes < SPARE_BYTES_MIN) return null;
  let best = -1;
  spares.forEach((spare, at) => {
    if (spare.length >= bytes && spare.length > (spares[best]?.length ?? 0)) best = at;
  });
  return best < 0 ? null : spares.splice(best, 1)[0] ?? null;
}

/** The caller must not use these bytes afterwards. */
function giveSpare(bytes: Buffer): void {
  if (bytes.length < SPARE_BYTES_MIN || bytes.length > SPARE_BYTES_MAX) return;
  if (spares.length < SPARES_MAX) return void spares.push(bytes);
  const smallest = spares.reduce((least, spare) => spare.length < least.length ? spare : least);
  if (smallest.length < bytes.length) spares[spares.indexOf(smallest)] = bytes;
}

/**
 * The beginning of something whose end has not arrived yet. It copies each chunk, so that it keeps
 * no reference to the buffers in which they arrived.
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
   * @param lengthExpected the final length, if known: memory grows with the bytes that have arrived,
   * not with those that were announced, and never beyond this
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

  /**
   * Hands over the first `length` bytes and clears itself. They are copied only if their buffer is
   * much larger (`TAKEN_FACTOR_MAX`).
   */
  take(length: number): Uint8Array {
    const bytes = this.#bytes;
    if (bytes.length > length * TAKEN_FACTOR_MAX) {
      const copy = new Uint8Array(bytes.subarray(0, length));
      this.clear();
      return copy;
    }
    this.#bytes = EMPTY;
    this.#length = 0;
    return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length <= CAPACITY_BYTES_KEPT_MAX) return;
    giveSpare(this.#bytes);
    this.#bytes = EMPTY;
  }

  #grow(lengthNeeded: number, lengthExpected: number): void {
    const doubled = Math.max(CAPACITY_BYTES_MIN, this.#bytes.length * 2);
    const capacity = Math.max(lengthNeeded, Math.min(doubled, lengthExpected));
    const grown = takeSpare(capacity) ?? Buffer.allocUnsafe(capacity);
    grown.set(this.#bytes.subarray(0, this.#length));
    giveSpare(this.#bytes);
    this.#bytes = grown;
  }
}
