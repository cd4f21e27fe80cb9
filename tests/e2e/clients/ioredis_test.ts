import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import { Buffer } from "node:buffer";
import { CALM } from "../../support/calm.ts";
import { withRedis } from "../../support/redis_clients.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const MIB = 1024 * 1024;
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

Deno.test("ioredis, through the proxy and at the leader", async (t) => {
  await withCluster(CALM, async (cluster) => {
    const leader = await cluster.leader();
    for (const { name, port } of [cluster.proxy, leader]) {
      const step = (what: string, run: (redis: Redis, prefix: string) => Promise<void>) =>
        t.step(`${name}: ${what}`, () => withRedis(port, (redis) => run(redis, `${name}:`)));
      await step("strings and counters", strings);
      await step("any bytes, in keys too", binary);
      await step("a pipeline answers in order", pipeline);
      await step("reads and writes mixed in a pipeline see each other", mixedPipeline);
      await step("unawaited requests of one connection keep their order", unawaited);
      await step("errors are those of Redis, and harm nothing else", errors);
      await step("values of 1 and 8 MiB", bigValues);
      await step("keys expire", expiry);
      await t.step(`${name}: many connections at once`, () => manyConnections(port, name));
    }
  });
});

async function strings(redis: Redis, prefix: string): Promise<void> {
  const key = `${prefix}string`;
  assertEquals(await redis.get(key), null);
  assertEquals(await redis.set(key, "héllo"), "OK");
  assertEquals(await redis.get(key), "héllo");
  assertEquals(await redis.append(key, "!"), 7);
  assertEquals(await redis.set(key, "other", "NX"), null);
  assertEquals(await redis.set(key, "other", "XX", "GET"), "héllo!");
  assertEquals(await redis.incrby(`${prefix}count`, 5), 5);
  assertEquals(await redis.incrbyfloat(`${prefix}count`, 0.5), "5.5");
  assertEquals(await redis.mset(`${prefix}a`, "1", `${prefix}b`, "2"), "OK");
  assertEquals(await redis.mget(`${prefix}a`, `${prefix}none`, `${prefix}b`), ["1", null, "2"]);
  assertEquals(await redis.del(`${prefix}a`, `${prefix}none`, `${prefix}b`), 2);
  assertEquals(await redis.type(key), "string");
}

async function binary(redis: Redis, prefix: string): Promise<void> {
  const key = Buffer.concat([Buffer.from(prefix), ALL_BYTES]);
  assertEquals(await redis.set(key, ALL_BYTES), "OK");
  const value = await redis.getBuffer(key);
  assert(value !== null && ALL_BYTES.equals(value), `${value?.toString("hex")}`);
  assertEquals(await redis.strlen(key), 256);
  const keys = await redis.keysBuffer(`${prefix}*`);
  assert(keys.some((found) => key.equals(found)));
  assertEquals(await redis.del(key), 1);
}

async function pipeline(redis: Redis, prefix: string): Promise<void> {
  const batch = redis.pipeline();
  for (let i = 0; i < 2_000; i++) batch.set(`${prefix}p${i}`, i);
  const written = await batch.exec() ?? [];
  assertEquals(written.length, 2_000);
  assertEquals(written.filter(([error, reply]) => error !== null || reply !== "OK"), []);
  const reads = redis.pipeline();
  for (let i = 0; i < 2_000; i++) reads.get(`${prefix}p${i}`);
  const replies = (await reads.exec() ?? []).map(([, reply]) => reply);
  assertEquals(replies, Array.from({ length: 2_000 }, (_, i) => String(i)));
}

async function mixedPipeline(redis: Redis, prefix: string): Promise<void> {
  const key = `${prefix}mixed`;
  const batch = redis.pipeline();
  const expected: unknown[] = [];
  for (let i = 0; i < 300; i++) {
    batch.set(key, i).get(key).incr(key).get(key).get(`${prefix}none`).echo(String(i)).del(key)
      .exists(key);
    expected.push("OK", String(i), i + 1, String(i + 1), null, String(i), 1, 0);
  }
  const replies = (await batch.exec() ?? []).map(([error, reply]) => error?.message ?? reply);
  assertEquals(replies, expected);
}

async function unawaited(redis: Redis, prefix: string): Promise<void> {
  const key = `${prefix}unawaited`;
  const replies: Promise<unknown>[] = [];
  for (let i = 1; i <= 200; i++) replies.push(redis.incr(key), redis.get(key), redis.ping());
  const expected = Array.from({ length: 200 }, (_, i) => [i + 1, String(i + 1), "PONG"]);
  assertEquals(await Promise.all(replies), expected.flat());
}

async function errors(redis: Redis, prefix: string): Promise<void> {
  const key = `${prefix}word`;
  await redis.set(key, "word");
  const batch = redis.pipeline().set(`${prefix}e`, 1).incr(key).call("NOSUCH", "a").call("GET")
    .incr(`${prefix}e`);
  const replies = (await batch.exec() ?? []).map(([error, reply]) => error?.message ?? reply);
  assertEquals(replies, [
    "OK",
    "ERR value is not an integer or out of range",
    "ERR unknown command 'NOSUCH', with args beginning with: 'a' ",
    "ERR wrong number of arguments for 'get' command",
    2,
  ]);
}

async function bigValues(redis: Redis, prefix: string): Promise<void> {
  for (const size of [MIB, 8 * MIB]) {
    const value = Buffer.alloc(size, ALL_BYTES);
    assertEquals(await redis.set(`${prefix}big`, value), "OK");
    const read = await redis.getBuffer(`${prefix}big`);
    assert(read !== null && value.equals(read), `of ${size} bytes ${read?.length} came back`);
    assertEquals(await redis.strlen(`${prefix}big`), size);
  }
  const tooBig = Buffer.alloc(33 * MIB);
  await assertRejects(() =>
    withRedis(redis.options.port ?? 0, async (other) => {
      await other.set(`${prefix}big`, tooBig);
    }, { reconnects: false })
  );
  assertEquals(await redis.strlen(`${prefix}big`), 8 * MIB);
  assertEquals(await redis.del(`${prefix}big`), 1);
}

async function expiry(redis: Redis, prefix: string): Promise<void> {
  const key = `${prefix}brief`;
  let ttlMs = -2;
  for (let briefMs = 150; ttlMs === -2; briefMs *= 2) { // on a busy machine the request may come too late
    await redis.set(key, "v", "PX", briefMs);
    ttlMs = await redis.pttl(key);
  }
  assertGreater(ttlMs, 0);
  await until("it expires", async () => await redis.get(key) === null);
  assertEquals(await redis.pttl(key), -2);
  await redis.set(key, "v", "EX", 1_000_000);
  assertEquals(Math.round(await redis.ttl(key) / 1_000), 1_000);
  assertEquals(await redis.persist(key), 1);
  assertEquals(await redis.ttl(key), -1);
}

async function manyConnections(port: number, prefix: string): Promise<void> {
  const key = `${prefix}:shared`;
  await Promise.all(Array.from({ length: 100 }, (_, client) =>
    withRedis(port, async (redis) => {
      for (let i = 0; i < 5; i++) {
        const own = `${prefix}:own:${client}`;
        const value = `${client}-${i}`;
        const [, read, id] = await Promise.all([
          redis.set(own, value),
          redis.get(own),
          redis.echo(value),
          redis.incr(key),
        ]);
        assertEquals([read, id], [value, value]);
      }
    })));
  await withRedis(port, async (redis) => assertEquals(await redis.get(key), "500"));
}
