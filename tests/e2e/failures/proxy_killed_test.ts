import { assertExists } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import {
  assertHistoryIn,
  assertNoErrors,
  assertShortGaps,
  underLoad,
} from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("clients of a proxy that is killed connect again and go on", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (let round = 0; round < 2; round++) {
        await cluster.proxy.process.signal("SIGKILL");
        cluster.restart(cluster.proxy);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    // What was under way is sent again by the client library: both kinds of write stand that.
    assertNoErrors(load);
    await assertHistoryIn(cluster, load);
  });
});

Deno.test("two proxies work alike, also while the leader is killed", async () => {
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

Deno.test("the clients of one proxy notice nothing of another one's death", async () => {
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
