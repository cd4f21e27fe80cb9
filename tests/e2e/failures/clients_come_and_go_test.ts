import { assertEquals, assertGreater } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { ask } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { RudeClients } from "../../support/rude_clients.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, assertNoErrors, underLoad } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** More than fit in any queue: Deno 2.6 once accepted 2,049 and then no more. */
const CONNECTIONS = 4_500;

Deno.test("clients that disconnect at any moment disturb nobody", async () => {
  await withCluster(PATIENT, async (cluster) => {
    const { proxy } = cluster;
    const load = await underLoad({ ports: [proxy.port] }, async (load) => {
      const rude = RudeClients.start(proxy.port);
      try {
        await rude.untilMore(100);
        const leader = await cluster.leader();
        await leader.process.signal("SIGKILL");
        await load.untilMore(30);
        await rude.untilMore(100);
        cluster.restart(leader);
        await load.untilMore(30);
        await rude.untilMore(100);
      } finally {
        await rude.stop();
      }
      assertGreater(rude.replies, 0);
      assertEquals(rude.violations, []);
    });
    console.log(load.describe());
    assertNoErrors(load);
    await assertHistoryIn(cluster, load);
    let info = "";
    await until("the proxy has forgotten all clients and their requests", async () => {
      info = replyText(await ask(proxy, ["INFO"])) ?? "";
      return ["connected_clients:1", "requests_in_flight:0", "requests_waiting:0"]
        .every((line) => info.includes(`${line}\r\n`));
    }, { describe: () => info });
    // A rude client only writes values of the key itself.
    for (const key of RudeClients.KEYS) {
      const value = replyText(await ask(proxy, ["GETRANGE", key, "0", "20"]));
      assertEquals((value ?? "").startsWith(key) || value === "", true, `${key} holds ${value}`);
    }
  });
});

Deno.test("a node and a proxy accept any number of connections, one after the other", async () => {
  await withCluster({ ...PATIENT, nodes: 1 }, async ({ nodes, proxies }) => {
    for (const member of [...nodes, ...proxies]) {
      for (let at = 0; at < CONNECTIONS; at++) {
        assertEquals(replyText(await ask(member, ["PING"])), "PONG", `${member.name}, ${at}`);
      }
    }
  });
});
