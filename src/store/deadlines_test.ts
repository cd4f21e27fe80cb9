import { assert, assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { DEADLINE_BYTES, Deadlines } from "./deadlines.ts";

Deno.test("a position has the deadline that it was given last, until it is taken away", () => {
  const deadlines = new Deadlines();
  deadlines.set(7, "later", 20);
  deadlines.set(100_000, "key", 30);
  assertEquals([deadlines.at(100_000), deadlines.at(8), deadlines.at(10 ** 6)], [30, null, null]);
  assertEquals(deadlines.earliest()?.key, "later");
  deadlines.set(100_000, "key", 10);
  assertEquals([deadlines.at(100_000), deadlines.earliest()?.key], [10, "key"]);
  assertEquals([9, 10, 20].map((timeMs) => deadlines.countDue(timeMs)), [0, 1, 2]);
  deadlines.delete(100_000);
  deadlines.delete(8);
  assertEquals([deadlines.at(100_000), deadlines.earliest()?.key], [null, "later"]);
});

Deno.test("any number of due deadlines is counted in steps that are short", () => {
  const deadlines = new Deadlines();
  for (let position = 0; position < 5_000; position++) {
    deadlines.set(position, `k${position}`, position);
  }
  const steps = deadlines.countDueInSteps(3_999);
  let stepCount = 0;
  let result = steps.next();
  for (; result.done !== true; result = steps.next()) stepCount++;
  assertEquals(result.value, 4_000);
  assert(stepCount >= 3, `in ${stepCount} steps`);
});

Deno.test("deadlines go with their keys, whatever positions these have", () => {
  const random = seededRandom(1);
  const deadlines = new Deadlines();
  const model = new Map<number, number>();
  for (let step = 0; step < 50_000; step++) {
    const position = randomInteger(random, 20_000);
    const to = randomInteger(random, 20_000);
    const choice = randomInteger(random, 3);
    if (choice === 0) {
      deadlines.set(position, `k${position}`, step);
      model.set(position, step);
    } else if (choice === 1) {
      deadlines.delete(position);
      model.delete(position);
    } else if (!model.has(to)) {
      deadlines.moved(position, to);
      const deadlineMs = model.get(position);
      model.delete(position);
      if (deadlineMs !== undefined) model.set(to, deadlineMs);
    }
    assertEquals(deadlines.at(position), model.get(position) ?? null);
    assertEquals(deadlines.at(to), model.get(to) ?? null);
  }
  assertEquals(deadlines.size, model.size);
  for (const [position, deadlineMs] of model) assertEquals(deadlines.at(position), deadlineMs);
});

Deno.test("deadlines count what they take, and no more when they are gone", () => {
  const deadlines = new Deadlines();
  for (let times = 0; times < 3; times++) deadlines.set(0, "key", times);
  deadlines.set(1, "", 1);
  deadlines.moved(0, 2);
  assertEquals([deadlines.size, deadlines.usedBytes], [2, 2 * DEADLINE_BYTES + 3]);
  for (const position of [0, 1, 2, 2]) deadlines.delete(position);
  assertEquals([deadlines.size, deadlines.usedBytes], [0, 0]);
});

Deno.test("deadlines that come and go reuse the memory of their chunks", () => {
  const deadlines = new Deadlines();
  const fill = Array.prototype.fill;
  let made = 0;
  Array.prototype.fill = function (...args) {
    made++;
    return fill.apply(this, args);
  };
  try {
    for (let step = 0; step < 100; step++) {
      for (const position of [5, 100_000]) deadlines.set(position, "lock", step);
      for (const position of [5, 100_000]) deadlines.delete(position);
    }
  } finally {
    Array.prototype.fill = fill;
  }
  assertEquals(made, 2);
});
