import { type DeadlineMs, Deadlines } from "./deadlines.ts";
import { type Value, valueBytes } from "./value.ts";
import { assert } from "../base/errors.ts";
import { type Item, Items } from "./items.ts";
import { KeyFrequencies } from "./key_frequency.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "./key_table.ts";
import { DUE_KEY, imageAt, type KeyImage, type KeyName, KeyspaceView } from "./keyspace_view.ts";

/** How many due keys one step of time removes at most, so that a storm of them stalls nobody. */
export const EXPIRED_PER_STEP_MAX = 1000;

/** So many views of the keys alone can be open at once: each costs a copy at each write. */
export const KEY_VIEWS_MAX = 4;

/** So many positions are looked at in one step of what looks at many. */
const POSITIONS_PER_STEP = 1024;

/** What a key costs beside its own bytes and its value's: at most so much was measured on V8. */
export const KEY_OVERHEAD_BYTES = 160;

/** What a key has. */
export interface Found {
  readonly value: Value;
  /** When the key ends; `null`: never. */
  readonly deadlineMs: DeadlineMs | null;
}

/**
 * The keys and values of the replicated state machine.
 *
 * Every key has a position, 0 … size - 1, without gaps: removing one moves the last key into its
 * place. So a random key takes one step, and `scan` walks the positions downwards, where a key that
 * is moved can only be met again, never missed.
 *
 * Whether a key has expired is judged by the log's time alone (`advanceTime`). A due key that was
 * not removed yet counts as absent everywhere; reads change nothing. Equal calls in equal order give
 * equal states, positions included, and the state is no more than time, and (key, value, deadline)
 * in order of position.
 *
 * Keys and values that are handed in must not be slices of larger strings: V8 would keep those alive
 * with what is not copied.
 */
export class Keyspace {
  readonly #hashSeed: HashSeed;
  #items: Items;
  #deadlines = new Deadlines();
  #timeMs = 0;
  /** Without the deadlines. */
  #usedBytes = 0;
  #expiredCount = 0;
  /** Of this process alone, as are the stamps of items: no part of the state. */
  #hitCount = 0;
  #missCount = 0;
  readonly #frequencies = new KeyFrequencies();
  /** The access that is counted next: 1 is the next one. */
  #untilCounted = 1;
  #snapshotView: KeyspaceView | null = null;
  #keyViews = 0;
  /** All that are open, of either kind. */
  #views: readonly KeyspaceView<unknown>[] = [];

  /** @param hashSeed of lookups, with no influence on anything that can be seen */
  constructor(hashSeed: HashSeed = DEFAULT_HASH_SEED) {
    this.#hashSeed = hashSeed;
    this.#items = new Items(hashSeed);
  }

  /** The log's time: milliseconds of the Unix epoch, never going back. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Number of keys, without those that are due. Takes as many steps as there are due ones. */
  get size(): number {
    return this.#items.count - this.#deadlines.countDue(this.#timeMs);
  }

  /** The same, in steps that are short, however many are due. */
  *countInSteps(): Generator<void, number> {
    return this.#items.count - (yield* this.#deadlines.countDueInSteps(this.#timeMs));
  }

  /** Number of keys in memory, due or not. */
  get storedSize(): number {
    return this.#items.count;
  }

  /** Number of keys that have a deadline, due or not. */
  get volatileSize(): number {
    return this.#deadlines.size;
  }

  /** About how much memory keys, values and deadlines take. */
  get usedBytes(): number {
    return this.#usedBytes + this.#deadlines.usedBytes;
  }

  /** How much memory short keys and values take, with the room between them. */
  get arenaBytes(): number {
    return this.#items.arenaBytes;
  }

  /** How many keys have been removed because their time had come. */
  get expiredCount(): number {
    return this.#expiredCount;
  }

  /** How many reads have found their key here, and how many have not. */
  get lookUps(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hitCount, misses: this.#missCount };
  }

  /** Takes the time of the next accesses, which frequencies go by: the log's, or of who reads. */
  noteTime(nowMs: number): void {
    this.#frequencies.noteTime(nowMs);
  }

