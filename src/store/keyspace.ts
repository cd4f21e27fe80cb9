import { type ByteString, isByteString } from "../base/byte_string.ts";
import { assert } from "../base/errors.ts";
import { type DeadlineMs, Deadlines, EXPIRED_PER_STEP_MAX } from "./deadlines.ts";
import { type Item, Items } from "./items.ts";
import { KeyFrequencies } from "./key_frequency.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "./key_table.ts";
import { DUE_KEY, imageAt, KEY_VIEWS_MAX, type KeyName, KeyspaceView } from "./keyspace_view.ts";
import { type Found, isOfType, type Value, valueBytes } from "./values/value.ts";
import type { TypedValue, ValueType } from "./values/value_type.ts";

/** Number of positions that one step of `keyNearInSteps` looks at. */
const POSITIONS_PER_STEP = 1024;

/** Memory that a key takes beside its own bytes and its value's, as measured on V8 at the worst. */
export const KEY_OVERHEAD_BYTES = 160;

/** Lower than every epoch. As an owner's: the value is a string, or another key may hold it. */
const NO_EPOCH = 0;

/**
 * The keys and values of the replicated state machine.
 *
 * Every key has a position from 0 to size - 1, without gaps: when a key is removed, the last one
 * takes its position. So a random key is found in constant time. `scan` walks the positions
 * downwards, so that it may return a key that moves twice, but never misses one.
 *
 * A key expires by the log's time alone (`advanceTime`). A key that is due and not removed yet
 * counts as absent everywhere. Reads change nothing. Equal calls in equal order give equal states,
 * positions included. The state consists of the time, and of keys, values and deadlines by position.
 *
 * A key or string that is handed in must not be a slice of a larger string, which V8 would keep in
 * memory with it.
 */
export class Keyspace {
  readonly #hashSeed: HashSeed;
  #items: Items;
  #deadlines = new Deadlines();
  #timeMs = 0;
  /** Memory of keys and values, without that of deadlines. */
  #usedBytes = 0;
  #expiredCount = 0;
  /**
   * Number of reads that found their key, and of those that did not. Counted by this process alone,
   * as are the stamps of items: no part of the state.
   */
  readonly lookUps = { hits: 0, misses: 0 };
  readonly #frequencies = new KeyFrequencies();
  /** Number of accesses until one is counted: 1 is the next one. */
  #untilCounted = 1;
  #snapshotView: KeyspaceView | null = null;
  /** Rises when a view of the values begins, to distinguish earlier values from later ones. */
  #epoch = 1;
  /** The open view may hold values stored up to this epoch; `NO_EPOCH`: no view is open. */
  #viewEpoch = NO_EPOCH;
  #keyViews = 0;
  /** The open views of both kinds. */
  #views: readonly KeyspaceView<unknown>[] = [];

  /** @param hashSeed seeds the hash table. It has no influence on results */
  constructor(hashSeed: HashSeed = DEFAULT_HASH_SEED) {
    this.#hashSeed = hashSeed;
    this.#items = new Items(hashSeed);
  }

  /** The log's time in milliseconds of the Unix epoch. It never goes back. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Number of keys that are not due. Takes time in proportion to the number of due ones. */
  get size(): number {
    return this.#items.count - this.#deadlines.countDue(this.#timeMs);
  }

  /** As `size`, in steps of a bounded time. */
  *countInSteps(): Generator<void, number> {
    return this.#items.count - (yield* this.#deadlines.countDueInSteps(this.#timeMs));
  }

  /** Number of keys in memory, including those that are due. */
  get storedSize(): number {
    return this.#items.count;
  }

  /** Number of keys that have a deadline, including those that are due. */
  get volatileSize(): number {
    return this.#deadlines.size;
  }

  /** Estimated memory of keys, values and deadlines, in bytes. */
  get usedBytes(): number {
    return this.#usedBytes + this.#deadlines.usedBytes;
  }

  /** Memory allocated for short keys with short values, in bytes, including what is free. */
  get arenaBytes(): number {
    return this.#items.arenaBytes;
  }

  /** Number of keys that have expired and were removed. */
  get expiredCount(): number {
    return this.#expiredCount;
  }

  /**
   * Sets the time of the next accesses: that of the log for a write, of the node's clock for a
   * read.
   */
  noteTime(nowMs: number): void {
    this.#frequencies.noteTime(nowMs);
  }

