import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { DelayLine } from "./delay_line.ts";

function start() {
  const clock = new ManualClock();
  const line = new DelayLine(clock);
  const done: [string, number][] = [];
  const add = (name: string, delayMs: number) =>
    line.add(delayMs, () => done.push([name, clock.monotonicMs()]));
  return { clock, line, done, add };
}

Deno.test("each action comes after its delay, and none overtakes another", () => {
  const { clock, line, done, add } = start();
  add("a", 30);
  clock.advance(10);
  add("b", 5);
  add("c", 40);
  clock.advance(29);
  assertEquals([done, line.length], [[["a", 30], ["b", 30]], 1]);
  clock.advance(11);
  add("d", 5);
  clock.advance(100);
  assertEquals(done.slice(2), [["c", 50], ["d", 55]]);
});

Deno.test("released actions come at once and in order, and only once", () => {
  const { clock, line, done, add } = start();
  add("a", 30);
  add("b", 30);
  clock.advance(10);
  line.release();
  add("c", 30);
  clock.advance(100);
  assertEquals(done, [["a", 10], ["b", 10], ["c", 40]]);
});
