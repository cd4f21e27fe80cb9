import { assertEquals } from "@std/assert";
import { until } from "../../support/until.ts";
import { Standstills } from "./standstills.ts";

Deno.test("a process that is suspended notices it", async () => {
  const noticed: [number, number][] = [];
  const standstills = new Standstills(() => [], {
    stoodStill: (fromMs, toMs) => noticed.push([fromMs, toMs]),
    late: () => {},
  });
  const beginMs = performance.now();
  while (performance.now() < beginMs + 300) { /* nothing else gets its turn */ }
  const endMs = performance.now();
  await until("it is noticed", () => noticed.some(([from, to]) => from <= beginMs && endMs <= to));
  standstills.stop();
  assertEquals(standstills.sumMs >= 300, true);
});
