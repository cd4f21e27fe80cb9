import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describeVersions } from "../../../src/base/version_range.ts";
import { fieldsOf } from "../../../src/cli/resp_client.ts";
import { BUILD_VERSIONS } from "../../../src/node/members/versions.ts";
import { PATIENT } from "../../support/calm.ts";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { RegentProcess } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

const NEXT = new URL("../../support/next_build.ts", import.meta.url).pathname;
const OLD = BUILD_VERSIONS.machine.newest;

async function versionsOf(node: Member): Promise<number[]> {
  const reply = await ask(node, ["CLUSTER", "ROLE"]);
  if (reply === null) return [];
  const fields = fieldsOf(reply);
  return ["machine-version", "machine-version-max"].map((name) => Number(fields.get(name)));
}

const setFar = (cluster: LocalCluster) => ask(cluster.proxy, ["SETRANGE", "far", "2000", "x"]);

Deno.test("three nodes are upgraded one by one under load, and no client sees an error", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (const [at, node] of cluster.nodes.entries()) {
        assertEquals(await setFar(cluster), 2001, "the rules of before hold until all are new");
        await node.process.signal("SIGTERM");
        cluster.restart(node, NEXT);
        await until(`${node.name} runs`, async () => (await versionsOf(node)).length > 0);
        await untilCaughtUp(cluster, node);
        if (at < 2) assertEquals(await versionsOf(node), [OLD, OLD + 1]);
        await load.untilMore(20);
      }
      await until("all nodes have the newer version", async () => {
        const all = await Promise.all(cluster.nodes.map(versionsOf));
        return all.every(([now]) => now === OLD + 1);
      }, { describe: () => cluster.said() });
      assertMatch(replyText(await setFar(cluster)) ?? "", /exceeds maximum allowed size/);
      await load.untilMore(20);
    });
    console.log(load.describe());
    assertNoErrors(load);
    await assertHistoryIn(cluster, load);
    await assertTooOld(cluster);
  });
});

/** A node of the previous version starts on a directory whose log is newer. */
async function assertTooOld(cluster: LocalCluster): Promise<void> {
  const [, , node] = cluster.nodes;
  if (node === undefined) throw new Error("there is no third node");
  await node.process.signal("SIGTERM");
  const old = new RegentProcess(node.args);
  const { code } = await old.ended();
  assertEquals(code, 1, old.said);
  const known = describeVersions(BUILD_VERSIONS.machine);
  const understood = `version ${OLD + 1}, and this version of Regent understands ${known}:`;
  assertStringIncludes(old.said, understood);
  assertEquals(old.said.includes("    at "), false, old.said);
}
