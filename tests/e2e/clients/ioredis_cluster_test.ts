import { assert, assertEquals, assertLess } from "@std/assert";
import type { Cluster } from "ioredis";
import { messageOf } from "../../../src/base/errors.ts";
import { CALM } from "../../support/calm.ts";
import type { LocalCluster } from "../../support/local_cluster.ts";
import { MachineWatch } from "../../support/machine_watch.ts";
import { withRedisCluster } from "../../support/redis_clients.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("ioredis in Cluster mode", async (t) => {
  await withCluster(CALM, async (cluster) => {
    const ports = cluster.nodes.map(({ port }) => port);
    const followers = (await cluster.followers()).map(({ port }) => port);
    await t.step("all nodes as startup nodes", () => withRedisCluster(ports, readAndWrite));
    await t.step(
      "a follower as the only startup node",
      () => withRedisCluster(followers.slice(0, 1), readAndWrite),
    );
    await t.step(
      "reads at followers",
      () =>
        withRedisCluster(ports, (redis) => readAtFollowers(redis, followers), {
          scaleReads: "slave",
        }),
    );
    await t.step(
      "pointed at the proxy, which is then the only node",
      () =>
        withRedisCluster([cluster.proxy.port], async (redis) => {
          await readAndWrite(redis);
          assertEquals(redis.nodes().map(({ options }) => options.port), [cluster.proxy.port]);
        }),
    );
  });
});

Deno.test("ioredis in Cluster mode follows the leadership", async (t) => {
  await withCluster({}, async (cluster) => {
    const ports = cluster.nodes.map(({ port }) => port);
    for (const scaleReads of ["master", "slave"] as const) {
      await t.step(`with reads at the ${scaleReads}`, async () => {
        await withRedisCluster(ports, (redis) => followLeadership(redis, cluster), { scaleReads });
        await cluster.untilServing();
      });
    }
    for (const name of ["the leader", "a follower"]) {
      await t.step(`told of ${name} alone at first`, async () => {
        const leader = await cluster.leader();
        const [follower] = await cluster.followers();
        const seed = name === "the leader" ? leader : follower;
        assert(seed !== undefined);
        await withRedisCluster([seed.port], (redis) => followLeadership(redis, cluster));
        await cluster.untilServing();
      });
    }
  });
});

/** Keys in many slots, several in one slot, pipelines within a slot. */
async function readAndWrite(redis: Cluster): Promise<void> {
  const numbers = Array.from({ length: 200 }, (_, i) => i);
  const keys = numbers.map((i) => `key:${i}`);
  const written = await Promise.all(keys.map((key, i) => redis.set(key, i)));
  assertEquals(new Set(written), new Set(["OK"]));
  const read = await Promise.all(keys.map((key) => redis.get(key)));
  assertEquals(read, numbers.map(String));
  assertEquals(await redis.mset("{same}a", "1", "{same}b", "2"), "OK");
  assertEquals(await redis.mget("{same}a", "{same}b"), ["1", "2"]);
  const batch = redis.pipeline();
  for (const i of numbers) batch.incr("{same}count").get("{same}count").echo(String(i));
  const replies = (await batch.exec() ?? []).map(([error, reply]) => error?.message ?? reply);
  assertEquals(replies, numbers.flatMap((i) => [i + 1, String(i + 1), String(i)]));
  assertEquals(await redis.del("{same}a", "{same}b", "{same}count"), 3);
}

async function readAtFollowers(redis: Cluster, followers: readonly number[]): Promise<void> {
  const slavePorts = redis.nodes("slave").map(({ options }) => options.port ?? 0);
  assertEquals(slavePorts.sort(), [...followers].sort());
  for (let i = 0; i < 200; i++) {
    assertEquals(await redis.set("seen", i), "OK");
    assertEquals(await redis.get("seen"), String(i));
  }
  const counts = await Promise.all(
    redis.nodes("slave").map(async (node) => {
      const text = await node.info("stats");
      return Number(/total_commands_processed:([0-9]+)/.exec(text)?.[1]);
    }),
  );
  assert(counts.reduce((sum, count) => sum + count, 0) > 200, `followers took ${counts}`);
}

/** A client that has found no node in a list of nodes waits longer until it asks again. */
const GAP_MS_MAX = 5_000;

/** Kills the leader while requests are in flight, and requires that they succeed without it. */
async function followLeadership(redis: Cluster, cluster: LocalCluster): Promise<void> {
  let written = 0;
  let isStopped = false;
  let longestGapMs = 0;
  const watch = new MachineWatch();
  const errors: string[] = [];
  const acknowledged: number[] = [];
  const writing = (async () => {
    while (!isStopped) {
      const value = ++written;
      const sinceMs = performance.now();
      try {
        await redis.set(`followed:${value}`, value);
        acknowledged.push(value);
        const nowMs = performance.now();
        const ownMs = nowMs - sinceMs - watch.waitedMs(sinceMs, nowMs);
        longestGapMs = Math.max(longestGapMs, ownMs);
      } catch (error) {
        errors.push(messageOf(error));
        await redis.echo("the connection stands again").catch(() => {});
      }
    }
  })();
  try {
    const describe = () => `${acknowledged.length} written, errors: ${errors.join("; ")}`;
    await until("it writes", () => acknowledged.length > 50, { describe });
    const leader = await cluster.leader();
    await leader.process.signal("SIGKILL");
    const before = acknowledged.length;
    await until("it writes again", () => acknowledged.length > before + 50, { describe });
    cluster.restart(leader);
  } finally {
    isStopped = true;
    await writing;
    watch.stop();
  }
  assertEquals(errors.filter((error) => !error.startsWith("UNKNOWN ")), []);
  assertLess(longestGapMs, GAP_MS_MAX);
  const values = await Promise.all(acknowledged.map((value) => redis.get(`followed:${value}`)));
  assertEquals(values, acknowledged.map(String));
}
