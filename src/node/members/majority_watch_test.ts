import { assertEquals } from "@std/assert";
import { silentLogger } from "../../base/logger.ts";
import { MajorityWatch } from "./catch_up.ts";

Deno.test("whom a node without a leader does not reach is told, every few seconds", () => {
  const lines: string[] = [];
  const problems = new Map([["n2", "10.0.0.2:17001: refused"], ["n3", "10.0.0.3:17001: reset"]]);
  const watch = new MajorityWatch({
    logger: { ...silentLogger, warn: (line) => lines.push(line) },
    problem: (id) => problems.get(id) ?? null,
  });
  const members = ["n1", "n2", "n3"];
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) watch.check(nowMs, nowMs < 1_000, members);
  const line = "no leader without a majority: 1 of 3 members reached; " +
    "n2 10.0.0.2:17001: refused; n3 10.0.0.3:17001: reset";
  assertEquals(lines, [line, line]);
  problems.delete("n3"); // these two can elect
  for (let nowMs = 10_000; nowMs < 30_000; nowMs += 50) watch.check(nowMs, false, members);
  problems.clear();
  for (let nowMs = 30_000; nowMs < 60_000; nowMs += 50) watch.check(nowMs, true, members);
  assertEquals(lines.length, 2);
});
