import { assertEquals } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster } from "../../support/local_cluster.ts";
import { SwitchingClient } from "../../support/switching_client.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const CLIENTS = 6;
const PATIENCE_MS = 60_000;

Deno.test("clients that know two proxies go on when one of them is killed, and count no write twice", async () => {
  await withCluster({ ...PATIENT, proxies: 2 }, async (cluster) => {
    const ports = cluster.proxies.map(({ port }) => port);
    await underClients(ports, async (clients) => {
      for (const proxy of cluster.proxies) {
        await proxy.process.signal("SIGKILL");
        await untilMore(clients, 20);
        cluster.restart(proxy);
        await cluster.untilServing();
      }
    });
  });
});

Deno.test("nodes are proxies too: one of them is killed, leader and proxy in one, and clients go on", async () => {
  const ports = freePorts(3);
  const flagsOf = Object.fromEntries(
    ports.map((port, at) => [`n${at + 1}`, ["--proxy-port", String(port)]]),
  );
  await withCluster({ proxies: 0, nodeFlags: PATIENT.proxyFlags, flagsOf }, async (cluster) => {
    await untilProxying(ports);
    await underClients(ports, async (clients) => {
      const leader = await cluster.leader();
      await leader.process.signal("SIGKILL");
      await untilMore(clients, 20);
      cluster.restart(leader);
      await untilMore(clients, 20);
    });
    await untilProxying(ports); // including the restarted one
    await stopsWhole(cluster, ports);
  });
});

async function underClients(
  ports: readonly number[],
  test: (clients: readonly SwitchingClient[]) => Promise<void>,
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, (_, id) => {
    return new SwitchingClient(id, [...ports.slice(id % ports.length), ...ports]);
  });
  const running = Promise.all(clients.map((client) => client.run()));
  try {
    await untilMore(clients, 10);
    await test(clients);
    for (const client of clients) client.isStopping = true;
    await running;
  } finally {
    for (const client of clients) client.close();
  }
  assertEquals(clients.flatMap(({ errors }) => errors), []);
  assertEquals(clients.flatMap(({ violations }) => violations), []);
}

async function untilMore(clients: readonly SwitchingClient[], more: number): Promise<void> {
  const before = clients.map(({ count }) => count);
  await until(
    `each client counts ${more} times more`,
    () => clients.every(({ count }, at) => count >= (before[at] ?? 0) + more),
    {
      timeoutMs: PATIENCE_MS,
      describe: () => JSON.stringify(clients.map(({ count, errors }) => [count, errors])),
    },
  );
}

async function untilProxying(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    await until(`${port} takes writes`, async () => {
      return typeof await ask({ port }, ["DEL", "a key that nobody uses"]) === "number";
    });
  }
}

/** A node that is asked to end also leaves its proxy's port. */
async function stopsWhole(cluster: LocalCluster, ports: readonly number[]): Promise<void> {
  const [node] = cluster.nodes;
  await node?.process.signal("SIGTERM");
  assertEquals((await node?.process.ended())?.code, 0);
  const refused = await Deno.connect({ port: ports[0] ?? 0 }).then(() => false, () => true);
  assertEquals(refused, true);
}
