import { assertLess, assertNotEquals } from "@std/assert";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** What nobody should ever wait; the usual gap is a fraction of it, but test machines are slow. */
const GAP_MS_MAX = 5_000;

Deno.test("a killed leader takes no acknowledged write with it", async () => {
  await withCluster({}, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        const leader = await cluster.leader();
        await leader.process.signal("SIGKILL");
        await load.untilMore(50);
        assertNotEquals((await cluster.leader()).name, leader.name);
        cluster.restart(leader);
        await untilCaughtUp(cluster, leader);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    assertNoErrors(load);
    assertLess(load.longestGapMs, GAP_MS_MAX);
    await assertHistoryIn(cluster, load);
  });
});
