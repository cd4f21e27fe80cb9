import { type ByteString, LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { latin1 } from "../base/bytes.ts";
import { ByteTail } from "../resp/byte_tail.ts";
import { STRING_LENGTH_MAX } from "./value.ts";
import {
  integerField,
  lengthOf,
  PIECE_LENGTH_MAX,
  SHORT_LENGTH_MAX,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";

/**
 * Below this many characters an appended piece is small against what the engine keeps for a
 * concatenation.
 */
const SMALL_PIECE = 1024;

/**
 * Concatenates for keeping. The engine joins two strings without copying, which is what makes
 * appending cheap; but each join costs some 32 bytes, so a value made of many small pieces would
 * take many times its length. Therefore it is copied into one piece whenever small pieces have
 * made it grow past a multiple of a step that grows with it: a bounded cost for each byte.
 */
export function append(value: ByteString, piece: ByteString): string {
  const joined = textOf(value) + textOf(piece);
  if (piece.length >= SMALL_PIECE) return joined;
  const step = Math.max(256, 2 ** (Math.log2(joined.length) >> 0) / 64);
  const grownPastStep = Math.floor(value.length / step) !== Math.floor(joined.length / step);
  return grownPastStep ? flatten(joined) : joined;
}

/**
 * Makes the engine copy a string that it has put together from others into one piece, so that those
 * others can be freed.
 */
export function flatten(value: string): string {
  // Reading a character does it; keeping what was read stops the optimizer from leaving that out.
  sink.code = value.charCodeAt(0);
  return value;
}

const sink = { code: 0 };

/** A key and its value. */
const WAITING_MAX = 2;

/** Puts together strings that a snapshot tells in pieces, and hands them to the item they are for. */
export class LongStrings {
  readonly #open = new ByteTail();
  readonly #waiting: ByteString[] = [];

  /** Whether nothing was told that no item has taken. */
  get isEmpty(): boolean {
    return this.#open.length === 0 && this.#waiting.length === 0;
  }

  /** Takes the piece in `bytes[from …]`, which is copied. */
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

  /** Takes `["long", length]`. */
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

  /** A string of an item: its own, or the next long one in place of a 0. */
  field(item: SnapshotItem, index: number): ByteString {
    if (item[index] !== 0) {
      const text = textField(item, index);
      if (text.length > SHORT_LENGTH_MAX) throw wrongItem(item, `field ${index} is too long`);
      return text;
    }
    const text = this.#waiting.shift();
    if (text === undefined) throw wrongItem(item, `field ${index} was not told before`);
    return text;
  }
}
