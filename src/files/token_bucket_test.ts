import { assert, assertEquals, assertThrows } from "@std/assert";
import { Holders } from "../../tests/support/files/holders.ts";
import { TokenBucket } from "./token_bucket.ts";

Deno.test("a rate is kept over time, whatever the portions", async () => {
  for (const portion of [1, 50, 3_000]) {
    const holders = new Holders(0);
    const bucket = new TokenBucket(holders.clock, 1_000);
    const takeAll = async () => {
      for (let taken = 0; taken < 6_000; taken += portion) await bucket.take(portion);
    };
    await holders.result(takeAll());
    const tookMs = holders.clock.monotonicMs();
    assert(tookMs >= 5_850 && tookMs <= 6_050, `${portion}: ${tookMs} ms`);
  }
});

Deno.test("idle time is not saved up", async () => {
  const holders = new Holders(0);
  const bucket = new TokenBucket(holders.clock, 1_000);
  await holders.result(bucket.take(1));
  await holders.runFor(60_000);
  const startMs = holders.clock.monotonicMs();
  await holders.result(bucket.take(1_000));
  assert(holders.clock.monotonicMs() - startMs >= 900);
});

Deno.test("a signal ends the waiting, and no limit waits for nothing", async () => {
  const holders = new Holders(0);
  const bucket = new TokenBucket(holders.clock, 1);
  const ending = new AbortController();
  holders.world.scheduler.after(500, () => ending.abort());
  await holders.result(bucket.take(1_000, ending.signal));
  assertEquals(holders.clock.monotonicMs(), 500);
  await new TokenBucket(holders.clock, Infinity).take(1e9);
});

Deno.test("a rate is above 0", () => {
  const { clock } = new Holders(0);
  for (const rate of [0, -1, NaN]) assertThrows(() => new TokenBucket(clock, rate), RangeError);
});
