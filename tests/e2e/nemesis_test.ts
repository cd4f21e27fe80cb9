import { assert, assertEquals } from "@std/assert";
import { runNemesis } from "../nemesis/run_nemesis.ts";

Deno.test("a cluster under faults of all kinds breaks no promise", async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const report = await runNemesis({ seed: 2074, durationMs: 15_000, log });
  assertEquals(report.violations, [], `${lines.join("\n")}\ndata and logs are in ${report.dir}`);
  assert(report.operations > 500, `only ${report.operations} operations`);
  assert(report.faults.size >= 5, lines.join("\n"));
  assert(report.changes.added >= 1 && report.changes.removed >= 1, lines.join("\n"));
  assert(report.snapshots.taken >= 1, lines.join("\n"));
});