  /**
   * How often the key has been accessed here lately, as Redis's LFU counts it (0 … 255); `null` when
   * it does not exist. Nodes differ in it, so that no write may depend on it.
   */
  frequencyOf(key: string): number | null {
    const item = this.#items.find(key);
    if (item === undefined || this.#isDue(this.#items.positionOf(item))) return null;
    return this.#frequencies.of(this.#items.stampOf(item));
  }

  /** Moves the log's time on, never back, and removes some of the keys that are due. */
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

  /** The earliest deadline, to be met by the next step of time; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#deadlines.earliest();
    return earliest === undefined || typeof earliest.deadlineMs === "bigint"
      ? null
      : earliest.deadlineMs;
  }

  /** What a key has that exists. */
  find(key: string): Found | undefined {
    const item = this.#items.find(key);
    return item === undefined ? undefined : this.#foundAt(item);
  }

  /** As `find`, for a write that uses the key without changing its value: it counts as an access. */
  use(key: string): Found | undefined {
    const item = this.#items.find(key);
    const found = item === undefined ? undefined : this.#foundAt(item);
    if (item !== undefined && found !== undefined) this.#noteAccess(item);
    return found;
  }

  /** As `find`, for a read that a client asked for: an access, which is a hit or a miss. */
  lookUp(key: string): Found | undefined {
    const item = this.#items.find(key);
    const found = item === undefined ? undefined : this.#foundAt(item);
    if (item === undefined || found === undefined) {
      this.#missCount++;
    } else {
      this.#hitCount++;
      this.#noteAccess(item);
    }
    return found;
  }

  /** As `lookUp`, for a read that tells about the key and does not use it: it is no access. */
  inspect(key: string): Found | undefined {
    const found = this.find(key);
    if (found === undefined) this.#missCount++;
    else this.#hitCount++;
    return found;
  }

  /** Whether a key exists. */
  has(key: string): boolean {
    const item = this.#items.find(key);
    return item !== undefined && !this.#isDue(this.#items.positionOf(item));
  }

  /** Gives the key this value and no deadline. */
  set(key: string, value: Value): void {
    const item = this.#items.find(key);
    if (item === undefined) {
      this.#insert(key, value);
      return;
    }
    const position = this.#items.positionOf(item);
    this.#change(item, key, value);
    if (this.#deadlines.at(position) !== null) this.#deadlines.delete(position);
  }

  /** Gives the key this value, and keeps its deadline if it exists and has one. */
  update(key: string, value: Value): void {
    const item = this.#items.find(key);
    if (item === undefined || this.#isDue(this.#items.positionOf(item))) this.set(key, value);
    else this.#change(item, key, value);
  }

  /** Sets the end of a key that exists; when that has come already, the key is removed. */
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

  /** Takes the end of a key that exists away, if it has one. */
  clearDeadline(key: string): void {
    const position = this.#items.positionOf(this.#itemOf(key));
    if (this.#deadlines.at(position) === null) return;
    this.#keep(position);
    this.#deadlines.delete(position);
  }

  /** Removes the key; tells whether it existed. */
  delete(key: string): boolean {
    const item = this.#items.find(key);
    if (item === undefined) return false;
    const existed = !this.#isDue(this.#items.positionOf(item));
    this.#remove(item, key);
    return existed;
  }

  /** Removes all keys. */
  clear(): void {
    // A view goes on with the items and deadlines of before, which nobody changes any more.
    this.#items = new Items(this.#hashSeed);
    this.#deadlines = new Deadlines();
    this.#usedBytes = 0;
    this.#views = [];
    this.#snapshotView = null;
    this.#keyViews = 0;
  }

  /** A view of all keys as they are now; one at a time. It costs nothing until keys change. */
  beginView(): KeyspaceView {
    assert(this.#snapshotView === null, "Cannot begin a view: current one has not ended");
    const items = this.#items;
    const deadlines = this.#deadlines;
    const view = new KeyspaceView(items.count, (position) => imageAt(items, deadlines, position));
    this.#snapshotView = view;
    this.#views = [...this.#views, view];
    return view;
  }

  /**
   * A view of the keys that exist now, without their values. `null` when there are `KEY_VIEWS_MAX`
   * already.
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
    if (views.length === this.#views.length) return; // all keys were removed meanwhile
    this.#views = views;
    if (view === this.#snapshotView) this.#snapshotView = null;
    else this.#keyViews--;
  }

  /** Puts back what a snapshot holds of all keys together, before the keys themselves. */
  restore(timeMs: number, expiredCount: number): void {
    this.#timeMs = timeMs;
    this.#frequencies.noteTime(timeMs);
    this.#expiredCount = expiredCount;
  }

  /**
   * Puts a key back at the next position, even if it is due; tells whether it was new, as it must be.
   */
  restoreKey({ key, value, deadlineMs }: KeyImage): boolean {
    if (this.#items.find(key) !== undefined) return false;
    const position = this.#items.count;
    this.#insert(key, value);
    if (deadlineMs !== null) this.#deadlines.set(position, key, deadlineMs);
    return true;
  }

  /**
   * Looks at the next `count` positions. A whole scan starts with cursor 0 and ends when 0 comes
   * back; it meets every key that exists all the while at least once.
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
   * The first key that exists at or after a position, going round; `null` when there is none. In
   * steps that are short, however many keys are due.
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

  #insert(key: string, value: Value): void {
    this.#items.add(key, value, this.#frequencies.newStamp());
    this.#usedBytes += KEY_OVERHEAD_BYTES + key.length + valueBytes(value);
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

  /** To be called before what stands at a position changes or leaves it. */
  #keep(position: number): void {
    for (const view of this.#views) view.keep(position);
  }

  #isDue(position: number): boolean {
    const deadlineMs = this.#deadlines.at(position);
    return deadlineMs !== null && deadlineMs <= this.#timeMs;
  }
}
