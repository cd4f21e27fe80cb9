import { assertEquals } from "@std/assert";
import { Rates } from "./listener.ts";

Deno.test("rates are those of the last 1.6 seconds, or of a longer time without samples", () => {
  const counted = { requests: 0, inputBytes: 0, outputBytes: 0 };
  const rates = new Rates(counted, 0);
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 10) {
    counted.requests += nowMs < 5_000 ? 10 : 1;
    counted.inputBytes += 100;
    rates.sample(nowMs);
    if (nowMs === 4_000) assertEquals(Math.round(rates.get(nowMs).requests), 1_000);
  }
  const { requests, inputBytes, outputBytes } = rates.get(10_000);
  assertEquals([Math.round(requests), Math.round(inputBytes), outputBytes], [100, 10_000, 0]);
  assertEquals(Math.round(rates.get(20_000).requests), 0);
  assertEquals(rates.get(20_000).requests >= 0, true);
});

Deno.test("in the moment in which counting begins there is no rate", () => {
  const rates = new Rates({ requests: 5, inputBytes: 6, outputBytes: 7 }, 100);
  assertEquals(rates.get(100), { requests: 0, inputBytes: 0, outputBytes: 0 });
});

Deno.test("rates go on when the counters start again from zero", () => {
  const counted = { requests: 0, inputBytes: 0, outputBytes: 0 };
  const rates = new Rates(counted, 0);
  for (let nowMs = 0; nowMs <= 3_000; nowMs += 10) {
    counted.requests++;
    counted.inputBytes += 20;
    counted.outputBytes += 30;
    rates.sample(nowMs);
    if (nowMs === 2_000) {
      rates.noteReset();
      Object.assign(counted, { requests: 0, inputBytes: 0, outputBytes: 0 });
    }
    if (nowMs < 2_000) continue;
    const { requests, inputBytes, outputBytes } = rates.get(nowMs);
    assertEquals([requests, inputBytes, outputBytes], [100, 2_000, 3_000]);
  }
});
