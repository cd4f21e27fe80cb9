import { assertEquals } from "@std/assert";
import { ManualClock } from "./testing/manual_clock.ts";
import { LATE_TICKS_MAX, Ticker } from "./ticker.ts";

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

Deno.test("Ticker counts what has passed when it is asked to, and keeps the rest", () => {
  const bench = new Bench();
  bench.ticker.sleep(10);
  assertEquals([9, 1, 25, 14, 1].map((ms) => bench.ticksAfter(ms)), [0, 1, 2, 1, 1]);
});

Deno.test("Ticker wakes its owner once, when the last tick of its sleep is over", () => {
  const bench = new Bench();
  bench.ticksAfter(15);
  bench.ticker.sleep(4);
  bench.clock.advance(34);
  assertEquals(bench.wokenMs, []);
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [50]);
});

Deno.test("Ticker wakes its owner at the earliest time that was asked for", () => {
  const bench = new Bench();
  bench.ticker.sleep(4);
  bench.ticker.sleep(9);
  bench.ticker.sleep(2);
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [20]);
  bench.ticker.catchUp();
  bench.ticker.sleep(1);
  bench.ticker.stop();
  bench.clock.advance(200);
  assertEquals(bench.wokenMs, [20]);
});

Deno.test("Ticker counts a whole sleep, but little of what a late event loop adds to it", () => {
  const bench = new Bench();
  bench.ticker.sleep(8);
  assertEquals(bench.ticksAfter(80), 8);
  bench.ticker.sleep(8);
  assertEquals([bench.ticksAfter(50), bench.ticksAfter(500)], [5, LATE_TICKS_MAX]);
  bench.ticker.sleep(8);
  assertEquals(bench.ticksAfter(500), 8);
  bench.ticker.sleep(1);
  assertEquals(bench.ticksAfter(500), LATE_TICKS_MAX);
});
