import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { RefusalLog } from "./refusals.ts";

Deno.test("repeated refusals are logged once in ten seconds, and counted", () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = new RefusalLog(clock, { info() {}, warn: (line) => lines.push(line), error() {} });
  for (let at = 0; at < 5; at++) log.refuse("10.0.0.1", "plain", "one");
  log.refuse("10.0.0.2", "plain", "other host");
  log.refuse("10.0.0.1", "late", "other kind");
  assertEquals(lines.splice(0), [
    "one",
    "other host (and 4 others since the last line)",
    "other kind",
  ]);
  clock.advance(9_999);
  log.refuse("10.0.0.1", "plain", "one");
  assertEquals(lines, []);
  clock.advance(1);
  log.refuse("10.0.0.1", "plain", "again");
  assertEquals(lines.splice(0), ["again (and 1 others since the last line)"]);
  for (let at = 0; at < 1_000; at++) log.refuse(`10.0.1.${at}`, "plain", `host ${at}`);
  assertEquals(lines.length, 19);
});
