import { type ByteString, LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { latin1 } from "../base/bytes.ts";
import { ByteTail } from "../resp/byte_tail.ts";
import {
  integerField,
  lengthOf,
  PIECE_LENGTH_MAX,
  SHORT_LENGTH_MAX,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";
import { STRING_LENGTH_MAX } from "./values/string_type.ts";

/**
 * Length in characters below which an appended piece is small compared to the memory that V8 takes
 * for a concatenation.
 */
const SMALL_PIECE = 1024;

/**
 * Concatenates two strings for storing. V8 joins strings without a copy, which makes appending
 * cheap. But each join takes some 32 bytes, so that a value of many small pieces would take many
 * times its length. Therefore the value is copied into one piece whenever small pieces make it grow
 * past a multiple of a step, which grows with the value: the cost for each byte is bounded.
 */
export function append(value: ByteString, piece: ByteString): string {
  const joined = textOf(value) + textOf(piece);
  if (piece.length >= SMALL_PIECE) return joined;
  const step = Math.max(256, 2 ** (Math.log2(joined.length) >> 0) / 64);
  const grownPastStep = Math.floor(value.length / step) !== Math.floor(joined.length / step);
  return grownPastStep ? flatten(joined) : joined;
}

/**
 * Makes V8 copy a concatenation into one piece, so that the strings that it was made of can be
 * freed.
 */
export function flatten(value: string): string {
  // Reading a character flattens it. The assignment keeps the optimizer from removing the read.
  sink.code = value.charCodeAt(0);
  return value;
}

const sink = { code: 0 };

/** Maximum number of long strings in one item: a key and its value. */
const WAITING_MAX = 2;

/** Assembles the strings that a snapshot holds in pieces, for the item that follows them. */
export class LongStrings {
  readonly #open = new ByteTail();
  readonly #waiting: ByteString[] = [];

  /** Whether no piece and no string waits for its item. */
  get isEmpty(): boolean {
    return this.#open.length === 0 && this.#waiting.length === 0;
  }

  /** Adds the piece in `bytes[from …]`, which is copied. */
  add(bytes: Uint8Array, from: number): void {
    const length = bytes.length - from;
    if (length <= 0 || length > PIECE_LENGTH_MAX || this.#open.length % PIECE_LENGTH_MAX) {
      throw wrongItem(["piece"], "it has a wrong length");
    }
    if (
      this.#waiting.length >= WAITING_MAX || this.#open.length + length > STRING_LENGTH_MAX
    ) {
      throw wrongItem(["piece"], "there are too many");
    }
    this.#open.append(bytes, from, bytes.length);
  }

  /** Ends a string with its item `["long", length]`. */
  finish(item: SnapshotItem): void {
    lengthOf(item, 2, 2);
    const { length } = this.#open;
    if (length <= SHORT_LENGTH_MAX || integerField(item, 1, 0) !== length) {
      throw wrongItem(item, `its pieces have a length of ${length}`);
    }
    if (length >= LONG_BYTES_MIN) this.#waiting.push(this.#open.take(length));
    else {
      this.#waiting.push(latin1(this.#open.bytes, 0, length));
      this.#open.clear();
    }
  }

  /** A string field of an item: its own text, or the next long string in the place of a 0. */
  field(item: SnapshotItem, index: number): ByteString {
    if (item[index] !== 0) {
      const text = textField(item, index);
      if (text.length > SHORT_LENGTH_MAX) throw wrongItem(item, `field ${index} is too long`);
      return text;
    }
    const text = this.#waiting.shift();
    if (text === undefined) throw wrongItem(item, `field ${index} has no string before it`);
    return text;
  }
}
