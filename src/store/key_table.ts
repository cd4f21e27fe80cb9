import { assert } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";

/**
 * Longest key that is hashed here, in bytes. A loop over the bytes of longer keys would take too
 * long.
 */
export const HASHED_KEY_LENGTH_MAX = 256;

/** One word for each byte of the longest key, and one for each length. */
export const HASH_SEED_WORDS = 2 * HASHED_KEY_LENGTH_MAX + 1;

/**
 * `HASH_SEED_WORDS` random words, drawn by each process. Nobody who does not know them can choose
 * keys that collide.
 */
export type HashSeed = Int32Array<ArrayBuffer>;

/** A fixed seed, for states that no client reaches. */
export const DEFAULT_HASH_SEED: HashSeed = seedOf(1);

/**
 * A hash of 30 bits of a key of at most `HASHED_KEY_LENGTH_MAX` bytes, which depends on each byte
 * and on the seed.
 *
 * First the bytes are summed, each multiplied by the random word of its index: for any two keys,
 * the upper 25 bits of the sums collide as seldom as those of random numbers (Carter and Wegman,
 * "Universal classes of hash functions", 1979). The products do not depend on each other, unlike
 * the steps of a chained hash. Then the bits are mixed by a bijection (the finalizer of
 * MurmurHash3), since similar keys have similar sums.
 */
export function hashOf(seed: HashSeed, key: string): number {
  const { length } = key;
  let sum = seed[HASHED_KEY_LENGTH_MAX + length] as number;
  for (let at = 0; at < length; at++) {
    sum = (sum + Math.imul(seed[at] as number, key.charCodeAt(at))) | 0;
  }
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  // V8 keeps a number of 30 bits in an array without an object for it, on every machine.
  return (sum ^ (sum >>> 16)) >>> (32 - HASH_BITS);
}

/** Number of bits of a hash. */
export const HASH_BITS = 30;

/** A seed derived from a number, for tests. */
export function seedOf(number: number): HashSeed {
  const random = seededRandom(number);
  return Int32Array.from({ length: HASH_SEED_WORDS }, () => random() * 2 ** 32 | 0);
}

/**
 * Items by their keys, which the owner of the items knows. It grows and shrinks without a pause. A
 * lookup takes half the time of a `Map` of V8 for a string that was never hashed. Long keys are in
 * maps: V8 hashes them faster, and each string once only.
 */
export class KeyIndex<T extends number | object> {
  readonly #table: KeyTable<T>;
  readonly #longKeys = new PartedMap<T>();

  /** @param seed has no influence on results */
  constructor(seed: HashSeed, owner: KeyOwner<T>) {
    this.#table = new KeyTable(seed, owner);
  }

  get(key: string): T | undefined {
    return isLong(key) ? this.#longKeys.get(key) : this.#table.get(key);
  }

  /** Adds an item whose key is not there. */
  add(key: string, item: T): void {
    if (isLong(key)) this.#longKeys.set(key, item);
    else this.#table.add(key, item);
  }

  /** Replaces an item by another one of the same key. */
  replace(key: string, item: T, by: T): void {
    if (isLong(key)) this.#longKeys.set(key, by);
    else this.#table.replace(key, item, by);
  }

  /** Removes the item of a key. Returns whether it was there. */
  delete(key: string): boolean {
    return isLong(key) ? this.#longKeys.delete(key) : this.#table.delete(key);
  }
}

function isLong(key: string): boolean {
  return key.length > HASHED_KEY_LENGTH_MAX;
}

/** Knows the keys of items. */
export interface KeyOwner<T> {
  hasKey(item: T, key: string): boolean;
}

/** Minimum number of cells of a segment. */
const SEGMENT_CELLS_MIN = 16;

/** Number of lower bits of the hash that select the cell in a segment. */
const PLACE_BITS = 16;

/**
 * Items by hash and key, in a table with open addressing. To find a key that is present mostly
 * takes one access to the cells and one to its item. Removal moves later items into the gap, so
 * that no tombstones are needed.
 */
