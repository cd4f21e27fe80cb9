import { assert } from "../base/assert.ts";
import { ExpiryHeap } from "./expiry_heap.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "./key_hash.ts";
import { KeyMap } from "./key_map.ts";
import { KeyspaceView } from "./keyspace_view.ts";
import { type DeadlineMs, type Expiry, Slot } from "./slot.ts";
import type { Value } from "./value.ts";
import { ValueArena } from "./value_arena.ts";

/** How many due keys one step of time removes at most, so that a storm of them stalls nobody. */
export const EXPIRED_PER_STEP_MAX = 1000;

/** What a key costs beside its own bytes and its value's: at most so much was measured on V8. */
export const KEY_OVERHEAD_BYTES = 160;
/** What a deadline costs. */
export const DEADLINE_BYTES = 80;

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
 * Keys and long values are kept as they are handed in: they must not be slices of larger strings,
 * which V8 would keep alive with them. Short values are copied.
 */
export class Keyspace {
  readonly #hashSeed: HashSeed;
  #slotOf: KeyMap<Slot>;
  #slots: Slot[] = [];
  #arena = new ValueArena(this.#slots);
  readonly #expiries = new ExpiryHeap();
  #timeMs = 0;
  #usedBytes = 0;
  #expiredCount = 0;
  #view: KeyspaceView | null = null;

  /** @param hashSeed of lookups, with no influence on anything that can be seen */
  constructor(hashSeed: HashSeed = DEFAULT_HASH_SEED) {
    this.#hashSeed = hashSeed;
    this.#slotOf = new KeyMap(hashSeed);
  }

  /** The log's time: milliseconds of the Unix epoch, never going back. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Number of keys, without those that are due. */
  get size(): number {
    return this.#slots.length - this.#expiries.countDue(this.#timeMs);
  }

  /** Number of keys in memory, due or not. */
  get storedSize(): number {
    return this.#slots.length;
  }

  /** Number of keys that have a deadline, due or not. */
  get volatileSize(): number {
    return this.#expiries.size;
  }

  /** About how much memory keys, values and deadlines take. */
  get usedBytes(): number {
    return this.#usedBytes + this.#expiries.size * DEADLINE_BYTES;
  }

  /** How much memory short values take, with the room between them; more than their bytes. */
  get arenaBytes(): number {
    return this.#arena.allocatedBytes;
  }

  /** How many keys have been removed because their time had come. */
  get expiredCount(): number {
    return this.#expiredCount;
  }

