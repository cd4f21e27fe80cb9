import { assertEquals } from "@std/assert";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";
import { RedisComparison } from "./redis_comparison.ts";

const COUNT_DEFAULT = 10_000;
const hasRedis = await hasRedisServer();

/** A number from the environment, if it is set and may be read. */
async function setting(variable: string): Promise<number | null> {
  const { state } = await Deno.permissions.query({ name: "env", variable });
  const text = state === "granted" ? Deno.env.get(variable) : undefined;
  return text === undefined ? null : Number(text);
}

for (const protocol of [2, 3] as const) {
  Deno.test({
    name: `generated commands get the replies of redis-server in RESP${protocol}` +
      (hasRedis ? "" : " (there is no redis-server on the PATH)"),
    ignore: !hasRedis,
    async fn() {
      const seed = await setting("REGENT_SEED") ?? Math.floor(Math.random() * 2 ** 31);
      const count = await setting("REGENT_COUNT") ?? COUNT_DEFAULT;
      const server = await startRedisServer();
      const client = await RawRespClient.connect(server.port);
      try {
        const difference = await new RedisComparison(client, protocol, seed).run(count);
        const { args, expected, actual } = difference ?? { args: [], expected: "", actual: "" };
        assertEquals(actual, expected, `REGENT_SEED=${seed} ${JSON.stringify(args)}`);
      } finally {
        client.close();
        await server.stop();
      }
    },
  });
}
