import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { usedHeapBytes } from "../../tests/support/used_heap.ts";
import { AssertionFailure } from "./errors.ts";
import { Fifo, LinkedList } from "./queues.ts";
import { randomInteger, seededRandom } from "./random.ts";

class Item {
  readonly number: number;
  list: object | null = null;
  next: Item | null = null;

  constructor(number: number) {
    this.number = number;
  }
}

Deno.test("a linked list behaves like an array", () => {
  const random = seededRandom(1);
  const list = new LinkedList<Item>();
  let model: Item[] = [];
  for (let step = 0; step < 10_000; step++) {
    const item = new Item(step);
    const choice = randomInteger(random, 100);
    if (choice < 40) {
      list.push(item);
      model.push(item);
    } else if (choice < 55) {
      list.unshift(item);
      model.unshift(item);
    } else if (choice < 99) {
      assertEquals(list.shift(), model.shift() ?? null);
    } else {
      assertEquals(list.drain(), model);
      model = [];
    }
    assertEquals([list.size, list.first], [model.length, model[0] ?? null]);
    if (step % 100 === 0) assertEquals([...list], model);
  }
});

Deno.test("an item is in one list at a time", () => {
  const [first, second] = [new LinkedList<Item>(), new LinkedList<Item>()];
  const item = new Item(1);
  first.push(item);
  assertEquals([first.has(item), second.has(item)], [true, false]);
  assertThrows(() => second.push(item), AssertionFailure);
  assertThrows(() => first.unshift(item), AssertionFailure);
  first.shift();
  second.push(item);
  assertEquals([first.has(item), second.has(item)], [false, true]);
});

Deno.test("a queue keeps nothing of what was taken from it", () => {
  const queue = new Fifo<string>();
  const before = usedHeapBytes();
  for (let at = 0; at < 500; at++) queue.push(Buffer.alloc(100 * 1024, at).toString("latin1"));
  for (let at = 0; at < 500; at++) queue.shift();
  assert(usedHeapBytes() - before < 5 * 1024 * 1024);
  assertEquals(queue.size, 0);
});
