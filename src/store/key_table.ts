import { HASH_BITS, hashOf, type HashSeed } from "./key_hash.ts";
import { type KeyOwner, KeySegment, SEGMENT_CELLS_MIN } from "./key_segment.ts";

/** To rewrite so many cells takes a tenth of a millisecond. 3 * 2^n, as `largerSize` tells. */
const SEGMENT_CELLS_MAX = 6144;
/** Of each of the two that a segment splits into. */
const HALF_CELLS = 4096;
/** Enough for fifty million keys. */
const DEPTH_MAX = 14;

/**
 * A map by key for many keys, in segments that a directory finds by the hash's upper bits. A full
 * segment grows, and from a certain size on splits (Fagin and others, "Extendible hashing", 1979):
 * so nothing ever moves all keys at once, which with a million of them takes longer than anything
 * else may.
 */
export class KeyTable<T extends number | object> {
  readonly #seed: HashSeed;
  /** 2^depth long; a segment of less depth stands in it several times, in a row. */
  #directory: KeySegment<T>[];
  /** Leaves of a hash the index in the directory. */
  #shift = HASH_BITS;
  #steps = 0;

  constructor(seed: HashSeed, owner: KeyOwner<T>) {
    this.#seed = seed;
    this.#directory = [new KeySegment<T>(owner, 0, SEGMENT_CELLS_MIN)];
  }

  /** How many cells and directory entries growing and shrinking have looked at or made so far. */
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

  /** Puts an item in the place of another one of the same key. */
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
    // There is one for each number that comes out.
    return this.#directory[hash >>> this.#shift] as KeySegment<T>;
  }

  #grow(segment: KeySegment<T>, hash: number): void {
    // Keys whose hashes are alike beyond the directory's depth were no chance: they stay together.
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

/** 2^n, 3/2 * 2^n, 2 * 2^n and so on: to double would leave more than half of the cells empty. */
function largerSize(size: number): number {
  const isPowerOfTwo = (size & (size - 1)) === 0;
  return isPowerOfTwo ? size * 3 / 2 : size * 4 / 3;
}
