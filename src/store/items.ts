import { assert } from "../base/errors.ts";
import { type HashSeed, KeyIndex, type KeyOwner } from "./key_table.ts";
import { RECORD_KEY_BYTES_MAX, RECORD_VALUE_BYTES_MAX, RecordArena } from "./record_arena.ts";
import { type Value, valueBytes } from "./values/value.ts";

/** Items per block, a power of two. V8 copies an array of this length within microseconds. */
const BLOCK = 1 << 13;
const SHIFT = 13;

/**
 * A list that grows and shrinks at its end in constant time. An array would copy all of itself each
 * time it grows: 7 MB, which takes tens of milliseconds, with 900,000 items.
 */
export class BlockList<T> {
  readonly #blocks: T[][] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** `undefined` beyond the end. */
  at(index: number): T | undefined {
    return this.#blocks[index >>> SHIFT]?.[index & (BLOCK - 1)];
  }

  /** Replaces the item at an index below `length`. */
  set(index: number, item: T): void {
    const block = this.#blocks[index >>> SHIFT];
    if (block !== undefined) block[index & (BLOCK - 1)] = item;
  }

  push(item: T): void {
    const last = this.#blocks[this.#length >>> SHIFT];
    if (last === undefined) this.#blocks.push([item]);
    else last.push(item);
    this.#length++;
  }

  pop(): T | undefined {
    if (this.#length === 0) return undefined;
    this.#length--;
    const last = this.#blocks[this.#length >>> SHIFT];
    const item = last?.pop();
    if (last?.length === 0) this.#blocks.pop();
    return item;
  }
}

/**
 * A key and its value that do not fit into the arena: one of them is long, or the value no string.
 */
class LongItem {
  readonly key: string;
  value: Value;
  position: number;
  stamp: number;
  ownedSince = 0;

  constructor(position: number, key: string, value: Value, stamp: number) {
    this.position = position;
    this.stamp = stamp;
    this.key = key;
    this.value = value;
  }
}

/**
 * A key with its value: the place of its record in the arena, or a `LongItem`. It is valid until
 * any item changes or is removed.
 */
export type Item = number | LongItem;

/**
 * Keys with their values, found by key and by position. Every key has a position from 0 to count -
 * 1, without gaps: when a key is removed, the last one takes its position.
 *
 * Long keys and values are stored as they are handed in. They must not be slices of larger strings,
 * which V8 would keep in memory with them. Short ones are copied.
 */
export class Items implements KeyOwner<Item> {
  readonly #arena = new RecordArena((from, to) => this.#moved(from, to));
  readonly #index: KeyIndex<Item>;
  readonly #byPosition = new BlockList<Item>();

  /** @param hashSeed seeds the hash table. It has no influence on results */
  constructor(hashSeed: HashSeed) {
    this.#index = new KeyIndex(hashSeed, this);
  }

  get count(): number {
    return this.#byPosition.length;
  }

  /** Memory allocated for short keys with short values, in bytes, including what is free. */
  get arenaBytes(): number {
    return this.#arena.allocatedBytes;
  }

  /** Frees a bounded amount of memory of the arena, if it has some to free. Items change by it. */
  tidy(): void {
    this.#arena.tidy();
  }

  find(key: string): Item | undefined {
    return this.#index.get(key);
  }

  at(position: number): Item {
    const item = this.#byPosition.at(position);
    assert(item !== undefined, "Cannot find an item: no key has that position");
    return item;
  }

  hasKey(item: Item, key: string): boolean {
    return typeof item === "number" ? this.#arena.hasKey(item, key) : item.key === key;
  }

  keyOf(item: Item): string {
    return typeof item === "number" ? this.#arena.keyAt(item) : item.key;
  }

  valueOf(item: Item): Value {
    return typeof item === "number" ? this.#arena.valueAt(item) : item.value;
  }

  /**
   * The epoch of the keyspace since which this key alone has held its value, unless it is a string.
   */
  ownedSince(item: Item): number {
    return typeof item === "number" ? 0 : item.ownedSince;
  }

  setOwnedSince(item: Item, epoch: number): void {
    if (typeof item !== "number") item.ownedSince = epoch;
  }

  /** Estimated memory of the value, in bytes. */
  valueBytesOf(item: Item): number {
    return typeof item === "number" ? this.#arena.valueLengthAt(item) : valueBytes(item.value);
  }

  positionOf(item: Item): number {
    return typeof item === "number" ? this.#arena.positionAt(item) : item.position;
  }

  /** The stamp of the key's accesses, as `add` or `setStamp` has stored it. */
  stampOf(item: Item): number {
    return typeof item === "number" ? this.#arena.stampAt(item) : item.stamp;
  }

  setStamp(item: Item, stamp: number): void {
    if (typeof item === "number") this.#arena.setStampAt(item, stamp);
    else item.stamp = stamp;
  }

  /** Adds a key that is not there, at the next position. For the epoch, see `update`. */
  add(key: string, value: Value, stamp: number): void {
    const item = this.#make(this.#byPosition.length, key, value, stamp);
    this.#index.add(key, item);
    this.#byPosition.push(item);
  }

  /** Gives the key of an item another value, whose epoch must then be set unless it is a string. */
  update(item: Item, key: string, value: Value): void {
    if (typeof item === "number") {
      if (typeof value === "string" && this.#arena.overwrite(item, value)) return;
    } else if (!isShort(key, value)) {
      item.value = value;
      return;
    }
    const position = this.positionOf(item);
    const changed = this.#make(position, key, value, this.stampOf(item));
    this.#index.replace(key, item, changed);
    this.#byPosition.set(position, changed);
    if (typeof item === "number") this.#arena.remove(item);
  }

  /** Removes the key of an item. */
  remove(item: Item, key: string): void {
    this.#index.delete(key);
    const position = this.positionOf(item);
    const last = this.#byPosition.pop();
    if (last !== undefined && last !== item) {
      this.#byPosition.set(position, last);
      if (typeof last === "number") this.#arena.setPositionAt(last, position);
      else last.position = position;
    }
    if (typeof item === "number") this.#arena.remove(item);
  }

  #make(position: number, key: string, value: Value, stamp: number): Item {
    return isShort(key, value)
      ? this.#arena.add(position, key, value, stamp)
      : new LongItem(position, key, value, stamp);
  }

  /** The arena has moved a record. */
  #moved(from: number, to: number): void {
    this.#byPosition.set(this.#arena.positionAt(to), to);
    this.#index.replace(this.#arena.keyAt(to), from, to);
  }
}

function isShort(key: string, value: Value): value is string {
  return typeof value === "string" && value.length <= RECORD_VALUE_BYTES_MAX &&
    key.length <= RECORD_KEY_BYTES_MAX;
}
