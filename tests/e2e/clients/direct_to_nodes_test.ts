import { assert, assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import { CALM } from "../../support/calm.ts";
import type { LocalCluster } from "../../support/local_cluster.ts";
import type { PatientClient } from "../../support/patient_client.ts";
import { replyText } from "../../support/reply_text.ts";
import { withRespClients } from "../../support/resp_clients.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** One connection to each process. */
interface Connections {
  readonly leader: PatientClient;
  readonly followers: readonly [PatientClient, PatientClient];
  readonly proxy: PatientClient;
  /** `host:port` */
  readonly leaderAddress: string;
}

Deno.test("nodes asked directly, and the proxy beside them", async (t) => {
  await withCluster(CALM, async (cluster) => {
    await withConnections(cluster, async (connections) => {
      const step = (name: string, run: (connections: Connections) => Promise<void>) =>
        t.step(name, () => run(connections));
      await step("a follower redirects writes, with the slot of the key", redirects);
      await step("reads at followers see every write that was acknowledged", linearizableReads);
      await step("a value read once is never unread elsewhere", monotonicReads);
      await step("WAIT counts the followers that have the writes", waits);
      await step("SCAN through the proxy gives every key, while others come and go", scans);
      await step("keys expire on an idle cluster, everywhere at once", expires);
      await step("DBSIZE and FLUSHALL are the same everywhere", sizes);
    });
  });
});

async function withConnections(
  cluster: LocalCluster,
  run: (connections: Connections) => Promise<void>,
): Promise<void> {
  const leader = await cluster.leader();
  const followers = cluster.nodes.filter((node) => node !== leader);
  await withRespClients([leader, ...followers, cluster.proxy], async (clients) => {
    const [atLeader, first, second, proxy] = clients;
    assert(atLeader && first && second && proxy);
    const leaderAddress = `127.0.0.1:${leader.port}`;
    await run({ leader: atLeader, followers: [first, second], proxy, leaderAddress });
  });
}

async function redirects({ followers: [follower], leaderAddress }: Connections): Promise<void> {
  const keys = ["", "key", "{tag}1", "{tag}2", "{}x", "a{b}{c}", "\x00\xff\r\n", "é".repeat(300)]
    .map((key) => String.fromCharCode(...new TextEncoder().encode(key)));
  for (const key of keys) {
    const slot = Number(await follower.request(["CLUSTER", "KEYSLOT", key]));
    const writes = [["SET", key, "v"], ["DEL", key, "other"], ["MSET", key, "1", "other", "2"]];
    for (const write of writes) {
      const reply = await follower.request(write);
      assertEquals(reply, new ErrorReply(`MOVED ${slot} ${leaderAddress}`));
    }
  }
  const known = ["foo", "{foo}bar", "123456789"].map((key) =>
    follower.request(["CLUSTER", "KEYSLOT", key])
  );
  assertEquals(await Promise.all(known), [12182, 12182, 12739]);
  for (const request of [["FLUSHALL"], ["WAIT", "1", "0"]]) {
    assertEquals(await follower.request(request), new ErrorReply(`MOVED 0 ${leaderAddress}`));
  }
}

async function linearizableReads({ leader, followers, proxy }: Connections): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const writer = i % 3 === 0 ? proxy : leader;
    assertEquals(replyText(await writer.request(["SET", "fresh", String(i)])), "OK");
    const readers = i % 2 === 0 ? [...followers, proxy] : [proxy, ...followers];
    const seen = await Promise.all(readers.map((reader) => reader.request(["GET", "fresh"])));
    assertEquals(seen, readers.map(() => String(i)));
  }
}

async function monotonicReads({ leader, followers, proxy }: Connections): Promise<void> {
  let isWriting = true;
  const writing = (async () => {
    for (let i = 0; isWriting; i++) await leader.request(["SET", "growing", String(i)]);
  })();
  try {
    let last = 0;
    for (let i = 0; i < 100; i++) {
      for (const reader of [...followers, proxy]) {
        const value = Number(await reader.request(["GET", "growing"]));
        assertGreaterOrEqual(value, last);
        last = value;
      }
    }
    assert(last > 0);
  } finally {
    isWriting = false;
    await writing;
  }
}

