/** Bytes of a piece that is used again. */
export const PIECE_BYTES = 256 * 1024;
/** Content shorter than this gets memory of its own size. */
const SHORT_BYTES = 32 * 1024;
/** Pieces that wait to be used again. */
const SPARE_MAX = 64;

/**
 * A part of a content on its way to several holders. It is used again when everybody has released
 * it: else large contents would leave hundreds of MB to the garbage collector.
 */
export class Piece {
  readonly bytes: Uint8Array;
  readonly #released: () => void;
  /** Who has it now: who got it from the pool, and who has retained it since. */
  #users = 1;

  constructor(bytes: Uint8Array, released: () => void) {
    this.bytes = bytes;
    this.#released = released;
  }

  retain(): void {
    this.#users++;
  }

  /** Nobody may look at the bytes of a piece that he has released. */
  release(): void {
    if (--this.#users === 0) this.#released();
  }
}

/** The memory of pieces. */
export class PiecePool {
  readonly #spare: Uint8Array[] = [];

  /** Memory of `PIECE_BYTES` to be filled. */
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(PIECE_BYTES);
  }

  /** Gives back what nobody has filled. */
  give(memory: Uint8Array): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(memory);
  }

  /** What `memory` holds, up to `filled`, as a piece that gives it back. */
  piece(memory: Uint8Array, filled: number): Piece {
    if (filled >= SHORT_BYTES) {
      return new Piece(memory.subarray(0, filled), () => this.give(memory));
    }
    const bytes = memory.slice(0, filled);
    this.give(memory);
    return new Piece(bytes, () => {});
  }
}
