import { assertEquals } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { type Load } from "../../support/load.ts";
import {
  assertHistoryIn,
  assertNoErrors,
  assertShortGaps,
  underLoad,
  untilCaughtUp,
} from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("clients do not notice that a follower is killed and comes back", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        const [follower] = await cluster.followers();
        if (follower === undefined) throw new Error("there is no follower");
        await follower.process.signal("SIGKILL");
        await load.untilMore(50);
        cluster.restart(follower);
        await untilCaughtUp(cluster, follower);
        await load.untilMore(20);
      }
    });
    assertUnnoticed(load);
    await assertHistoryIn(cluster, load);
  });
});

Deno.test("clients do not notice that a follower stops for a while", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (const follower of await cluster.followers()) {
        await follower.process.signal("SIGSTOP");
        await load.untilMore(50);
        await follower.process.signal("SIGCONT");
        await untilCaughtUp(cluster, follower);
        await load.untilMore(20);
      }
    });
    assertUnnoticed(load);
    assertEquals(cluster.nodes.every(({ process }) => process.isRunning), true);
    await assertHistoryIn(cluster, load);
  });
});

function assertUnnoticed(load: Load): void {
  console.log(load.describe());
  assertNoErrors(load);
  assertShortGaps(load);
}
