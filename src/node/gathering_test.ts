import { assertEquals } from "@std/assert";
import { type Gathered, Gathering } from "./gathering.ts";
import { ManualClock } from "./testing/manual_clock.ts";

const KIB = 1024;

/** What a client with so many connections sees: each asks again when it was answered. */
class Bench {
  readonly clock = new ManualClock();
  wakes = 0;
  readonly gathering = new Gathering(this.clock, 4, () => this.wakes++);

  isDue(openCount: number, more: Partial<Gathered> = {}): boolean {
    return this.gathering.isDue({
      openCount,
      openBytes: 0,
      underWayCount: 0,
      newestSinceMs: 0,
      ...more,
    });
  }

  mayBeDue(openCount: number, more: Partial<Gathered> = {}): boolean {
    return this.gathering.mayBeDue({
      openCount,
      openBytes: 0,
      underWayCount: 0,
      newestSinceMs: 0,
      ...more,
    });
  }
}

Deno.test("the first request goes at once, and so does that of a client alone", () => {
  const bench = new Bench();
  assertEquals(bench.isDue(1), true);
  for (let i = 0; i < 10; i++) {
    bench.gathering.answered(1, 0);
    assertEquals(bench.isDue(1), true);
  }
});

Deno.test("two groups of clients become one batch: it waits for those just answered", () => {
  const bench = new Bench();
  bench.gathering.answered(25, 25);
  assertEquals([bench.isDue(25), bench.isDue(45), bench.isDue(46)], [false, false, true]);
  assertEquals(bench.isDue(1), true, "it waits once for each answer");
});

Deno.test("while it waits, only a batch that is complete needs to be looked at", () => {
  const bench = new Bench();
  bench.gathering.answered(25, 25);
  assertEquals(bench.mayBeDue(25), true, "nobody has asked yet");
  bench.isDue(25);
  assertEquals([bench.mayBeDue(26), bench.mayBeDue(46)], [false, true]);
});

Deno.test("it does not wait for long, and says when", () => {
  const bench = new Bench();
  bench.gathering.answered(25, 25);
  bench.isDue(30);
  bench.clock.advance(1);
  assertEquals([bench.wakes, bench.isDue(30)], [0, false]);
  bench.clock.advance(1);
  assertEquals([bench.wakes, bench.isDue(30)], [1, true]);
});

Deno.test("waits in vain are given up for longer and longer, until one succeeds", () => {
  const bench = new Bench();
  const waitsBetween = () => {
    for (let without = 0;; without++) {
      bench.gathering.answered(20, 0);
      if (bench.isDue(1)) continue;
      bench.clock.advance(2);
      assertEquals(bench.isDue(1), true);
      return without;
    }
  };
  assertEquals(Array.from({ length: 9 }, waitsBetween), [0, 1, 2, 4, 8, 16, 32, 64, 64]);
  for (let without = 0; without < 64; without++) {
    bench.gathering.answered(20, 0);
    assertEquals(bench.isDue(1), true);
  }
  bench.gathering.answered(20, 0);
  assertEquals([bench.isDue(1), bench.isDue(20)], [false, true]);
  assertEquals(waitsBetween(), 0);
});

Deno.test("nothing overtakes a batch under way, unless that stays away for long", () => {
  const bench = new Bench();
  const underWay = { underWayCount: 1, newestSinceMs: bench.clock.monotonicMs() };
  assertEquals(bench.isDue(100, underWay), false);
  assertEquals(bench.mayBeDue(101, underWay), false);
  bench.clock.advance(4);
  assertEquals([bench.wakes, bench.isDue(100, underWay)], [1, true]);
  assertEquals(bench.isDue(100, { ...underWay, underWayCount: 4 }), false, "four at most");
});

Deno.test("what is large does not wait for more", () => {
  const bench = new Bench();
  bench.gathering.answered(50, 0);
  const large = { openBytes: 256 * KIB, underWayCount: 1, newestSinceMs: 0 };
  assertEquals(bench.isDue(1, large), true);
  assertEquals(bench.mayBeDue(1, large), true);
  assertEquals(bench.isDue(1, { ...large, underWayCount: 4 }), false);
});
