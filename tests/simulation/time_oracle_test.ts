import { assertEquals, assertThrows } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { drawFaultPlan, type FaultPlan } from "./fault_plan.ts";
import { TimeOracle, TRUE_START_MS } from "./time_oracle.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;

function oracleOf(plan: Partial<FaultPlan>): TimeOracle {
  const random = seededRandom(1);
  return new TimeOracle({
    plan: {
      ...drawFaultPlan({ random, laterRandom: random }, 3),
      areClocksRight: true,
      wrongClocks: 0,
      clocksAheadMs: 0,
      clockRateMax: 0,
      ...plan,
    },
    fail: (what) => {
      throw new Error(what);
    },
  });
}

Deno.test("a leader's time must be the true time, once the log's time was", () => {
  const oracle = oracleOf({ wrongClocks: 1 });
  oracle.proposed("n1", 1, TRUE_START_MS + 100 - YEAR_MS, 100); // too few clocks were known
  assertThrows(() => oracle.proposed("n1", 1, TRUE_START_MS + 100 + YEAR_MS, 100), Error, "later");
  oracle.proposed("n2", 2, TRUE_START_MS + 200, 200);
  oracle.applied(TRUE_START_MS + 200, 210);
  assertThrows(() => oracle.proposed("n2", 2, TRUE_START_MS - YEAR_MS, 300), Error, "earlier");
  assertThrows(() => oracle.proposed("n3", 3, TRUE_START_MS - YEAR_MS, 300), Error, "earlier");
});

Deno.test("a leader's time no longer counts when a later leader has appended an entry", () => {
  const oracle = oracleOf({ wrongClocks: 1 });
  oracle.proposed("n1", 1, TRUE_START_MS + 100 - YEAR_MS, 100);
  oracle.proposed("n2", 2, TRUE_START_MS + 200, 200);
  oracle.applied(TRUE_START_MS + 200, 210);
  oracle.proposed("n1", 1, TRUE_START_MS + 300 - YEAR_MS, 300); // it was suspended meanwhile
});

Deno.test("a leap is what the log's time gains on true time from entry to entry", () => {
  const oracle = oracleOf({ wrongClocks: 1 });
  const beginMs = TRUE_START_MS - YEAR_MS;
  oracle.applied(beginMs + 100, 150);
  oracle.applied(beginMs + 200, 210);
  oracle.applied(beginMs + 200, 9_000); // at another node, later
  assertEquals(oracle.leaptMs, 40);
  oracle.applied(TRUE_START_MS + 9_100, 9_100);
  assertEquals(oracle.leaptMs, YEAR_MS + 50);
});

Deno.test("a key may be replaced by one that was requested before the log's time was known", () => {
  for (const isOther of [false, true]) {
    const oracle = oracleOf({});
    const early = isOther ? oracle.asked(["SET", "t1", "a", "PX", "300"], 100) : () => {};
    oracle.applied(TRUE_START_MS + 150, 150);
    oracle.asked(["SET", "t1", "b", "PX", "5000"], 200)(250, "OK");
    early(300, "OK");
    const read = oracle.asked(["GET", "t1"], 900);
    if (isOther) read(910, null);
    else assertThrows(() => read(910, null), Error, "gone");
  }
});
