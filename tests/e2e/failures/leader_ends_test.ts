import { assert, assertEquals, assertMatch } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** So long that no node stands for election only because the ending leader is silent. */
const SLOW_ELECTIONS = ["--election-ms", "3000"];

Deno.test("a leader that is ended transfers leadership first, and reports that it stops", async () => {
  await withCluster({ ...PATIENT, nodeFlags: SLOW_ELECTIONS }, async (cluster) => {
    const gaps: number[] = [];
    for (let round = 0; round < 3; round++) {
      const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
        const leader = await cluster.leader();
        const saidBefore = leader.process.said.length;
        await leader.process.signal("SIGTERM");
        assertEquals((await leader.process.status).code, 0);
        const said = leader.process.said.slice(saidBefore);
        // Another node leads before this one ends, and not because of its end.
        assertMatch(said, /is asked to stop\n[^]*follows n\d in term \d+\n[^]*has stopped\n/);
        await load.untilMore(20);
        cluster.restart(leader);
        await untilCaughtUp(cluster, leader);
      });
      assertNoErrors(load);
      await assertHistoryIn(cluster, load);
      gaps.push(Math.round(load.longestOwnGapMs));
    }
    console.log(`longest times without service when the leader was ended: ${gaps} ms`);
    assert(Math.min(...gaps) < 5_000);
  });
});
