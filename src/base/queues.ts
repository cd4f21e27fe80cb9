import { assert } from "./errors.ts";

/** An item of a `LinkedList`. It is in at most one list, which alone writes both fields. */
export interface Listed<T> {
  /** The list that the item is in. */
  list: object | null;
  /** The item after it on that list. */
  next: T | null;
}

/** An intrusive queue: its items hold the links, so that adding and taking allocate no memory. */
export class LinkedList<T extends Listed<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  get first(): T | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  has(item: T): boolean {
    return item.list === this;
  }

  push(item: T): void {
    assert(item.list === null, "an item is put on a second list");
    item.list = this;
    if (this.#last === null) this.#first = item;
    else this.#last.next = item;
    this.#last = item;
    this.#size++;
  }

  unshift(item: T): void {
    assert(item.list === null, "an item is put on a second list");
    item.list = this;
    item.next = this.#first;
    this.#first = item;
    this.#last ??= item;
    this.#size++;
  }

  shift(): T | null {
    const item = this.#first;
    if (item === null) return null;
    this.#first = item.next;
    if (item.next === null) this.#last = null;
    item.next = null;
    item.list = null;
    this.#size--;
    return item;
  }

  /** Takes all items, in order. */
  drain(): T[] {
    const items: T[] = [];
    for (let item = this.shift(); item !== null; item = this.shift()) items.push(item);
    return items;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let item = this.#first; item !== null; item = item.next) yield item;
  }
}

/** A queue in a ring buffer that grows: pushing and shifting take constant time. */
export class Fifo<T> {
  #ring: (T | undefined)[] = new Array(16).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = item;
    this.#size++;
  }

  /** The item at `offset` from the first; `undefined` past the end. */
  at(offset: number): T | undefined {
    return offset < this.#size
      ? this.#ring[(this.#head + offset) & (this.#ring.length - 1)]
      : undefined;
  }

  /** Replaces the item at `offset` from the first, which must exist. */
  replace(offset: number, item: T): void {
    this.#ring[(this.#head + offset) & (this.#ring.length - 1)] = item;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size--;
    return item;
  }

  #grow(): void {
    const grown = new Array(this.#ring.length * 2).fill(undefined);
    for (let i = 0; i < this.#size; i++) grown[i] = this.at(i);
    this.#ring = grown;
    this.#head = 0;
  }
}