async function waits({ leader, proxy }: Connections): Promise<void> {
  for (const client of [leader, proxy]) {
    await client.request(["SET", "waited", "for"]);
    assertEquals(await client.request(["WAIT", "2", "60000"]), 2);
    assertEquals(await client.request(["WAIT", "0", "0"]), 2);
    const startMs = performance.now();
    assertEquals(await client.request(["WAIT", "3", "200"]), 2);
    assertGreaterOrEqual(performance.now() - startMs, 190);
    assertEquals(replyText(await client.request(["WAIT", "1", "-1"])), "ERR timeout is negative");
    const [, , pong] = await Promise.all([
      client.request(["SET", "waited", "again"]),
      client.request(["WAIT", "1", "0"]),
      client.request(["PING", "in order"]),
    ]);
    assertEquals(pong, "in order");
  }
}

async function scans({ leader, proxy }: Connections): Promise<void> {
  const names = Array.from({ length: 3_000 }, (_, i) => `scanned:${i}`);
  await leader.request(["MSET", ...names.flatMap((name) => [name, "v"])]);
  let isWriting = true;
  const writing = (async () => {
    for (let i = 0; isWriting; i++) {
      await Promise.all([
        leader.request(["MSET", `noise:${i % 300}`, "v", `noise:${(i + 150) % 300}`, "v"]),
        leader.request(["DEL", `noise:${(i + 100) % 300}`]),
      ]);
    }
  })();
  try {
    for (const count of ["7", "100", "5000"]) {
      const found: string[] = [];
      let cursor = "0";
      do {
        const reply = await proxy.request(["SCAN", cursor, "COUNT", count]);
        const [next, keys] = reply as [string, readonly Reply[]];
        found.push(...keys.map(String).filter((key) => key.startsWith("scanned:")));
        cursor = next;
      } while (cursor !== "0");
      assertEquals(new Set(found).size, names.length, `COUNT ${count}`);
    }
  } finally {
    isWriting = false;
    await writing;
  }
}

async function expires({ leader, followers, proxy }: Connections): Promise<void> {
  await leader.request(["FLUSHALL"]);
  await leader.request(["SET", "long", "v", "EX", "1000"]);
  const everywhere = [leader, ...followers, proxy];
  const ask = (...args: string[]) => Promise.all(everywhere.map((one) => one.request(args)));
  let deadlines: readonly Reply[] = [];
  for (let briefMs = 400, isGone = true; isGone; briefMs *= 2) { // on a busy machine the request may come too late
    await leader.request(["SET", "brief", "v", "PX", String(briefMs)]);
    deadlines = await ask("PEXPIRETIME", "brief");
    for (const ttl of await ask("PTTL", "brief")) assertLess(Number(ttl), briefMs + 1);
    isGone = deadlines.includes(-2);
  }
  assertEquals(new Set(deadlines).size, 1);
  // After the first read that does not find it, no read may find it.
  await until("it is gone at a follower", async () => {
    return await followers[0].request(["GET", "brief"]) === null;
  });
  assertEquals(await ask("EXISTS", "brief"), [0, 0, 0, 0]);
  assertGreaterOrEqual(Date.now(), Number(deadlines[0]));
  assertEquals(await ask("TTL", "brief"), [-2, -2, -2, -2]);
  assertEquals(await ask("DBSIZE"), [1, 1, 1, 1]);
  for (const ttl of await ask("TTL", "long")) assertGreaterOrEqual(Number(ttl), 900);
}

async function sizes({ leader, followers, proxy }: Connections): Promise<void> {
  const everywhere = [leader, ...followers, proxy];
  const dbSizes = () => Promise.all(everywhere.map((one) => one.request(["DBSIZE"])));
  await leader.request(["FLUSHALL"]);
  assertEquals(await dbSizes(), [0, 0, 0, 0]);
  await proxy.request(["MSET", "a", "1", "b", "2", "c", "3"]);
  assertEquals(await dbSizes(), [3, 3, 3, 3]);
  await proxy.request(["DEL", "a", "b", "none"]);
  assertEquals(await dbSizes(), [1, 1, 1, 1]);
}
