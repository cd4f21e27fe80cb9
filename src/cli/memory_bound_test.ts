import { assertEquals, assertMatch } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { FIXED_SETTINGS } from "../commands/config_set.ts";
import type { StateReport } from "../node/members/report.ts";
import { clientFlags, redisSettings } from "./client_flags.ts";
import { parseFlags } from "./command_line.ts";
import { warnOfOtherMemoryBound } from "./memory_bound.ts";

/** The log lines of a node with the flag `wanted` in a cluster with the bound `bound`. */
function warnings(wanted: number, bound: number): string[] {
  const clock = new ManualClock();
  const lines: string[] = [];
  const report = { isServing: false, machineVersion: 0, lastIndex: 0, appliedIndex: 0 };
  const machine = { memoryBytesMax: 1_000, memoryBytesLimit: 1_000 };
  warnOfOtherMemoryBound({
    wanted,
    node: { report: () => report as StateReport },
    machine,
    clock,
    logger: { ...silentLogger, warn: (line) => void lines.push(line) },
  });
  clock.advance(5_000);
  Object.assign(report, { isServing: true, lastIndex: 9, appliedIndex: 2 });
  clock.advance(5_000);
  report.machineVersion = 1;
  clock.advance(5_000);
  report.lastIndex = 12;
  report.appliedIndex = 8;
  clock.advance(5_000);
  assertEquals(lines, [], "before what the log held is applied");
  report.appliedIndex = 9;
  machine.memoryBytesMax = bound;
  clock.advance(5_000);
  return lines;
}

Deno.test("a flag with another limit than the cluster's is warned of once", () => {
  assertEquals(warnings(500, 500), []);
  assertEquals(warnings(0, 1_000), []);
  const [line = "", ...others] = warnings(700, 500);
  assertEquals(others, []);
  assertMatch(line, /^the cluster's maxmemory is 500 bytes, and --memory-bytes-max 700 .*/);
  assertMatch(line, /send CONFIG SET maxmemory 700 to the leader or a proxy$/);
  assertEquals(warnings(0, 500).length, 1);
});

Deno.test("CONFIG GET shows exactly the flags that CONFIG SET calls immutable", () => {
  const values = parseFlags(clientFlags, [], () => undefined);
  const names = redisSettings({ host: "h", port: 1 }, values, "").map(([name]) => name);
  assertEquals(names.sort(), [...FIXED_SETTINGS]);
});