export class KeySegment<T extends number | object> {
  /** Minimum number of upper bits that the hashes of all items have in common. */
  readonly depth: number;
  readonly #owner: KeyOwner<T>;
  /**
   * Hash and item of a cell are neighbours, for one access to memory. An empty cell is `null`,
   * `null`.
   */
  #cells: (number | T | null)[];
  #count = 0;

  /** @param size number of cells */
  constructor(owner: KeyOwner<T>, depth: number, size: number) {
    this.#owner = owner;
    this.depth = depth;
    this.#cells = emptyCells(size);
  }

  /** Number of cells. */
  get size(): number {
    return this.#cells.length >>> 1;
  }

  /** Whether it must grow before an item is added. */
  get isFull(): boolean {
    return isFull(this.#count, this.size);
  }

  /** Whether it should shrink to half as many cells. */
  get isSparse(): boolean {
    return this.#count * 8 < this.size && this.size >= 2 * SEGMENT_CELLS_MIN;
  }

  find(hash: number, key: string): T | undefined {
    const cells = this.#cells;
    const { length } = cells;
    for (let at = homeOf(hash, length);; at = after(at, length)) {
      const item = cells[at + 1] as T | null;
      if (item === null) return undefined;
      if (cells[at] === hash && this.#owner.hasKey(item, key)) return item;
    }
  }

  /** Adds an item whose key is not there, to a segment that is not full. */
  add(hash: number, key: string, item: T): void {
    assert(this.find(hash, key) === undefined, "Cannot add a key: it is there already");
    this.#put(hash, item);
  }

  /** Replaces an item that is there. */
  replace(hash: number, item: T, by: T): void {
    const cells = this.#cells;
    const { length } = cells;
    let at = homeOf(hash, length);
    for (; cells[at + 1] !== item || cells[at] !== hash; at = after(at, length)) {
      assert(cells[at + 1] !== null, "Cannot replace an item: it is not there");
    }
    cells[at + 1] = by;
  }

  /** Removes the item of a key. Returns whether it was there. */
  delete(hash: number, key: string): boolean {
    const cells = this.#cells;
    const { length } = cells;
    let at = homeOf(hash, length);
    for (;; at = after(at, length)) {
      const item = cells[at + 1] as T | null;
      if (item === null) return false;
      if (cells[at] === hash && this.#owner.hasKey(item, key)) break;
    }
    this.#empty(at);
    this.#count--;
    return true;
  }

  /** Changes the number of cells, which must hold all items. */
  resize(size: number): void {
    const cells = this.#cells;
    this.#cells = emptyCells(size);
    this.#count = 0;
    for (let at = 0; at < cells.length; at += 2) {
      const item = cells[at + 1] as T | null;
      if (item !== null) this.#put(cells[at] as number, item);
    }
  }

  /**
   * Splits its items into two segments: those whose hash has the bit clear, and those that have it
   * set.
   *
   * @param size number of cells of each; one that gets too many items has as many cells as this one
   */
  split(bit: number, size: number): readonly [clear: KeySegment<T>, set: KeySegment<T>] {
    const cells = this.#cells;
    const setCount = this.#countSet(bit);
    const sizeFor = (count: number) => isFull(count, size) ? this.size : size;
    const clear = new KeySegment<T>(this.#owner, this.depth + 1, sizeFor(this.#count - setCount));
    const set = new KeySegment<T>(this.#owner, this.depth + 1, sizeFor(setCount));
    for (let at = 0; at < cells.length; at += 2) {
      const item = cells[at + 1] as T | null;
      if (item === null) continue;
      const hash = cells[at] as number;
      (((hash >>> bit) & 1) === 0 ? clear : set).#put(hash, item);
    }
    return [clear, set];
  }

  #put(hash: number, item: T): void {
    assert(this.#count < this.size, "Cannot add a key: every cell is taken");
    const cells = this.#cells;
    const { length } = cells;
    let at = homeOf(hash, length);
    while (cells[at + 1] !== null) at = after(at, length);
    cells[at] = hash;
    cells[at + 1] = item;
    this.#count++;
  }

  /** Number of items whose hash has the bit set. */
  #countSet(bit: number): number {
    const cells = this.#cells;
    let count = 0;
    for (let at = 0; at < cells.length; at += 2) {
      if (cells[at + 1] !== null) count += ((cells[at] as number) >>> bit) & 1;
    }
    return count;
  }

  /** Empties a cell, and moves back the items that could not be found any more. */
  #empty(cell: number): void {
    const cells = this.#cells;
    const { length } = cells;
    const distance = (from: number, to: number) => to < from ? to + length - from : to - from;
    let gap = cell;
    for (let at = after(gap, length); cells[at + 1] !== null; at = after(at, length)) {
      const hash = cells[at] as number;
      // In the gap it would stand before the cell at which the search for it begins.
      if (distance(homeOf(hash, length), at) < distance(gap, at)) continue;
      cells[gap] = hash;
      cells[gap + 1] = cells[at + 1] as T;
      gap = at;
    }
    cells[gap] = null;
    cells[gap + 1] = null;
  }
}

/**
 * Whether four of five cells are taken. Beyond that, the search for an absent key takes too long.
 */
function isFull(count: number, size: number): boolean {
  return count * 5 >= size * 4;
}

/** The index at which a search begins, in an array of that length with two elements per cell. */
function homeOf(hash: number, length: number): number {
  const place = hash & (2 ** PLACE_BITS - 1);
  return (place * (length >>> 1)) >>> PLACE_BITS << 1;
}

function after(at: number, length: number): number {
  return at + 2 === length ? 0 : at + 2;
}

function emptyCells<T>(size: number): (T | null)[] {
  return new Array<T | null>(2 * size).fill(null);
}

/** Maximum number of cells, 3 * 2^n as in `largerSize`. To rewrite them takes 0.1 ms. */
const SEGMENT_CELLS_MAX = 6144;
/** Number of cells of each half of a segment that was split. */
const HALF_CELLS = 4096;
/** Maximum depth of the directory, enough for 50 million keys. */
const DEPTH_MAX = 14;

/**
 * A map for many keys, in segments that a directory finds by the upper bits of the hash. A full
 * segment grows up to `SEGMENT_CELLS_MAX`, and then splits (Fagin and others, "Extendible hashing",
 * 1979). So no operation ever moves all keys, which would stop the event loop for too long with a
 * million keys.
 */
export class KeyTable<T extends number | object> {
  readonly #seed: HashSeed;
  /** Has 2^depth entries. A segment of less depth fills several neighbouring ones. */
  #directory: KeySegment<T>[];
  /** Number of bits by which a hash is shifted to get its index in the directory. */
  #shift = HASH_BITS;
  #steps = 0;

  constructor(seed: HashSeed, owner: KeyOwner<T>) {
    this.#seed = seed;
    this.#directory = [new KeySegment<T>(owner, 0, SEGMENT_CELLS_MIN)];
  }

  /** Number of cells and directory entries that were read or written so far to grow and shrink. */
  get steps(): number {
    return this.#steps;
  }

  get(key: string): T | undefined {
    const hash = hashOf(this.#seed, key);
    return this.#segmentOf(hash).find(hash, key);
  }

  /** Adds an item whose key is not there. */
  add(key: string, item: T): void {
    const hash = hashOf(this.#seed, key);
    let segment = this.#segmentOf(hash);
    while (segment.isFull) {
      this.#grow(segment, hash);
      segment = this.#segmentOf(hash);
    }
    segment.add(hash, key, item);
  }

  /** Replaces an item by another one of the same key. */
  replace(key: string, item: T, by: T): void {
    const hash = hashOf(this.#seed, key);
    this.#segmentOf(hash).replace(hash, item, by);
  }

  delete(key: string): boolean {
    const hash = hashOf(this.#seed, key);
    const segment = this.#segmentOf(hash);
    if (!segment.delete(hash, key)) return false;
    if (segment.isSparse) this.#resize(segment, segment.size / 2);
    return true;
  }

  #segmentOf(hash: number): KeySegment<T> {
    // The directory has an entry for every hash.
    return this.#directory[hash >>> this.#shift] as KeySegment<T>;
  }

  #grow(segment: KeySegment<T>, hash: number): void {
    // At the maximum depth a segment is not split, and grows instead.
    if (segment.size < SEGMENT_CELLS_MAX || segment.depth === DEPTH_MAX) {
      this.#resize(segment, largerSize(segment.size));
    } else {
      this.#split(segment, hash);
    }
  }

  #resize(segment: KeySegment<T>, size: number): void {
    this.#steps += segment.size + size;
    segment.resize(size);
  }

  #split(segment: KeySegment<T>, hash: number): void {
    const depth = segment.depth + 1;
    if (HASH_BITS - this.#shift < depth) this.#doubleDirectory();
    const [clear, set] = segment.split(HASH_BITS - depth, HALF_CELLS);
    const places = 2 ** (HASH_BITS - depth - this.#shift);
    const first = (hash >>> this.#shift) & ~(2 * places - 1);
    this.#directory.fill(clear, first, first + places);
    this.#directory.fill(set, first + places, first + 2 * places);
    this.#steps += 2 * segment.size + clear.size + set.size + 2 * places;
  }

  #doubleDirectory(): void {
    const before = this.#directory;
    this.#directory = new Array<KeySegment<T>>(2 * before.length);
    for (const [index, segment] of before.entries()) {
      this.#directory[2 * index] = segment;
      this.#directory[2 * index + 1] = segment;
    }
    this.#shift--;
    this.#steps += 2 * before.length;
  }
}

/**
 * The next of 2^n, 3/2 * 2^n, 2 * 2^n …: doubling would leave more than half of the cells empty.
 */
function largerSize(size: number): number {
  const isPowerOfTwo = (size & (size - 1)) === 0;
  return isPowerOfTwo ? size * 3 / 2 : size * 4 / 3;
}

/**
 * Number of parts, a power of two. A map copies all of itself when it doubles, which would stop the
 * event loop for too long with a million keys, and takes 1/64 of the time with one part of them.
 */
const PARTS = 64;

/** A map with string keys in many parts, so that it grows and shrinks without a long pause. */
export class PartedMap<T> {
  readonly #parts: readonly Map<string, T>[] = Array.from({ length: PARTS }, () => new Map());

  get(key: string): T | undefined {
    return this.#partOf(key).get(key);
  }

  has(key: string): boolean {
    return this.#partOf(key).has(key);
  }

  set(key: string, value: T): void {
    this.#partOf(key).set(key, value);
  }

  delete(key: string): boolean {
    return this.#partOf(key).delete(key);
  }

  #partOf(key: string): Map<string, T> {
    // `partOf` returns only indexes of parts.
    return this.#parts[partOf(key)] as Map<string, T>;
  }
}

/**
 * The part that a key belongs to. It depends on the last characters, in which numbered keys differ,
 * and on a sample of those before. Keys that differ only in other characters share one part, which
 * is slower and still correct.
 */
export function partOf(key: string): number {
  let hash = key.length;
  const tailStart = Math.max(0, key.length - SAMPLES);
  for (let at = tailStart; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), MULTIPLIER);
  }
  const step = Math.ceil(tailStart / SAMPLES);
  for (let at = 0; at < tailStart; at += step) {
    hash = Math.imul(hash ^ key.charCodeAt(at), MULTIPLIER);
  }
  return (hash ^ (hash >>> 15)) & (PARTS - 1);
}

/** Number of characters that are sampled at the end, and of the rest. */
const SAMPLES = 6;
const MULTIPLIER = 0x01000193;
