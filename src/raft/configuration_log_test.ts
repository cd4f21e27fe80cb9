import { assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { ConfigurationLog } from "./configuration_log.ts";

const of = (...voters: string[]) => ({ voters, learners: [] });

function logOf(...indexes: number[]): ConfigurationLog {
  return new ConfigurationLog(
    indexes.map((index) => ({ index, configuration: of(String(index)) })),
  );
}

Deno.test("ConfigurationLog: the newest is in effect, and truncating it restores the one before", () => {
  const log = logOf(0, 4);
  log.append(7, of("7"));
  assertEquals(log.newest, { index: 7, configuration: of("7") });
  log.truncateFrom(8);
  assertEquals(log.newest.index, 7);
  log.truncateFrom(7);
  assertEquals(log.newest.index, 4);
  log.truncateFrom(2);
  assertEquals(log.newest, { index: 0, configuration: of("0") });
  assertThrows(() => log.truncateFrom(0), AssertionFailure, "never truncated");
});

Deno.test("ConfigurationLog finds what was in effect at an index", () => {
  const log = logOf(2, 4, 7);
  assertEquals([2, 3, 4, 6, 7, 99].map((index) => log.at(index).index), [2, 2, 4, 4, 7, 7]);
  assertThrows(() => log.at(1), AssertionFailure, "before the oldest");
});

Deno.test("ConfigurationLog starts anew with a snapshot", () => {
  const log = logOf(0, 4);
  log.restore(9, of("9"));
  assertEquals([log.at(9).index, log.newest.index], [9, 9]);
  assertThrows(() => log.at(4), AssertionFailure, "before the oldest");
  log.append(10, of("10"));
  assertThrows(() => log.append(10, of("11")), AssertionFailure, "order");
});
