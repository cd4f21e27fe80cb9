import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";
import { AclComparison } from "./acl_comparison.ts";
import { redisCatalog } from "./redis_catalog.ts";

const hasRedis = await hasRedisServer();
const note = hasRedis ? "" : " (there is no redis-server on the PATH)";
const seed = Number(Deno.env.get("REGENT_SEED") ?? 20260101);
const sequences = Number(Deno.env.get("REGENT_COUNT") ?? 300);
const CHANGES = 6;

Deno.test({
  name: `random rules make the same users as in Redis${note}`,
  ignore: !hasRedis,
  async fn() {
    const server = await startRedisServer();
    const redis = await RawRespClient.connect(server.port);
    try {
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
    } finally {
      redis.close();
      await server.stop();
    }
  },
});
