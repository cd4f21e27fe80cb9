import type { ByteString } from "../../../src/base/byte_string.ts";
import { assert } from "../../../src/base/errors.ts";
import type { TypedValue, ValueDecoder, ValueType } from "../../../src/store/values/value_type.ts";

/** Small, so that short lists have several blocks. */
const BLOCK_ITEMS = 4;
/** What an empty list and an item count for beside the bytes of the item. */
export const LIST_BYTES = 100;
export const ITEM_BYTES = 20;

/** A list as reads see it. */
export interface ListView extends TypedValue {
  readonly length: number;
  readonly bytes: number;
  at(index: number): ByteString | undefined;
  /** A list of its own with the same items. */
  copy(): List;
}

/** Some items in a row. The list that made the block may change it; others may share it. */
interface Block {
  readonly owner: List;
  readonly items: ByteString[];
}

/** Number of copies that were made, to be reset by tests. */
export const listCopies = { count: 0 };

/** A list of strings: a type of values for tests, with the traps that a real one has. */
export class List implements ListView {
  readonly #blocks: Block[];
  #length = 0;
  #bytes = LIST_BYTES;

  constructor(blocks: Block[] = []) {
    this.#blocks = blocks;
  }

  get type(): typeof listType {
    return listType;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  at(index: number): ByteString | undefined {
    return this.#blocks[Math.floor(index / BLOCK_ITEMS)]?.items[index % BLOCK_ITEMS];
  }

  push(item: ByteString): void {
    if (this.#length % BLOCK_ITEMS === 0) this.#blocks.push({ owner: this, items: [] });
    this.#own(this.#length).push(item);
    this.#length++;
    this.#bytes += ITEM_BYTES + item.length;
  }

  pop(): ByteString | undefined {
    if (this.#length === 0) return undefined;
    const items = this.#own(this.#length - 1);
    const item = items.pop();
    assert(item !== undefined, "Cannot pop an item: the last block is empty");
    if (items.length === 0) this.#blocks.pop();
    this.#length--;
    this.#bytes -= ITEM_BYTES + item.length;
    return item;
  }

  /** Replaces an item that is there. */
  set(index: number, item: ByteString): void {
    const items = this.#own(index);
    const before = items[index % BLOCK_ITEMS];
    assert(before !== undefined, "Cannot replace an item: it is not there");
    items[index % BLOCK_ITEMS] = item;
    this.#bytes += item.length - before.length;
  }

  copy(): List {
    listCopies.count++;
    const list = new List([...this.#blocks]);
    list.#length = this.#length;
    list.#bytes = this.#bytes;
    return list;
  }

  /** The items of the block that has this one, copied first if another list made them. */
  #own(index: number): ByteString[] {
    const at = Math.floor(index / BLOCK_ITEMS);
    const block = this.#blocks[at];
    assert(block !== undefined, "Cannot find a block: it is not there");
    if (block.owner === this) return block.items;
    const owned = { owner: this, items: [...block.items] };
    this.#blocks[at] = owned;
    return owned.items;
  }
}

export const listType: ValueType<ListView, List> = {
  name: "testlist",
  entryLength: 1,
  create: () => new List(),
  isEmpty: (list) => list.length === 0,
  bytes: (list) => list.bytes,
  clone: (list) => list.copy(),
  encoding: (list) => list.length <= BLOCK_ITEMS ? "listpack" : "quicklist",
  *encode(list) {
    for (let index = 0; index < list.length; index++) {
      const item = list.at(index);
      assert(item !== undefined, "Cannot encode a list: an item is gone");
      yield [item];
    }
  },
  decoder: () => new ListDecoder(),
};

class ListDecoder implements ValueDecoder<List> {
  readonly #list = new List();

  /** Refuses `wrong`, so that tests see an entry refused. */
  add([item]: readonly ByteString[]): boolean {
    if (item === undefined || item === "wrong") return false;
    this.#list.push(item);
    return true;
  }

  /** Nor is a list whole after `more`. */
  finish(): List | null {
    const { length } = this.#list;
    return length > 0 && this.#list.at(length - 1) === "more" ? null : this.#list;
  }
}

export function itemsOf(list: ListView): ByteString[] {
  return Array.from({ length: list.length }, (_, index) => list.at(index) ?? "");
}