  /**
   * How often the key was accessed at this node lately, as Redis's LFU counts it (0 … 255); `null`
   * when it does not exist. It differs between nodes, so that no write may depend on it.
   */
  frequencyOf(key: string): number | null {
    const item = this.#items.find(key);
    if (item === undefined || this.#isDue(this.#items.positionOf(item))) return null;
    return this.#frequencies.of(this.#items.stampOf(item));
  }

  /** Advances the log's time, which never goes back, and removes some of the keys that are due. */
  advanceTime(timeMs: number): void {
    if (timeMs > this.#timeMs) this.#timeMs = timeMs;
    this.#items.tidy();
    for (let removed = 0; removed < EXPIRED_PER_STEP_MAX; removed++) {
      const earliest = this.#deadlines.earliest();
      if (earliest === undefined || earliest.deadlineMs > this.#timeMs) return;
      this.#remove(this.#itemOf(earliest.key), earliest.key);
      this.#expiredCount++;
    }
  }

  /** The earliest deadline, at which the time should be advanced; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#deadlines.earliest();
    return earliest === undefined || typeof earliest.deadlineMs === "bigint"
      ? null
      : earliest.deadlineMs;
  }

  /** The value and deadline of a key, if it exists. */
  find(key: string): Found | undefined {
    const item = this.#items.find(key);
    return item === undefined ? undefined : this.#foundAt(item);
  }

  /** As `find`, for a write that uses the key without changing its value: counts an access. */
  use(key: string): Found | undefined {
    const item = this.#items.find(key);
    const found = item === undefined ? undefined : this.#foundAt(item);
    if (item !== undefined && found !== undefined) this.#noteAccess(item);
    return found;
  }

  /** As `find`, for a read of a client: counts an access, and a hit or a miss. */
  lookUp(key: string): Found | undefined {
    const item = this.#items.find(key);
    const found = item === undefined ? undefined : this.#foundAt(item);
    if (item === undefined || found === undefined) {
      this.lookUps.misses++;
    } else {
      this.lookUps.hits++;
      this.#noteAccess(item);
    }
    return found;
  }

  /** As `lookUp`, for a read that only asks about the key: counts no access. */
  inspect(key: string): Found | undefined {
    const found = this.find(key);
    if (found === undefined) this.lookUps.misses++;
    else this.lookUps.hits++;
    return found;
  }

  /** Whether a key exists. */
  has(key: string): boolean {
    const item = this.#items.find(key);
    return item !== undefined && !this.#isDue(this.#items.positionOf(item));
  }

  /** Gives the key this string and no deadline. */
  set(key: string, value: ByteString): void {
    this.#set(key, value);
  }

  /** Gives the key this string, and keeps its deadline if it exists and has one. */
  update(key: string, value: ByteString): void {
    const item = this.#items.find(key);
    if (item === undefined || this.#isDue(this.#items.positionOf(item))) this.#set(key, value);
    else this.#change(item, key, value);
  }

  /**
   * Changes the value of a key, which must not hold another type. A key that does not exist begins
   * with an empty value. The key keeps its deadline; it is removed if the value ends up empty.
   * There is no other way to obtain a value that can be changed: one that an open view or another
   * key holds is copied first.
   *
   * @param change must not use the keyspace, and must not keep the value
   */
  edit<View extends TypedValue, Editable extends View, Result>(
    key: string,
    type: ValueType<View, Editable>,
    change: (value: Editable) => Result,
  ): Result {
    const item = this.#items.find(key);
    if (item === undefined || this.#isDue(this.#items.positionOf(item))) {
      return this.#editNew(key, type, change);
    }
    const value = this.#items.valueOf(item);
    assert(isOfType(value, type), "Cannot edit a value: it is of another type");
    const isOwned = this.#items.ownedSince(item) > this.#viewEpoch;
    const editable = isOwned ? value as Editable : type.clone(value);
    const bytesBefore = type.bytes(value);
    this.#noteAccess(item);
    // What `change` did before it threw is kept. Otherwise it would be lost on the nodes that
    // happen to have copied the value, and kept on those that have not.
    try {
      return change(editable);
    } finally {
      assert(this.#items.find(key) === item, "Cannot edit a value: its key was touched meanwhile");
      if (editable !== value) {
        this.#keep(this.#items.positionOf(item));
        this.#items.update(item, key, editable);
        this.#items.setOwnedSince(item, this.#epoch);
      }
      this.#usedBytes += type.bytes(editable) - bytesBefore;
      if (type.isEmpty(editable)) this.#remove(item, key);
    }
  }

  #editNew<View extends TypedValue, Editable extends View, Result>(
    key: string,
    type: ValueType<View, Editable>,
    change: (value: Editable) => Result,
  ): Result {
    const editable = type.create();
    try {
      return change(editable);
    } finally {
      if (!type.isEmpty(editable)) this.#put(key, editable, this.#epoch);
    }
  }

  /** Renames a key that exists, and replaces a key that has the new name. Takes constant time. */
  rename(from: string, to: string): void {
    const item = this.#itemOf(from);
    const value = this.#items.valueOf(item);
    const ownedSince = this.#items.ownedSince(item);
    const deadlineMs = this.#deadlines.at(this.#items.positionOf(item));
    this.#remove(item, from);
    this.#put(to, value, ownedSince);
    if (deadlineMs !== null) this.setDeadline(to, deadlineMs);
  }

  /**
   * Gives another key the value and the deadline of a key that exists. Takes constant time: both
   * keys hold the same value until one of them is edited.
   */
  copy(from: string, to: string): void {
    const item = this.#itemOf(from);
    const deadlineMs = this.#deadlines.at(this.#items.positionOf(item));
    this.#items.setOwnedSince(item, NO_EPOCH);
    this.#put(to, this.#items.valueOf(item), NO_EPOCH);
    if (deadlineMs !== null) this.setDeadline(to, deadlineMs);
  }

  /** Sets the deadline of a key that exists, or removes the key if the deadline has passed. */
  setDeadline(key: string, deadlineMs: DeadlineMs): void {
    const item = this.#itemOf(key);
    if (deadlineMs <= this.#timeMs) {
      this.#remove(item, key);
      return;
    }
    const position = this.#items.positionOf(item);
    this.#keep(position);
    this.#deadlines.set(position, key, deadlineMs);
  }

  /** Removes the deadline of a key that exists, if it has one. */
  clearDeadline(key: string): void {
    const position = this.#items.positionOf(this.#itemOf(key));
    if (this.#deadlines.at(position) === null) return;
    this.#keep(position);
    this.#deadlines.delete(position);
  }

  /** Removes a key. Returns whether it existed. */
  delete(key: string): boolean {
    const item = this.#items.find(key);
    if (item === undefined) return false;
    const existed = !this.#isDue(this.#items.positionOf(item));
    this.#remove(item, key);
    return existed;
  }

  /** Removes all keys. */
  clear(): void {
    // An open view keeps the old items and deadlines, which nobody changes any more.
    this.#items = new Items(this.#hashSeed);
    this.#deadlines = new Deadlines();
    this.#usedBytes = 0;
    this.#views = [];
    this.#snapshotView = null;
    this.#viewEpoch = NO_EPOCH;
    this.#keyViews = 0;
  }

  /** Begins a view of all keys as they are now. Only one is open at a time. Takes constant time. */
  beginView(): KeyspaceView {
    assert(this.#snapshotView === null, "Cannot begin a view: current one has not ended");
    const items = this.#items;
    const deadlines = this.#deadlines;
    const view = new KeyspaceView(items.count, (position) => imageAt(items, deadlines, position));
    this.#snapshotView = view;
    this.#viewEpoch = this.#epoch++;
    this.#views = [...this.#views, view];
    return view;
  }

  /**
   * Begins a view of the keys that exist now, without their values. Returns `null` while
   * `KEY_VIEWS_MAX` are open.
   */
  beginKeyView(): KeyspaceView<KeyName> | null {
    if (this.#keyViews >= KEY_VIEWS_MAX) return null;
    const items = this.#items;
    const deadlines = this.#deadlines;
    const timeMs = this.#timeMs;
    const view = new KeyspaceView(items.count, (position): KeyName => {
      const deadlineMs = deadlines.at(position);
      const exists = deadlineMs === null || deadlineMs > timeMs;
      return exists ? { key: items.keyOf(items.at(position)) } : DUE_KEY;
    });
    this.#keyViews++;
    this.#views = [...this.#views, view];
    return view;
  }

  endView(view: KeyspaceView<unknown>): void {
    const views = this.#views.filter((one) => one !== view);
    if (views.length === this.#views.length) return; // `clear` has ended it
    this.#views = views;
    if (view === this.#snapshotView) {
      this.#snapshotView = null;
      this.#viewEpoch = NO_EPOCH;
    } else {
      this.#keyViews--;
    }
  }

  /**
   * Restores what a snapshot holds about all keys together. To be called before keys are restored.
   */
  restore(timeMs: number, expiredCount: number): void {
    this.#timeMs = timeMs;
    this.#frequencies.noteTime(timeMs);
    this.#expiredCount = expiredCount;
  }

  /**
   * Restores a key with a string at the next position, even if it is due. Returns false when the
   * key is there already.
   */
  restoreString(key: string, value: ByteString, deadlineMs: DeadlineMs | null): boolean {
    return this.#restore(key, value, deadlineMs, NO_EPOCH);
  }

  /** As `restoreString`, for a value of another type. The caller must not keep the value. */
  restoreValue<View extends TypedValue, Editable extends View>(
    key: string,
    _type: ValueType<View, Editable>,
    value: NoInfer<Editable>,
    deadlineMs: DeadlineMs | null,
  ): boolean {
    return this.#restore(key, value, deadlineMs, this.#epoch);
  }

  #restore(
    key: string,
    value: Value,
    deadlineMs: DeadlineMs | null,
    ownedSince: number,
  ): boolean {
    if (this.#items.find(key) !== undefined) return false;
    const position = this.#items.count;
    this.#put(key, value, ownedSince);
    if (deadlineMs !== null) this.#deadlines.set(position, key, deadlineMs);
    return true;
  }

  /**
   * Returns the keys at the next `count` positions. A whole scan starts with cursor 0 and ends when
   * cursor 0 is returned. It returns every key that exists throughout the scan at least once.
   */
  scan(cursor: number, count: number): { readonly cursor: number; readonly keys: string[] } {
    const size = this.#items.count;
    const from = cursor === 0 || cursor > size ? size : cursor;
    const to = Math.max(0, from - count);
    const keys: string[] = [];
    for (let position = from - 1; position >= to; position--) {
      const key = this.keyAt(position);
      if (key !== null) keys.push(key);
    }
    return { cursor: to, keys };
  }

  /**
   * The first key that exists at or after a position, continuing from position 0 after the last
   * one; `null` when no key exists. In steps of a bounded time.
   */
  *keyNearInSteps(position: number): Generator<void, string | null> {
    const size = this.#items.count;
    for (let step = 0; step < size; step++) {
      const key = this.keyAt((position + step) % size);
      if (key !== null) return key;
      if ((step + 1) % POSITIONS_PER_STEP === 0) yield;
    }
    return null;
  }

  /** The key at a position, if it exists. */
  keyAt(position: number): string | null {
    return this.#isDue(position) ? null : this.#items.keyOf(this.#items.at(position));
  }

  #itemOf(key: string): Item {
    const item = this.#items.find(key);
    assert(item !== undefined, "Cannot change a key: it is not there");
    return item;
  }

  #foundAt(item: Item): Found | undefined {
    const deadlineMs = this.#deadlines.at(this.#items.positionOf(item));
    if (deadlineMs !== null && deadlineMs <= this.#timeMs) return undefined;
    return { value: this.#items.valueOf(item), deadlineMs };
  }

  #noteAccess(item: Item): void {
    if (--this.#untilCounted === 0) this.#countAccess(item);
  }

  #countAccess(item: Item): void {
    this.#untilCounted = this.#frequencies.drawNext();
    this.#items.setStamp(item, this.#frequencies.afterAccess(this.#items.stampOf(item)));
  }

  /** Gives the key a value of any type and no deadline. */
  #put(key: string, value: Value, ownedSince: number): void {
    this.#set(key, value);
    if (!isByteString(value)) this.#items.setOwnedSince(this.#itemOf(key), ownedSince);
  }

  /** As `#put`, without the epoch since which this key alone holds the value. */
  #set(key: string, value: Value): void {
    const item = this.#items.find(key);
    if (item === undefined) {
      this.#items.add(key, value, this.#frequencies.newStamp());
      this.#usedBytes += KEY_OVERHEAD_BYTES + key.length + valueBytes(value);
      return;
    }
    const position = this.#items.positionOf(item);
    this.#change(item, key, value);
    if (this.#deadlines.at(position) !== null) this.#deadlines.delete(position);
  }

  #change(item: Item, key: string, value: Value): void {
    if (this.#views.length > 0) this.#keep(this.#items.positionOf(item));
    this.#noteAccess(item);
    this.#usedBytes += valueBytes(value) - this.#items.valueBytesOf(item);
    this.#items.update(item, key, value);
  }

  #remove(item: Item, key: string): void {
    const position = this.#items.positionOf(item);
    const last = this.#items.count - 1; // which takes its position
    this.#keep(position);
    this.#keep(last);
    this.#deadlines.delete(position);
    this.#deadlines.moved(last, position);
    this.#usedBytes -= KEY_OVERHEAD_BYTES + key.length + this.#items.valueBytesOf(item);
    this.#items.remove(item, key);
  }

  /** To be called before the key at a position changes or moves. */
  #keep(position: number): void {
    for (const view of this.#views) view.keep(position);
  }

  #isDue(position: number): boolean {
    const deadlineMs = this.#deadlines.at(position);
    return deadlineMs !== null && deadlineMs <= this.#timeMs;
  }
}
