import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** Longer than any restart takes, so that no request is refused for its waiting. */
const HOLD_MS_MAX = "60000";

Deno.test("all nodes killed in the middle of writes come back with all that was acknowledged", async () => {
  await withCluster({ proxyFlags: ["--hold-ms-max", HOLD_MS_MAX] }, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        await Promise.all(cluster.nodes.map(({ process }) => process.signal("SIGKILL")));
        for (const node of cluster.nodes) cluster.restart(node);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    assertNoErrors(load);
    for (const node of cluster.nodes) await untilCaughtUp(cluster, node);
    await assertHistoryIn(cluster, load);
  });
});
