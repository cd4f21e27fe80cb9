import { assertEquals, assertMatch } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import { hasTool, runTool } from "../../support/redis_tools.ts";
import { withCluster } from "../../support/with_cluster.ts";

const isMissing = !hasTool("redis-benchmark");
const TESTS = ["ping_inline", "ping_mbulk", "set", "get", "incr", "mset"];

Deno.test({
  name: isMissing ? "redis-benchmark (it is not installed here)" : "redis-benchmark",
  ignore: isMissing,
  async fn(t) {
    await withCluster(CALM, async (cluster) => {
      for (const { name, port } of [await cluster.leader(), cluster.proxy]) {
        for (const pipeline of [1, 16]) {
          await t.step(`${name}, -P ${pipeline}`, () => benchmark(port, pipeline, []));
        }
        await t.step(`${name}, RESP3`, () => benchmark(port, 4, ["-3"]));
      }
    });
  },
});

/** Complaints stand on lines of their own, before or among the figures. */
async function benchmark(port: number, pipeline: number, more: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runTool("redis-benchmark", [
    ...["-p", String(port), "-n", "2000", "-c", "20", "-r", "1000", "-P", String(pipeline)],
    ...["-t", TESTS.join(","), "--csv", ...more],
  ]);
  assertEquals([code, stderr], [0, ""]);
  const [heading, ...lines] = stdout.trim().split("\n");
  assertMatch(heading ?? "", /^"test","rps"/);
  assertEquals(lines.length, TESTS.length);
  for (const line of lines) assertMatch(line, /^"[A-Z_ ()0-9a-z]+","[0-9.]+"(,"[0-9.]+"){6}$/);
}
