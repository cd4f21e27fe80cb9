import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import { withRawConnection } from "../../support/raw_connection.ts";
import { hasRedisServer, startRedisServer } from "../../support/redis_server.ts";
import { withCluster } from "../../support/with_cluster.ts";

/**
 * The requests of one connection. Redis, a node and a proxy must send the same bytes for each. They
 * are inline, so that one line is one request.
 */
const SAME: readonly (readonly string[])[] = [
  ["AUTH default x", "AUTH default ''", "AUTH x", "AUTH nobody x", "AUTH a b c", "AUTH"],
  ["HELLO 2 AUTH nobody x", "HELLO 2 AUTH default", "HELLO x", "HELLO 4", "HELLO 2 FOO"],
  ["HELLO 2 AUTH default x SETNAME 'a b'", "HELLO 2 SETNAME", "CLIENT GETNAME"],
  ["CLIENT GETNAME", "CLIENT SETNAME me", "CLIENT GETNAME", "CLIENT SETNAME ''", "CLIENT GETNAME"],
  ["CLIENT SETNAME 'a b'", "CLIENT SETNAME", "CLIENT GETNAME x", "CLIENT ID x", "CLIENT"],
  ["CLIENT GETREDIR", "CLIENT TRACKINGINFO", "CLIENT FOO", "CLIENT GETREDIR x"],
  ["CLIENT KILL", "CLIENT KILL 1.2.3.4:5", "CLIENT KILL ID x", "CLIENT KILL ID -1"],
  ["CLIENT KILL ID 999999", "CLIENT KILL FOO x", "CLIENT KILL TYPE foo", "CLIENT KILL TYPE pubsub"],
  ["CLIENT KILL USER nobody", "CLIENT KILL SKIPME maybe", "CLIENT KILL ID 999999 ADDR"],
  ["CLIENT KILL ADDR 127.0.0.1:1 LADDR 127.0.0.1:2 USER default TYPE normal SKIPME yes"],
  ["CLIENT LIST TYPE", "CLIENT LIST TYPE x", "CLIENT LIST TYPE replica", "CLIENT LIST TYPE master"],
  ["CLIENT LIST ID", "CLIENT LIST ID x", "CLIENT LIST ID 999999", "CLIENT LIST FOO"],
  ["CLIENT REPLY x", "CLIENT REPLY ON", "CLIENT REPLY", "PING"],
  ["CLIENT REPLY SKIP", "PING skipped", "PING answered"],
  [
    "CLIENT REPLY OFF",
    "PING 1",
    "CLIENT REPLY SKIP",
    "PING 2",
    "NOSUCH",
    "CLIENT REPLY ON",
    "PING 3",
  ],
  ["CLIENT REPLY SKIP", "CLIENT REPLY ON", "PING"],
  ["CLIENT REPLY OFF", "RESET", "PING"],
  ["CLIENT REPLY OFF", "SET muted 1", "GET muted", "CLIENT REPLY ON", "GET muted", "DEL muted"],
  ["CLIENT PAUSE x", "CLIENT PAUSE -1", "CLIENT PAUSE 1 FOO", "CLIENT PAUSE", "CLIENT PAUSE 0"],
  [
    "CLIENT PAUSE 1 WRITE",
    "CLIENT UNPAUSE",
    "CLIENT UNPAUSE x",
    "CLIENT PAUSE 9223372036854775808",
  ],
  [
    "CLIENT PAUSE 60000 WRITE",
    "GET paused",
    "PING",
    "CLIENT UNPAUSE",
    "SET paused 1",
    "DEL paused",
  ],
  ["CLIENT NO-EVICT x", "CLIENT NO-EVICT on", "CLIENT NO-EVICT OFF", "CLIENT NO-EVICT"],
  [
    "CONFIG GET",
    "CONFIG FOO",
    "CONFIG RESETSTAT x",
    "CONFIG REWRITE x",
    "CONFIG SET foo",
    "CONFIG",
  ],
  [
    "CONFIG GET nosuch*",
    "CONFIG GET appendfsync",
    "CONFIG GET maxmemory-policy nosuch",
    "CONFIG REWRITE",
  ],
  ["CONFIG SET maxmemory", "CONFIG SET maxmemory 1 x", "CONFIG SET nosuch 1", "CONFIG SET 'a b' 1"],
  ["CONFIG SET maxmemory 1 nosuch 2", "CONFIG SET nosuch 2 maxmemory x", "CONFIG SET a 1 b 2"],
  ["CONFIG SET DataBases 7", "CONFIG SET maxmemory x databases 7", "CONFIG SET databases 1 foo 2"],
  ["CONFIG SET maxmemory 1 MaxMemory 2", "CONFIG SET maxmemory x maxmemory 5"],
  ["CONFIG SET MAXMEMORY -1", "CONFIG SET maxmemory 1.5gb", "CONFIG SET maxmemory 0x10"],
  ["CONFIG SET maxmemory +5", "CONFIG SET maxmemory 10xb", "CONFIG SET maxmemory ' 5'"],
  ["CONFIG SET maxmemory 10k", "CONFIG SET maxmemory 10kB", "CONFIG SET MaxMemory 100m"],
  ["CONFIG SET maxmemory 1gb", "CONFIG SET maxmemory b", "CONFIG SET maxmemory ''"],
  ["COMMAND FOO", "COMMAND COUNT x", "COMMAND GETKEYS", "COMMAND GETKEYS PING", "COMMAND HELP x"],
  ["COMMAND GETKEYSANDFLAGS GET", "COMMAND GETKEYSANDFLAGS MSET a 1 b 2", "COMMAND DOCS nosuch"],
  ["COMMAND LIST FILTERBY ACLCAT nosuch", "COMMAND LIST FILTERBY MODULE x", "COMMAND LIST x"],
  [
    "RESET x",
    "SELECT x",
    "SELECT 99",
    "SELECT 0",
    "ECHO",
    "PING a b",
    "TIME x",
    "WAIT x 1",
    "WAIT 0 x",
  ],
];