  /** Moves the log's time on, never back, and removes some of the keys that are due. */
  advanceTime(timeMs: number): void {
    if (timeMs > this.#timeMs) this.#timeMs = timeMs;
    for (let removed = 0; removed < EXPIRED_PER_STEP_MAX; removed++) {
      const earliest = this.#expiries.earliest();
      if (earliest === undefined || !this.#isDue(earliest)) return;
      this.#remove(earliest.slot);
      this.#expiredCount++;
    }
  }

  /** The earliest deadline, to be met by the next step of time; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#expiries.earliest();
    return earliest === undefined || typeof earliest.deadlineMs === "bigint"
      ? null
      : earliest.deadlineMs;
  }

  /** The slot of a key that exists. */
  find(key: string): Slot | undefined {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return undefined;
    return slot.expiry !== null && this.#isDue(slot.expiry) ? undefined : slot;
  }

  /** Gives the key this value and no deadline. */
  set(key: string, value: Value): Slot {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return this.#insert(key, value);
    this.update(slot, value);
    if (slot.expiry !== null) this.clearDeadline(slot);
    return slot;
  }

  /** Changes the value and keeps the deadline. */
  update(slot: Slot, value: Value): void {
    this.#view?.keep(slot);
    this.#usedBytes -= slot.valueBytes;
    slot.hold(value, this.#arena);
    this.#usedBytes += slot.valueBytes;
  }

  /** Sets the key's end; when that has come already, the key is removed. */
  setDeadline(slot: Slot, deadlineMs: DeadlineMs): void {
    if (deadlineMs <= this.#timeMs) {
      this.#remove(slot);
      return;
    }
    this.#view?.keep(slot);
    if (slot.expiry === null) {
      slot.expiry = { slot, deadlineMs, heapIndex: -1 };
      this.#expiries.add(slot.expiry);
    } else {
      slot.expiry.deadlineMs = deadlineMs;
      this.#expiries.moved(slot.expiry);
    }
  }

  clearDeadline(slot: Slot): void {
    if (slot.expiry === null) return;
    this.#view?.keep(slot);
    this.#expiries.remove(slot.expiry);
    slot.expiry = null;
  }

  /** Removes the key; tells whether it existed. */
  delete(key: string): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return false;
    const existed = slot.expiry === null || !this.#isDue(slot.expiry);
    this.#remove(slot);
    return existed;
  }

  /** Removes all keys. */
  clear(): void {
    this.#slotOf = new KeyMap(this.#hashSeed);
    this.#slots = [];
    this.#arena = new ValueArena(this.#slots);
    this.#expiries.clear();
    this.#usedBytes = 0;
    // A view goes on with the slots of before, which nobody changes any more.
    this.#view = null;
  }

  /** A view of all keys as they are now; one at a time. It costs nothing until keys change. */
  beginView(): KeyspaceView {
    assert(this.#view === null, "Cannot begin a view: current one has not ended");
    this.#view = new KeyspaceView(this.#slots);
    return this.#view;
  }

  endView(view: KeyspaceView): void {
    if (this.#view === view) this.#view = null;
  }

  /** Puts back what a snapshot holds of all keys together, before the keys themselves. */
  restore(timeMs: number, expiredCount: number): void {
    this.#timeMs = timeMs;
    this.#expiredCount = expiredCount;
  }

  /**
   * Puts a key back at the next position, even if it is due; tells whether it was new, as it must be.
   */
  restoreKey(key: string, value: Value, deadlineMs: DeadlineMs | null): boolean {
    if (this.#slotOf.has(key)) return false;
    const slot = this.#insert(key, value);
    if (deadlineMs === null) return true;
    slot.expiry = { slot, deadlineMs, heapIndex: -1 };
    this.#expiries.add(slot.expiry);
    return true;
  }

  /**
   * Looks at the next `count` positions. A whole scan starts with cursor 0 and ends when 0 comes
   * back; it meets every key that exists all the while at least once.
   */
  scan(cursor: number, count: number): { readonly cursor: number; readonly slots: Slot[] } {
    const size = this.#slots.length;
    const from = cursor === 0 || cursor > size ? size : cursor;
    const to = Math.max(0, from - count);
    const slots: Slot[] = [];
    for (let position = from - 1; position >= to; position--) {
      const slot = this.#slots[position];
      if (slot !== undefined && this.#isAlive(slot)) slots.push(slot);
    }
    return { cursor: to, slots };
  }

  /** The first key that exists at or after a position, going round; `null` when there is none. */
  keyNear(position: number): string | null {
    const size = this.#slots.length;
    for (let step = 0; step < size; step++) {
      const slot = this.#slots[(position + step) % size];
      if (slot !== undefined && this.#isAlive(slot)) return slot.key;
    }
    return null;
  }

  #insert(key: string, value: Value): Slot {
    const slot = new Slot(key, this.#slots.length);
    slot.hold(value, this.#arena);
    this.#slotOf.add(slot);
    this.#slots.push(slot);
    this.#usedBytes += KEY_OVERHEAD_BYTES + key.length + slot.valueBytes;
    return slot;
  }

  #remove(slot: Slot): void {
    this.#view?.keep(slot);
    this.clearDeadline(slot);
    this.#slotOf.delete(slot.key);
    slot.leave(this.#arena);
    const last = this.#slots.pop();
    if (last !== undefined && last !== slot) {
      this.#view?.keep(last);
      this.#slots[slot.position] = last;
      last.position = slot.position;
      this.#arena.moved(last);
    }
    slot.position = -1;
    this.#usedBytes -= KEY_OVERHEAD_BYTES + slot.key.length + slot.valueBytes;
  }

  #isAlive(slot: Slot): boolean {
    return slot.expiry === null || !this.#isDue(slot.expiry);
  }

  #isDue(expiry: Expiry): boolean {
    return expiry.deadlineMs <= this.#timeMs;
  }
}
