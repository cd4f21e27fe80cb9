import { assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { ExpiryHeap } from "./expiry_heap.ts";
import { type DeadlineMs, type Expiry, Slot } from "./slot.ts";

function expiry(key: string, deadlineMs: DeadlineMs): Expiry {
  return { slot: new Slot(key, 0), deadlineMs, heapIndex: -1 };
}

function takeAll(heap: ExpiryHeap): string[] {
  const keys: string[] = [];
  for (let next = heap.earliest(); next !== undefined; next = heap.earliest()) {
    keys.push(next.slot.key);
    heap.remove(next);
  }
  return keys;
}

Deno.test("deadlines come out in order, whatever is added, moved and removed", () => {
  const random = seededRandom(7);
  const heap = new ExpiryHeap();
  const present: Expiry[] = [];
  for (let step = 0; step < 5000; step++) {
    const entry = present[randomInteger(random, present.length)];
    const choice = randomInteger(random, 4);
    if (entry === undefined || choice < 2) {
      const added = expiry(`k${step}`, randomInteger(random, 300));
      present.push(added);
      heap.add(added);
    } else if (choice === 2) {
      entry.deadlineMs = randomInteger(random, 300);
      heap.moved(entry);
    } else {
      present.splice(present.indexOf(entry), 1);
      heap.remove(entry);
    }
  }
  const due = present.filter(({ deadlineMs }) => deadlineMs <= 100).length;
  assertEquals(heap.countDue(100), due);
  const expected = present
    .map(({ slot, deadlineMs }) => ({ key: slot.key, deadlineMs: Number(deadlineMs) }))
    .sort((a, b) => a.deadlineMs - b.deadlineMs || (a.key < b.key ? -1 : 1));
  assertEquals(takeAll(heap), expected.map(({ key }) => key));
});

Deno.test("equal deadlines come out by key, in whatever order they came", () => {
  for (const keys of [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]]) {
    const heap = new ExpiryHeap();
    for (const key of keys) heap.add(expiry(key, 5));
    assertEquals(takeAll(heap), ["a", "b", "c"]);
  }
});

Deno.test("deadlines beyond 2^53 are ordered among all others", () => {
  const heap = new ExpiryHeap();
  heap.add(expiry("last", 2n ** 63n - 1n));
  heap.add(expiry("third", 2n ** 53n + 1n));
  heap.add(expiry("first", 1));
  heap.add(expiry("second", Number.MAX_SAFE_INTEGER));
  assertEquals(takeAll(heap), ["first", "second", "third", "last"]);
});
