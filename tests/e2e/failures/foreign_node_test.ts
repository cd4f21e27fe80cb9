import { assertExists } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { RegentProcess } from "../../support/regent_process.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("a proxy does not take another cluster's node at a dead node's address for its own", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const [dead] = await cluster.followers();
    assertExists(dead);
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      await dead.process.signal("SIGKILL");
      const stranger = new RegentProcess([
        ...["node", "--id", "stranger", "--role", "leader", "--dir", `${cluster.dir}/stranger`],
        ...["--port", String(dead.port), "--raft-port", String(freePorts(1)[0])],
      ]);
      try {
        const isRefused = () => cluster.proxy.process.said.includes("belongs to cluster");
        await until("the proxy has met the stranger", isRefused, {
          describe: () => stranger.said,
        });
        await load.untilMore(50);
      } finally {
        await stranger.signal("SIGKILL");
      }
      cluster.restart(dead);
      await untilCaughtUp(cluster, dead);
      await load.untilMore(20);
    });
    console.log(load.describe());
    assertNoErrors(load);
    await assertHistoryIn(cluster, load);
  });
});
