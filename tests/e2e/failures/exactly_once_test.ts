import { assertEquals } from "@std/assert";
import { CountingClient } from "../../support/counting_client.ts";
import { ask, type LocalCluster } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const CLIENTS = 8;
const KILLS = 8;
const KILL_EVERY_MS = 1_000;
/** Longer than any restart takes, on slow machines. */
const HOLD_MS_MAX = "60000";
const PATIENCE_MS = 60_000;

Deno.test("leaders are killed every second: each write is executed once, and nobody sees an error", async () => {
  await withCluster({ proxyFlags: ["--hold-ms-max", HOLD_MS_MAX] }, async (cluster) => {
    const clients = await connectClients(cluster);
    const running = Promise.all(clients.map((client) => client.run()));
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const leader = await cluster.leader();
        await leader.process.signal("SIGKILL");
        cluster.restart(leader);
        const passed = new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS));
        await untilMore(clients, 5);
        await passed;
      }
      for (const client of clients) client.isStopping = true;
      await running;
      await check(cluster, clients);
    } finally {
      for (const client of clients) client.close();
    }
  });
});

function connectClients({ proxy }: LocalCluster): Promise<CountingClient[]> {
  return Promise.all(
    Array.from(
      { length: CLIENTS },
      (_, id) => CountingClient.connect(proxy.port, id, id % 2 === 0),
    ),
  );
}

/** Waits until each client had N more correct replies. */
async function untilMore(clients: readonly CountingClient[], count: number): Promise<void> {
  const before = clients.map(({ answered }) => answered);
  await until(
    `each client has ${count} more answers`,
    () => clients.every(({ answered }, at) => answered >= (before[at] ?? 0) + count),
    {
      timeoutMs: PATIENCE_MS,
      describe: () => clients.flatMap(({ violations }) => violations).join("\n"),
    },
  );
}

async function check(cluster: LocalCluster, clients: readonly CountingClient[]): Promise<void> {
  assertEquals(clients.flatMap(({ violations }) => violations), []);
  const answered = clients.reduce((sum, client) => sum + client.answered, 0);
  console.log(`${answered} requests answered while ${KILLS} leaders were killed`);
  for (const { counterKey, listKey, count, list } of clients) {
    const values = await ask(cluster.proxy, ["MGET", counterKey, listKey], PATIENCE_MS);
    assertEquals(values, [count === 0 ? null : String(count), list === "" ? null : list]);
  }
  const sharedKey = clients[0]?.sharedKey ?? "";
  const shared = clients.reduce((sum, { sharedCount }) => sum + sharedCount, 0);
  assertEquals(await ask(cluster.proxy, ["GET", sharedKey], PATIENCE_MS), String(shared));
}
