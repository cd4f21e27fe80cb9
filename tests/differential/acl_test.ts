import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { ACL_CATALOG } from "../../src/commands/acl_catalog.ts";
import { decodeReply } from "../../src/resp/reply_scanner.ts";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";
import { AclComparison } from "./acl_comparison.ts";
import { arrayOf, redisCatalog, textOf } from "./redis_catalog.ts";

const hasRedis = await hasRedisServer();
const seed = Number(Deno.env.get("REGENT_SEED") ?? 20260101);
const sequences = Number(Deno.env.get("REGENT_COUNT") ?? 300);
const CHANGES = 6;

function testWithRedis(name: string, run: (redis: RawRespClient) => Promise<void>): void {
  Deno.test({
    name: `${name}${hasRedis ? "" : " (there is no redis-server on the PATH)"}`,
    ignore: !hasRedis,
    async fn() {
      const server = await startRedisServer();
      const redis = await RawRespClient.connect(server.port);
      try {
        await run(redis);
      } finally {
        redis.close();
        await server.stop();
      }
    },
  });
}

testWithRedis("random rules make the same users as in Redis", async (redis) => {
  const comparison = new AclComparison(redis, await redisCatalog(redis), seededRandom(seed));
  for (let done = 0; done < sequences; done++) {
    const difference = await comparison.sequence(CHANGES);
    if (difference === null) continue;
    const { about, steps, expected, actual } = difference;
    assertEquals(actual, expected, `REGENT_SEED=${seed} ${about} ${JSON.stringify(steps)}`);
  }
  for (const [what, count] of Object.entries(comparison.counts)) {
    assert(count > sequences / 3, `Only ${count} ${what}`);
  }
});

testWithRedis("commands that Redis has are in the same categories", async (redis) => {
  const { catalog } = await redisCatalog(redis);
  assertEquals(ACL_CATALOG.categories, [...catalog.categories, "file"]);
  let compared = 0;
  for (const category of catalog.categories) {
    const [reply = ""] = await redis.send(["ACL", "CAT", category]);
    const expected = arrayOf(decodeReply(reply)).map(textOf)
      .filter((name) => ACL_CATALOG.find(name) !== undefined);
    const actual = (ACL_CATALOG.namesIn(category) ?? [])
      .filter((name) => catalog.find(name) !== undefined);
    assertEquals(actual.toSorted(), expected.toSorted(), category);
    compared += expected.length;
  }
  assert(compared > 200, `Only ${compared} commands`);
});

testWithRedis("the same commands as in Redis are always allowed", async (redis) => {
  const { catalog, commands } = await redisCatalog(redis);
  for (const { name } of commands) {
    const own = ACL_CATALOG.find(name);
    if (own !== undefined) {
      assertEquals(own.isAlwaysAllowed, catalog.find(name)?.isAlwaysAllowed, name);
    }
  }
});
