import { assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { encodeReply, type Protocol } from "../../src/resp/encode.ts";
import type { Reply } from "../../src/resp/reply.ts";
import { decodeReply } from "../../src/resp/reply_scanner.ts";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";
import { serve } from "../support/serve.ts";
import { type GeneratedRequest, REDIS_COMMANDS } from "./command_generator.ts";
import { NastyValues } from "./nasty_values.ts";
import { type Difference, RedisComparison } from "./redis_comparison.ts";

const hasRedis = await hasRedisServer();
const seed = await setting("REGENT_SEED") ?? Math.floor(Math.random() * 2 ** 31);
/** Number of requests for each version of the protocol. */
const count = await setting("REGENT_COUNT") ?? 10_000;

/** A number from the environment, or `null` if it is not set or may not be read. */
async function setting(variable: string): Promise<number | null> {
  const { state } = await Deno.permissions.query({ name: "env", variable });
  const text = state === "granted" ? Deno.env.get(variable) : undefined;
  return text === undefined ? null : Number(text);
}

function testWithRedis(name: string, run: (redis: RawRespClient) => Promise<void>): void {
  Deno.test({
    name: name + (hasRedis ? "" : " (there is no redis-server on the PATH)"),
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

function assertSame(difference: Difference | null): void {
  if (difference === null) return;
  const { args, expected, actual } = difference;
  assertEquals(actual, expected, `REGENT_SEED=${seed} ${JSON.stringify(args)}`);
  throw new Error(`Cannot find the difference: current value is ${JSON.stringify(difference)}`);
}

for (const protocol of [2, 3] satisfies Protocol[]) {
  testWithRedis(`generated commands get the replies of Redis in RESP${protocol}`, async (redis) => {
    assertSame(await new RedisComparison(redis, protocol, seed).run(count));
  });
}

testWithRedis("INCRBYFLOAT computes as in Redis", async (redis) => {
  const values = new NastyValues(seededRandom(seed));
  const requests = Array.from({ length: count / 5 }, (): GeneratedRequest[] => [
    { args: ["SET", "k", values.float()], agreement: "bytes" },
    { args: ["INCRBYFLOAT", "k", values.float()], agreement: "bytes" },
    { args: ["INCRBYFLOAT", "k", values.float()], agreement: "bytes" },
  ]);
  assertSame(await new RedisComparison(redis, 2, seed).compare(requests.flat()));
});

testWithRedis("integers are parsed and computed as in Redis", async (redis) => {
  const values = new NastyValues(seededRandom(seed));
  const requests = Array.from({ length: count / 5 }, (): GeneratedRequest[] => [
    { args: ["SET", "k", values.integer()], agreement: "bytes" },
    { args: [values.oneOf(["INCRBY", "DECRBY"]), "k", values.integer()], agreement: "bytes" },
    { args: [values.oneOf(["INCR", "DECR"]), "k"], agreement: "bytes" },
  ]);
  assertSame(await new RedisComparison(redis, 2, seed).compare(requests.flat()));
});

testWithRedis("patterns match as in Redis", async (redis) => {
  const values = new NastyValues(seededRandom(seed));
  const keys = Array.from({ length: 100 }, () => values.pattern());
  const requests = Array.from({ length: count / 5 }, (): GeneratedRequest => (
    { args: ["KEYS", values.pattern()], agreement: "set" }
  ));
  const filling: GeneratedRequest = {
    args: ["MSET", ...keys.flatMap((key) => [key, ""])],
    agreement: "bytes",
  };
  assertSame(await new RedisComparison(redis, 2, seed).compare([filling, ...requests]));
});

for (const protocol of [2, 3] satisfies Protocol[]) {
  testWithRedis(`COMMAND INFO replies as in Redis in RESP${protocol}`, async (redis) => {
    await redis.send(["HELLO", String(protocol)]);
    const subcommands = REDIS_COMMANDS.flatMap((command) => command.subcommands ?? []);
    const names = [...REDIS_COMMANDS, ...subcommands].map(({ name }) => name);
    for (const name of [...names, "nosuch", "client|nosuch"]) {
      const [reply = ""] = await redis.send(["COMMAND", "INFO", name]);
      const expected = withoutSubcommands(reply);
      if (expected === null || OTHERWISE.includes(name)) continue;
      const ours = encodeReply(serve(["COMMAND", "INFO", name]), protocol);
      assertEquals(withoutSubcommands(ours), expected, name);
    }
  });
}

/**
 * FORGET also takes FORCE, and CONFIG SET and changes of users are writes of the cluster. The others
 * read the replicated state, where Redis reads a process's own.
 */
const OTHERWISE = [
  "acl|deluser",
  "acl|dryrun",
  "acl|getuser",
  "acl|list",
  "acl|setuser",
  "acl|users",
  "cluster|forget",
  "cluster|countkeysinslot",
  "cluster|getkeysinslot",
  "config|set",
];

/** Removes subcommands: containers have other ones here, and Redis 7.0 lacks the later ones. */
function withoutSubcommands(reply: string): Reply {
  const [row = null] = decodeReply(reply) as readonly Reply[];
  return Array.isArray(row) ? row.slice(0, -1) : row;
}

testWithRedis("COMMAND GETKEYSANDFLAGS replies as in Redis", async (redis) => {
  const requests = [
    ["GET", "a"],
    ["MSET", "a", "1", "b", "2"],
    ["SET", "a", "1", "EX", "5"],
    ["SET", "a", "1", "get", "NX"],
    ["COPY", "a", "b", "REPLACE"],
    ["RENAME", "a", "b"],
    ["DEL", "a", "b", "a"],
    ["GETEX", "a", "PERSIST"],
    ["nosuch", "a"],
    ["PING", "a"],
    ["GET", "a", "b"],
  ];
  for (const request of requests) {
    const args = ["COMMAND", "GETKEYSANDFLAGS", ...request];
    const [reply = ""] = await redis.send(args);
    assertEquals(encodeReply(serve(args), 2), reply, request.join(" "));
  }
});
