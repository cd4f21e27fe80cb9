import { assertExists } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import {
  assertHistoryIn,
  assertNoErrors,
  assertShortGaps,
  underLoad,
} from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("clients of a killed proxy reconnect and go on", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        await cluster.proxy.process.signal("SIGKILL");
        cluster.restart(cluster.proxy);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    // The client library resends requests in flight, which both kinds of write allow.
    assertNoErrors(load);
    await assertHistoryIn(cluster, load);
  });
});

Deno.test("two proxies behave alike, also while the leader is killed", async () => {
  await withCluster({ ...PATIENT, proxies: 2 }, async (cluster) => {
    const ports = cluster.proxies.map(({ port }) => port);
    const load = await underLoad({ ports }, async (load) => {
      const leader = await cluster.leader();
      await leader.process.signal("SIGKILL");
      await load.untilMore(30);
      cluster.restart(leader);
      await load.untilMore(30);
    });
    console.log(load.describe());
    assertNoErrors(load);
    assertShortGaps(load);
    await assertHistoryIn(cluster, load);
  });
});

Deno.test("the clients of one proxy do not notice another one's death", async () => {
  await withCluster({ ...PATIENT, proxies: 2 }, async (cluster) => {
    const [killed, other] = cluster.proxies;
    assertExists(killed);
    assertExists(other);
    const load = await underLoad({ ports: [killed.port], name: "killed" }, async (load) => {
      const untouched = await underLoad({ ports: [other.port] }, async (untouched) => {
        await killed.process.signal("SIGKILL");
        await untouched.untilMore(50);
      });
      assertNoErrors(untouched);
      cluster.restart(killed);
      await load.untilMore(20);
    });
    console.log(load.describe());
    assertNoErrors(load);
  });
});
