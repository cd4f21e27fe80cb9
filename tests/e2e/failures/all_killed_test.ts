import { assertEquals } from "@std/assert";
import { assertHistoryIn, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** Longer than any restart takes, so that no request fails because it was held too long. */
const HOLD_MS_MAX = "60000";
/** For all that the proxy knows, the request may have killed the nodes. */
const LOST_WITH_TWO = /^ERR 2 nodes were lost while they worked on this read, /;

Deno.test("all nodes killed in the middle of writes come back with everything acknowledged", async () => {
  await withCluster({ proxyFlags: ["--hold-ms-max", HOLD_MS_MAX] }, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        await Promise.all(cluster.nodes.map(({ process }) => process.signal("SIGKILL")));
        for (const node of cluster.nodes) cluster.restart(node);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    assertEquals([load.violations, load.writeErrors], [[], []]);
    assertEquals(load.readErrors.filter((error) => !LOST_WITH_TWO.test(error)), []);
    for (const node of cluster.nodes) await untilCaughtUp(cluster, node);
    await assertHistoryIn(cluster, load);
  });
});
