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
