import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster } from "../../support/local_cluster.ts";
import { hasTool, redisCli, runTool } from "../../support/redis_tools.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const VALUE = "x".repeat(100);

/** The modes of `redis-cli` and `redis-benchmark`, at a proxy and at nodes. */
Deno.test({
  name: "the modes of redis-cli for operators",
  ignore: !hasTool("redis-cli") || !hasTool("redis-server"),
  async fn(t) {
    await withCluster(CALM, async (cluster) => {
      for (let at = 0; at < 20; at++) await ask(cluster.proxy, ["SET", `key:${at}`, VALUE]);
      await ask(cluster.proxy, ["SET", "volatile", "v", "PX", "3600000"]);
      const leader = await cluster.leader();
      const [follower] = await cluster.followers();
      for (const { name, port } of [cluster.proxy, leader, follower ?? leader]) {
        await t.step(`at ${name}`, (t) => allModes(t, cluster, port, name));
      }
      await t.step("a proxy is a server of its own, a node one of a cluster", async () => {
        const mode = async (port: number) =>
          /^redis_mode:(\w+)/m.exec(await redisCli(port, ["INFO", "server"]))?.[1];
        assertEquals(await mode(cluster.proxy.port), "standalone");
        assertEquals(await mode(leader.port), "cluster");
        assertStringIncludes(await redisCli(cluster.proxy.port, ["HELLO"]), "mode\nstandalone\n");
      });
    });
  },
});

async function allModes(
  t: Deno.TestContext,
  cluster: LocalCluster,
  port: number,
  name: string,
): Promise<void> {
  const cli = (...args: string[]) => redisCli(port, args);
  await t.step("--stat", async () => {
    await until("all keys are counted", async () => {
      return (await cli("INFO", "keyspace")).includes("db0:keys=21,expires=1,");
    }, { describe: () => cluster.said() });
    const command = ["stdbuf", "-oL", "redis-cli", "-p", String(port), "-i", "0.2", "--stat"];
    let stdout = "";
    for (let seconds = 2; stdout.split("\n").length <= 3 && seconds < 60; seconds *= 3) {
      stdout = (await runTool("timeout", [String(seconds), ...command])).stdout;
    }
    const [, , row = ""] = stdout.split("\n");
    // Keys, memory, clients, blocked, requests, connections.
    assertMatch(row, /^21 +[0-9.]+[MK] +[0-9]+ +0 +[0-9]+ \(\+[0-9]+\) +[0-9]+ *$/, stdout);
  });
  await t.step("--memkeys, --bigkeys", async () => {
    assertMatch(await cli("--memkeys"), /^21 strings with [1-9][0-9]{3} bytes/m);
    assertMatch(await cli("--bigkeys"), /^21 strings with 2001 bytes/m);
  });
  await t.step("--hotkeys", async () => {
    // A proxy spreads reads over all nodes, and each counts its own: writes are counted at each.
    const hot = `hot:${name}`;
    const { proxy } = cluster;
    await ask(proxy, ["SET", hot, VALUE, "EX", "3600"]);
    const isNode = name !== proxy.name;
    const load = isNode
      ? { port, command: ["GET", hot] }
      : { port: proxy.port, command: ["SET", hot, VALUE, "EX", "3600"] };
    const args = ["-p", String(load.port), "-n", "4000", "-c", "5", "-P", "16", "-q"];
    assertEquals((await runTool("redis-benchmark", [...args, ...load.command])).code, 0);
    const found = await cli("--hotkeys");
    const [, frequency = "", key = ""] = /counter: *(\d+)\s+keyname: "([^"]+)"/.exec(found) ?? [];
    assertEquals(key, hot, found);
    assert(Number(frequency) > 15 && Number(frequency) < 100, found);
    assertEquals(await cli("OBJECT", "FREQ", "none"), "");
    await ask(proxy, ["DEL", hot]);
  });
  await t.step("--cluster check and info", async () => {
    for (const command of ["check", "info"]) {
      const { code, stdout, stderr } = await runTool(
        "redis-cli",
        ["--cluster", command, `127.0.0.1:${port}`],
      );
      assertEquals([code, stderr], [0, ""], stdout);
      assertStringIncludes(stdout, "[OK] 21 keys in 1 masters.");
      if (command === "check") assertStringIncludes(stdout, "[OK] All 16384 slots covered.");
      const replicas = name === cluster.proxy.name ? 0 : 2;
      assertStringIncludes(stdout, `-> 21 keys | 16384 slots | ${replicas} slaves.`);
    }
  });
  await t.step("the keys of a slot", async () => {
    const slot = await cli("CLUSTER", "KEYSLOT", "volatile");
    assertEquals(await cli("CLUSTER", "COUNTKEYSINSLOT", slot), "1");
    assertEquals(await cli("CLUSTER", "GETKEYSINSLOT", slot, "10"), "volatile");
  });
  await t.step("redis-benchmark, and what it says of one master", async () => {
    const run = (...args: string[]) =>
      runTool("redis-benchmark", ["-p", String(port), "-n", "200", "-c", "5", "-q", ...args]);
    const plain = await run("-t", "get");
    assertEquals(plain.code, 0, plain.stderr);
    assertMatch(plain.stdout, /GET: [0-9.]+ requests per second/);
    const clustered = await run("--cluster", "-t", "get");
    const genuine = await ofRedisCluster();
    assertEquals([clustered.code, clustered.stderr], [genuine.code, genuine.stderr]);
  });
}

/** `redis-benchmark --cluster` requires two masters, of Redis's own clusters too. */
function ofRedisCluster() {
  return withTemporaryDirectory(async (directory) => {
    const [port = 0] = freePorts(1);
    const server = new Deno.Command("redis-server", {
      args: ["--port", String(port), "--cluster-enabled", "yes", "--dir", directory, "--save", ""],
      stdout: "null",
    }).spawn();
    try {
      await until("it answers", async () => (await redisCli(port, ["PING"])) === "PONG");
      await redisCli(port, ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
      return await runTool("redis-benchmark", ["-p", String(port), "--cluster", "-t", "get", "-q"]);
    } finally {
      server.kill("SIGKILL");
      await server.status;
    }
  });
}
