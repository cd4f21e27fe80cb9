import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { SLEEP_TICKS_MAX, Ticker } from "./ticker.ts";

/** Ticks of 10 ms, counted only when the test asks for it. */
class Bench {
  readonly clock = new ManualClock();
  ticks = 0;
  readonly wokenMs: number[] = [];
  readonly ticker = new Ticker({
    clock: this.clock,
    tickMs: 10,
    tick: () => this.ticks++,
    wake: () => this.wokenMs.push(this.clock.monotonicMs()),
  });

  ticksAfter(ms: number): number {
    this.clock.advance(ms);
    const before = this.ticks;
    this.ticker.catchUp();
    return this.ticks - before;
  }
}

Deno.test("Ticker counts the time that has passed when it is asked to, and keeps the rest", () => {
  const bench = new Bench();
  assertEquals([9, 1, 25, 14, 1].map((ms) => bench.ticksAfter(ms)), [0, 1, 2, 1, 1]);
});

Deno.test("Ticker wakes its owner once, when the last tick of its sleep is over", () => {
  const bench = new Bench();
  bench.ticksAfter(15);
  bench.ticker.sleep(2);
  bench.clock.advance(14);
  assertEquals(bench.wokenMs, []);
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [30]);
});

Deno.test("Ticker wakes its owner at the earliest time that was requested, and never late", () => {
  const bench = new Bench();
  bench.ticker.sleep(100);
  bench.ticker.sleep(2);
  bench.ticker.sleep(3);
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [20]);
  bench.ticksAfter(0);
  bench.ticker.sleep(100);
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [20, 200 + SLEEP_TICKS_MAX * 10]);
  bench.ticker.sleep(1);
  bench.ticker.stop();
  bench.clock.advance(200);
  assertEquals(bench.wokenMs.length, 2);
});

Deno.test("Ticker counts next to nothing when the event loop was late", () => {
  const bench = new Bench();
  assertEquals(bench.ticksAfter(30), 3);
  assertEquals(bench.ticksAfter(500), SLEEP_TICKS_MAX);
  assertEquals(bench.ticksAfter(9), 0, "the rest is not made up for later");
});
