import { assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { type DeadlineMs, type Expiring, ExpiryHeap } from "./deadlines.ts";

function expiring(key: string, deadlineMs: DeadlineMs): Expiring {
  return { key, deadlineMs, heapIndex: -1 };
}

function takeAll(heap: ExpiryHeap<Expiring>): string[] {
  const keys: string[] = [];
  for (let next = heap.earliest(); next !== undefined; next = heap.earliest()) {
    keys.push(next.key);
    heap.remove(next);
  }
  return keys;
}

Deno.test("deadlines come out in order, whatever is added, moved and removed", () => {
  const random = seededRandom(7);
  const heap = new ExpiryHeap<Expiring>();
  const present: Expiring[] = [];
  for (let step = 0; step < 5000; step++) {
    const entry = present[randomInteger(random, present.length)];
    const choice = randomInteger(random, 4);
    if (entry === undefined || choice < 2) {
      const added = expiring(`k${step}`, randomInteger(random, 300));
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
    .map(({ key, deadlineMs }) => ({ key, deadlineMs: Number(deadlineMs) }))
    .sort((a, b) => a.deadlineMs - b.deadlineMs || (a.key < b.key ? -1 : 1));
  assertEquals(takeAll(heap), expected.map(({ key }) => key));
});

Deno.test("equal deadlines come out by key, in whatever order they came", () => {
  for (const keys of [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]]) {
    const heap = new ExpiryHeap<Expiring>();
    for (const key of keys) heap.add(expiring(key, 5));
    assertEquals(takeAll(heap), ["a", "b", "c"]);
  }
});

Deno.test("deadlines beyond 2^53 are ordered among all others", () => {
  const heap = new ExpiryHeap<Expiring>();
  heap.add(expiring("last", 2n ** 63n - 1n));
  heap.add(expiring("third", 2n ** 53n + 1n));
  heap.add(expiring("first", 1));
  heap.add(expiring("second", Number.MAX_SAFE_INTEGER));
  assertEquals(takeAll(heap), ["first", "second", "third", "last"]);
});
