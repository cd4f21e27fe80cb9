import type { ByteString } from "../base/byte_string.ts";
import type { DeadlineMs } from "./deadlines.ts";
import { integerField, lengthOf, type SnapshotItem, wrongItem } from "./snapshot_items.ts";
import type { AnyValueType, TypedValue, ValueDecoder } from "./values/value_type.ts";

/** Builds one value that is not a string from the items of a snapshot. */
export class ValueLoader {
  readonly key: string;
  readonly type: AnyValueType;
  readonly deadlineMs: DeadlineMs | null;
  readonly #decoder: ValueDecoder<TypedValue>;
  #entries = 0;

  constructor(key: string, type: AnyValueType, deadlineMs: DeadlineMs | null) {
    this.key = key;
    this.type = type;
    this.deadlineMs = deadlineMs;
    this.#decoder = type.decoder();
  }

  /**
   * Takes `["part", string, …]`.
   *
   * @param strings those of the item, long ones in their places
   * @throws {SnapshotFormatError} as does `finish`
   */
  add(item: SnapshotItem, strings: readonly ByteString[]): void {
    const { entryLength } = this.type;
    if (strings.length === 0 || strings.length % entryLength !== 0) {
      throw wrongItem(item, `it has ${item.length} fields`);
    }
    for (let from = 0; from < strings.length; from += entryLength) {
      if (!this.#decoder.add(strings.slice(from, from + entryLength))) {
        throw wrongItem(item, `a ${this.type.name} has no such entry there`);
      }
      this.#entries++;
    }
  }

  /** Takes `["close", entries]`. */
  finish(item: SnapshotItem): TypedValue {
    lengthOf(item, 2, 2);
    if (integerField(item, 1, 1) !== this.#entries) {
      throw wrongItem(item, `there are ${this.#entries} entries`);
    }
    const value = this.#decoder.finish();
    if (value === null) throw wrongItem(item, "entries are missing");
    if (this.type.isEmpty(value)) throw wrongItem(item, "the value is empty");
    return value;
  }
}
