import { flatten } from "./rope.ts";
import { STRING_LENGTH_MAX } from "./value.ts";
import { PIECE_LENGTH_MAX, SHORT_LENGTH_MAX } from "./snapshot_format.ts";
import {
  integerField,
  lengthOf,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";

/** Strings up to this length are put into one piece at once, longer ones when they are first read. */
const FLATTENED_LENGTH_MAX = 2 ** 20;
/** A key and its value. */
const WAITING_MAX = 2;

/** Puts together strings that a snapshot tells in pieces, and hands them to the item they are for. */
export class LongStrings {
  #open = "";
  readonly #waiting: string[] = [];

  /** Whether nothing was told that no item has taken. */
  get isEmpty(): boolean {
    return this.#open === "" && this.#waiting.length === 0;
  }

  /** Takes a piece. */
  add(piece: string): void {
    if (piece === "" || piece.length > PIECE_LENGTH_MAX || this.#open.length % PIECE_LENGTH_MAX) {
      throw wrongItem(["piece"], "it has a wrong length");
    }
    if (
      this.#waiting.length >= WAITING_MAX || this.#open.length + piece.length > STRING_LENGTH_MAX
    ) {
      throw wrongItem(["piece"], "there are too many");
    }
    this.#open += piece;
  }

  /** Takes `["long", length]`. */
  finish(item: SnapshotItem): void {
    lengthOf(item, 2, 2);
    const { length } = this.#open;
    if (length <= SHORT_LENGTH_MAX || integerField(item, 1, 0) !== length) {
      throw wrongItem(item, `its pieces have a length of ${length}`);
    }
    this.#waiting.push(length <= FLATTENED_LENGTH_MAX ? flatten(this.#open) : this.#open);
    this.#open = "";
  }

  /** A string of an item: its own, or the next long one in place of a 0. */
  textField(item: SnapshotItem, index: number): string {
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
