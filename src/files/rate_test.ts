import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { Rate } from "./rate.ts";

Deno.test("a rate is that of the last ten seconds, and of fewer at its beginning", () => {
  const clock = new ManualClock();
  const rate = new Rate(clock);
  assertEquals(rate.perSecond, 0);
  rate.add(100);
  assertEquals(rate.perSecond, 100);
  const run = (seconds: number, each: number) => {
    for (let at = 0; at < 10 * seconds; at++) {
      clock.advance(100);
      rate.add(each);
    }
  };
  run(4, 100);
  assertEquals(Math.abs(rate.perSecond - 1_000) < 50, true, `${rate.perSecond}`);
  run(20, 200);
  assertEquals(Math.abs(rate.perSecond - 2_000) < 110, true, `${rate.perSecond}`);
  clock.advance(5_000);
  assertEquals(Math.abs(rate.perSecond - 1_000) < 110, true, `${rate.perSecond}`);
  clock.advance(6_000);
  assertEquals(rate.perSecond, 0);
});
