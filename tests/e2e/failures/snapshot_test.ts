import { assert, assertEquals } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

const MIB = 1024 * 1024;
const VALUE = "v".repeat(64 * 1024);

Deno.test("a follower that is too far behind gets a snapshot, and clients do not notice", async () => {
  await withCluster({ ...PATIENT, nodeFlags: ["--snapshot-log-bytes", "1m"] }, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      const [follower] = await cluster.followers();
      if (follower === undefined) throw new Error("there is no follower");
      await follower.process.signal("SIGKILL");
      await overwrite(cluster, 8 * MIB);
      await load.untilMore(20);
      cluster.restart(follower);
      await untilCaughtUp(cluster, follower);
      assert(follower.process.said.includes("receives the snapshot"), follower.process.said);
      await load.untilMore(20);
    });
    assertNoErrors(load);
    await restartAll(cluster);
    await assertHistoryIn(cluster, load);
    for (const node of cluster.nodes) {
      assertEquals(await ask(node, ["GET", "large:1"]), VALUE);
      const bytes = directoryBytes(node.dir);
      assert(bytes < 12 * MIB, `${node.name} keeps ${bytes} bytes`);
    }
  });
});

/** Writes this many bytes, again and again to the same ten keys. */
async function overwrite(cluster: LocalCluster, bytes: number): Promise<void> {
  for (let at = 0; at * VALUE.length < bytes; at++) {
    await until("a write is taken", async () => {
      const reply = await ask(cluster.proxy, ["SET", `large:${at % 10}`, VALUE]);
      return (reply as { text?: string } | null)?.text === "OK";
    });
  }
}

async function restartAll(cluster: LocalCluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.process.signal("SIGKILL")));
  cluster.nodes.forEach((node: Member) => cluster.restart(node));
  await cluster.untilServing();
}

function directoryBytes(path: string): number {
  let sum = 0;
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    const inner = `${path}/${name}`;
    sum += isDirectory ? directoryBytes(inner) : Deno.statSync(inner).size;
  }
  return sum;
}
