import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { infoOf, untilNobodyServes } from "../../support/proxy_info.ts";
import { RawRespClient } from "../../support/raw_resp_client.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const CLIENTS = 5;
const REQUESTS = 200;
/** Longer than any restart takes. */
const HOLD_MS_MAX = 60_000;

Deno.test("requests that were held while nobody led are answered in order", async () => {
  await withCluster({ proxyFlags: ["--hold-ms-max", String(HOLD_MS_MAX)] }, async (cluster) => {
    const clients = await connectClients(cluster.proxy, CLIENTS);
    try {
      const killed = await killMajority(cluster);
      const held = clients.map((client, id) => client.send(...appendsOf(id)));
      await untilWaiting(cluster.proxy, CLIENTS * (REQUESTS + 1));
      for (const node of killed) cluster.restart(node);
      for (const [id, replies] of (await Promise.all(held)).entries()) {
        // The length after each append, and finally the whole value.
        let whole = "";
        const lengths = numbers().map((number) => `:${(whole += `${id}.${number},`).length}\r\n`);
        assertEquals(replies, [...lengths, `$${whole.length}\r\n${whole}\r\n`]);
      }
    } finally {
      for (const client of clients) client.close();
    }
  });
});

Deno.test("beyond the limits of holding, requests are refused at once with the limit's name", async () => {
  const flags = ["--hold-ms-max", String(HOLD_MS_MAX), "--hold-requests-max", "3"];
  const proxyFlags = [...flags, "--hold-bytes-max", "100000"];
  await withCluster({ proxyFlags }, async (cluster) => {
    const clients = await connectClients(cluster.proxy, 2);
    try {
      const killed = await killMajority(cluster);
      const held = clients.map((client, id) => client.send(["SET", `held:${id}`, "x"]));
      await untilWaiting(cluster.proxy, 2);

      const tooBig = ["SET", "too big", "x".repeat(100_000)];
      assertMatch(await refusal(cluster.proxy, tooBig), /^CLUSTERDOWN .*--hold-bytes-max/);
      held.push((await addClient(clients, cluster.proxy)).send(["GET", "held:0"]));
      await untilWaiting(cluster.proxy, 3);
      for (const args of [["SET", "one too many", "x"], ["GET", "one too many"]]) {
        assertMatch(await refusal(cluster.proxy, args), /^CLUSTERDOWN .*--hold-requests-max/);
      }

      for (const node of killed) cluster.restart(node);
      const replies = (await Promise.all(held)).flat();
      assertEquals(replies.slice(0, 2), ["+OK\r\n", "+OK\r\n"]);
      // This read came from a client of its own: it has no order relative to the write.
      assert(["$1\r\nx\r\n", "$-1\r\n"].includes(replies[2] ?? ""), replies[2]);
      assertEquals(await ask(cluster.proxy, ["EXISTS", "too big", "one too many"]), 0);
    } finally {
      for (const client of clients) client.close();
    }
  });
});

function appendsOf(id: number): string[][] {
  const key = `list:${id}`;
  return [...numbers().map((number) => ["APPEND", key, `${id}.${number},`]), ["GET", key]];
}

function numbers(): number[] {
  return Array.from({ length: REQUESTS }, (_, number) => number);
}

function connectClients({ port }: Member, count: number): Promise<RawRespClient[]> {
  return Promise.all(Array.from({ length: count }, () => RawRespClient.connect(port)));
}

async function addClient(clients: RawRespClient[], { port }: Member): Promise<RawRespClient> {
  const client = await RawRespClient.connect(port);
  clients.push(client);
  return client;
}

/** Leaves one follower alone, and waits until the proxy knows that no node can take requests. */
async function killMajority(cluster: LocalCluster): Promise<Member[]> {
  const [survivor] = await cluster.followers();
  const killed = cluster.nodes.filter((node) => node !== survivor);
  await Promise.all(killed.map(({ process }) => process.signal("SIGKILL")));
  await untilNobodyServes(cluster);
  return killed;
}

async function untilWaiting(proxy: Member, count: number): Promise<void> {
  await until(`${count} requests wait`, async () => {
    return Number((await infoOf(proxy)).get("requests_waiting")) === count;
  }, { describe: () => proxy.process.said });
}

/** The error reply to this request, which must come long before the hold would end. */
async function refusal(proxy: Member, args: readonly string[]): Promise<string> {
  const sentMs = performance.now();
  const text = replyText(await ask(proxy, args, HOLD_MS_MAX)) ?? "no error";
  assertLess(performance.now() - sentMs, HOLD_MS_MAX / 2);
  return text;
}
