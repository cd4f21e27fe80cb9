import { assertEquals } from "@std/assert";
import { DEADLINE_BYTES, Deadlines } from "./deadlines.ts";

Deno.test("a key has the deadline that it was given last, until it is taken away", () => {
  const deadlines = new Deadlines();
  deadlines.set("later", 20);
  deadlines.set("key", 30);
  assertEquals([deadlines.of("key"), deadlines.of("other")], [30, null]);
  assertEquals(deadlines.earliest()?.key, "later");
  deadlines.set("key", 10);
  assertEquals([deadlines.of("key"), deadlines.earliest()?.key], [10, "key"]);
  assertEquals([9, 10, 20].map((timeMs) => deadlines.countDue(timeMs)), [0, 1, 2]);
  deadlines.delete("key");
  deadlines.delete("other");
  assertEquals([deadlines.of("key"), deadlines.earliest()?.key], [null, "later"]);
});

Deno.test("deadlines count what they take, and no more when they are gone", () => {
  const deadlines = new Deadlines();
  for (let times = 0; times < 3; times++) deadlines.set("key", times);
  deadlines.set("", 1);
  assertEquals([deadlines.size, deadlines.usedBytes], [2, 2 * DEADLINE_BYTES + 3]);
  for (const key of ["key", "key", ""]) deadlines.delete(key);
  assertEquals([deadlines.size, deadlines.usedBytes], [0, 0]);
});
