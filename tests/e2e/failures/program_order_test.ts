import { assertEquals } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import type { LocalCluster } from "../../support/local_cluster.ts";
import { OrderedClient } from "../../support/ordered_client.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const CLIENTS = 6;
/** Long enough for slow machines. */
const PATIENCE_MS = 60_000;

Deno.test("replies keep the order of requests and find their clients while leaders die", async () => {
  await withCluster(PATIENT, async (cluster) => {
    await underOrderedClients(cluster, async (clients) => {
      for (let round = 0; round < 2; round++) {
        const leader = await cluster.leader();
        await leader.process.signal("SIGKILL");
        await untilMore(clients, 20);
        cluster.restart(leader);
        await cluster.untilServing();
      }
    });
  });
});

Deno.test("replies keep the order of requests and find their clients while leaders are suspended", async () => {
  await withCluster(PATIENT, async (cluster) => {
    await underOrderedClients(cluster, async (clients) => {
      for (let round = 0; round < 4; round++) {
        const leader = await cluster.leader();
        await leader.process.signal("SIGSTOP");
        await untilMore(clients, 10);
        await leader.process.signal("SIGCONT");
        await untilMore(clients, 10);
      }
    });
  });
});

async function underOrderedClients(
  { proxy: { port } }: LocalCluster,
  test: (clients: readonly OrderedClient[]) => Promise<void>,
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, (_, id) => new OrderedClient(id, CLIENTS, port));
  const running = Promise.all(clients.map((client) => client.run()));
  try {
    await untilMore(clients, 5);
    await test(clients);
    for (const client of clients) client.isStopping = true;
    await running;
  } finally {
    for (const client of clients) client.close();
  }
  const counts = new Map<string, number>();
  for (const error of clients.flatMap(({ errors }) => errors)) {
    counts.set(error, (counts.get(error) ?? 0) + 1);
  }
  const packets = clients.reduce((sum, client) => sum + client.packets, 0);
  console.log(`${packets} packets in order, errors: ${JSON.stringify([...counts])}`);
  assertEquals(clients.flatMap(({ violations }) => violations), []);
}

/** Waits until each client has N more packets answered without an error. */
async function untilMore(clients: readonly OrderedClient[], count: number): Promise<void> {
  const before = clients.map(({ packets }) => packets);
  await until(
    `each client has ${count} packets more answered`,
    () => clients.every(({ packets }, at) => packets >= (before[at] ?? 0) + count),
    {
      timeoutMs: PATIENCE_MS,
      describe: () =>
        JSON.stringify(clients.map(({ packets, violations }) => [packets, violations])),
    },
  );
}
