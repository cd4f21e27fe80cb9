import { assertNotEquals } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import {
  assertHistoryIn,
  assertNoErrors,
  assertShortGaps,
  underLoad,
  untilCaughtUp,
} from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("a killed leader takes no acknowledged write with it", async () => {
  await withCluster(PATIENT, async (cluster) => {
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
    assertShortGaps(load);
    await assertHistoryIn(cluster, load);
  });
});
