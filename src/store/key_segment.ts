import { assert } from "../base/assert.ts";

/** Knows the keys of items. */
export interface KeyOwner<T> {
  hasKey(item: T, key: string): boolean;
}

/** A segment does not shrink below this. */
export const SEGMENT_CELLS_MIN = 16;

/** So many of the hash's lower bits decide where in its segment an item stands. */
const PLACE_BITS = 16;

/**
 * Items by hash and key, in open addressing: a key that is present mostly costs one look at the cells
 * and one at its item. Removal closes the gap, so that it leaves no trace.
 */
export class KeySegment<T extends number | object> {
  /** How many of the hash's upper bits all items have in common, at least. */
  readonly depth: number;
  readonly #owner: KeyOwner<T>;
  /** Hash and item of one cell stand together, for one look; `null`, `null` is an empty cell. */
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

  /** Whether half as many cells would be plenty. */
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

  /** Puts an item in the place of another one, which is there. */
  replace(hash: number, item: T, by: T): void {
    const cells = this.#cells;
    const { length } = cells;
    let at = homeOf(hash, length);
    for (; cells[at + 1] !== item || cells[at] !== hash; at = after(at, length)) {
      assert(cells[at + 1] !== null, "Cannot replace an item: it is not there");
    }
    cells[at + 1] = by;
  }

  /** Removes the item of that key; tells whether it was there. */
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

  /** Moves all items to another number of cells, which holds them. */
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
   * Two segments with its items: those whose hash has that bit clear, and those that have it set.
   *
   * @param size their number of cells; one that gets too many items has as many cells as this one
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

  /** Number of items whose hash has that bit set. */
  #countSet(bit: number): number {
    const cells = this.#cells;
    let count = 0;
    for (let at = 0; at < cells.length; at += 2) {
      if (cells[at + 1] !== null) count += ((cells[at] as number) >>> bit) & 1;
    }
    return count;
  }

  /** Empties a cell, and moves back what then would not be found any more. */
  #empty(cell: number): void {
    const cells = this.#cells;
    const { length } = cells;
    const distance = (from: number, to: number) => to < from ? to + length - from : to - from;
    let gap = cell;
    for (let at = after(gap, length); cells[at + 1] !== null; at = after(at, length)) {
      const hash = cells[at] as number;
      // It would stand before the cell where the search for it begins.
      if (distance(homeOf(hash, length), at) < distance(gap, at)) continue;
      cells[gap] = hash;
      cells[gap + 1] = cells[at + 1] as T;
      gap = at;
    }
    cells[gap] = null;
    cells[gap + 1] = null;
  }
}

/** Whether four of five cells are taken: beyond, a search for what is not there takes too long. */
function isFull(count: number, size: number): boolean {
  return count * 5 >= size * 4;
}

/** Where a search begins, in an array of that length: two for each cell. */
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