/** As in Redis's `CLIENT HELP` and `CONFIG HELP`. */
const HELP = ["CLIENT HELP", "CONFIG HELP", "COMMAND HELP", "CLUSTER HELP"];

/** Reads until the connection is closed. */
function answers(port: number, requests: readonly string[]): Promise<string> {
  return withRawConnection(port, async (connection) => {
    await connection.send([...requests, "QUIT", ""].join("\r\n"));
    return await connection.readToEnd();
  });
}

const isMissing = !await hasRedisServer();

Deno.test({
  name: "commands about the connection are answered as Redis answers them" +
    (isMissing ? " (there is no redis-server on the PATH)" : ""),
  ignore: isMissing,
  async fn(t) {
    const redis = await startRedisServer({ dir: await Deno.makeTempDir() });
    try {
      await withCluster(CALM, async (cluster) => {
        const leader = await cluster.leader();
        for (const { name, port } of [leader, cluster.proxy]) {
          for (const requests of SAME) {
            await t.step(`${name}: ${requests.join(", ")}`, async () => {
              assertEquals(await answers(port, requests), await answers(redis.port, requests));
            });
          }
          await t.step(`${name}: HELP`, async () => {
            for (const request of HELP) {
              const [usage = ""] = (await answers(redis.port, [request])).split("\r\n").slice(1);
              const ours = await answers(port, [request]);
              assertStringIncludes(ours, `${usage}\r\n`);
              assertStringIncludes(ours, "+    Prints this help.\r\n");
            }
          });
          await t.step(`${name}: a refused MULTI executes nothing`, () => refusesMulti(port));
        }
      });
    } finally {
      await redis.stop();
    }
  },
});

async function refusesMulti(port: number): Promise<void> {
  const transaction = ["DEL balance", "MULTI", "SET balance 5", "PING", "NOSUCH", "EXEC"];
  const text = await answers(port, [...transaction, "GET balance", "EXEC"]);
  assertMatch(
    text,
    /^:[01]\r\n-ERR transactions are not supported.*\r\n(-ERR not executed.*\r\n){3}-EXECABORT .*\r\n\$-1\r\n-ERR unknown command 'EXEC'/,
  );
  assertMatch(
    await answers(port, ["MULTI", "SET balance 5", "DISCARD", "GET balance"]),
    /\+OK\r\n\$-1\r\n/,
  );
  assertMatch(await answers(port, ["MULTI", "RESET", "SET balance 5"]), /\+RESET\r\n\+OK\r\n/);
}
