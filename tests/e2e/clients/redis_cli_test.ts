import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import type { Member } from "../../support/local_cluster.ts";
import { hasTool, redisCli } from "../../support/redis_tools.ts";
import { withCluster } from "../../support/with_cluster.ts";

const isMissing = !hasTool("redis-cli");

interface Ports {
  readonly leader: Member;
  readonly follower: Member;
  readonly followers: readonly Member[];
  readonly proxy: Member;
}

/** The output of `redis-cli` on one port. */
type Cli = (...args: string[]) => Promise<string>;

function cliOf({ port }: Member): Cli {
  return (...args) => redisCli(port, args);
}

Deno.test({
  name: isMissing ? "redis-cli (it is not installed here)" : "redis-cli",
  ignore: isMissing,
  async fn(t) {
    await withCluster(CALM, async (cluster) => {
      const leader = await cluster.leader();
      const followers = cluster.nodes.filter((node) => node !== leader);
      const [follower = leader] = followers;
      const ports: Ports = { leader, follower, followers, proxy: cluster.proxy };
      await t.step("sets and gets, through the proxy and at the leader", () => setAndGet(ports));
      await t.step("follows MOVED with -c", () => followsMoved(ports));
      await t.step("speaks RESP3", () => resp3(ports));
      await t.step("ROLE and INFO", () => roleAndInfo(ports));
      await t.step("CLUSTER at nodes", () => clusterAtNodes(ports));
      await t.step("CLUSTER at the proxy", () => clusterAtProxy(ports));
      await t.step("--cluster check and info", () => clusterCheck(ports));
      await t.step("--pipe, --scan, --bigkeys, --latency", () => bulk(ports));
      await t.step("COMMAND, of which it makes its help", () => commandHelp(ports));
      await t.step("errors in the words of Redis", () => errors(ports));
    });
  },
});

async function setAndGet({ leader, proxy }: Ports): Promise<void> {
  for (const target of [proxy, leader]) {
    const cli = cliOf(target);
    assertEquals(await cli("set", "greeting", "hello"), "OK");
    assertEquals(await cli("get", "greeting"), "hello");
    assertEquals(await cli("-r", "3", "incr", `count:${target.name}`), "1\n2\n3");
    assertEquals(await redisCli(target.port, ["-x", "set", "bytes"], "a\0b\n"), "OK");
    assertEquals(await cli("strlen", "bytes"), "4");
    assertEquals(await redisCli(target.port, [], 'set a "\\x00\\xff"\nstrlen a\n'), "OK\n2");
  }
}

async function followsMoved({ leader, follower }: Ports): Promise<void> {
  const cli = cliOf(follower);
  const slot = await cli("cluster", "keyslot", "{tag}1");
  assertEquals(slot, await cli("cluster", "keyslot", "tag"));
  assertEquals(await cli("set", "{tag}1", "v"), `MOVED ${slot} 127.0.0.1:${leader.port}\n`);
  assertEquals(await cli("-c", "set", "{tag}1", "v"), "OK");
  assertEquals(await cli("get", "{tag}1"), "v");
}

async function resp3({ leader, proxy }: Ports): Promise<void> {
  for (const target of [leader, proxy]) {
    const cli = cliOf(target);
    assertMatch(await cli("-3", "hello"), /^server redis\nversion 7.*\nproto 3\nid [0-9]+\nmode /);
    assertEquals(await cli("-3", "set", "three", "3"), "OK");
    assertEquals(await cli("-3", "mget", "three", "none"), "3\n");
  }
}

async function roleAndInfo({ leader, follower, followers, proxy }: Ports): Promise<void> {
  const [master, offset, ...replicas] = (await cliOf(leader)("role")).split("\n");
  assertEquals([master, Number(offset) > 0], ["master", true]);
  const ports = followers.map(({ port }) => String(port)).sort();
  assertEquals(replicas.filter((_, at) => at % 3 === 1).sort(), ports);
  assertMatch(
    await cliOf(follower)("role"),
    new RegExp(`^slave\n127.0.0.1\n${leader.port}\nconnected\n[0-9]+$`),
  );
  assertMatch(await cliOf(proxy)("role"), /^master\n[0-9]+/);
  assertStringIncludes(await cliOf(leader)("info", "replication"), "connected_slaves:2");
  assertStringIncludes(await cliOf(follower)("info", "replication"), "master_link_status:up");
  assertStringIncludes(await cliOf(leader)("info"), "raft_role:leader");
  assertStringIncludes(await cliOf(proxy)("info"), `leader_id:${leader.name}`);
  assertStringIncludes(await cliOf(proxy)("info", "proxy"), "nodes_answering:3");
}

async function clusterAtNodes({ leader, follower, followers }: Ports): Promise<void> {
  for (const node of [leader, follower]) {
    const cli = cliOf(node);
    assertEquals(await cli("cluster", "myid"), node.name);
    const role = (await cli("cluster", "role")).split("\n");
    assertEquals(role.filter((_, at) => at % 2 === 0), [
      ...["id", "role", "term", "leader-id", "leader-address", "commit-index", "applied-index"],
      ...["serving", "catching-up", "clock-offset-ms"],
      ...["protocol-version", "machine-version", "machine-version-max"],
    ]);
    assertEquals(role[3], node === leader ? "leader" : "follower");
    assertEquals([role[7], role[9]], [leader.name, `127.0.0.1:${leader.port}`]);
    const nodes = (await cli("cluster", "nodes")).trim().split("\n");
    const flags = (member: Member) => nodes.find((line) => line.startsWith(`${member.name} `));
    assertMatch(flags(leader) ?? "", /master - 0 0 [0-9]+ connected 0-16383$/);
    for (const other of followers) {
      assertMatch(flags(other) ?? "", new RegExp(`slave ${leader.name} 0 0 [0-9]+ connected$`));
    }
    assertStringIncludes(flags(node) ?? "", " myself,");
    const slots = (await cli("cluster", "slots")).split("\n");
    assertEquals(slots.slice(0, 5), ["0", "16383", "127.0.0.1", String(leader.port), leader.name]);
    for (const other of followers) assertEquals(slots.includes(other.name), true);
    const shards = await cli("cluster", "shards");
    for (const other of followers) assertMatch(shards, new RegExp(`port\n${other.port}\n`));
    assertMatch(await cli("cluster", "info"), /cluster_state:ok(.|\r|\n)*known_nodes:3/);
  }
}

async function clusterAtProxy({ leader, proxy }: Ports): Promise<void> {
  const cli = cliOf(proxy);
  const id = await cli("cluster", "myid");
  assertMatch(id, /^[0-9a-f]{40}$/);
  const slots = (await cli("cluster", "slots")).trim().split("\n");
  assertEquals(slots, ["0", "16383", "127.0.0.1", String(proxy.port), id]);
  assertMatch(await cli("cluster", "nodes"), /myself,master - 0 0 0 connected 0-16383/);
  assertMatch(await cli("cluster", "info"), /cluster_state:ok/);
  const role = await cli("cluster", "role");
  assertStringIncludes(role, `role\nproxy\nterm`);
  assertStringIncludes(role, `leader-address\n127.0.0.1:${leader.port}`);
}

async function clusterCheck({ leader, proxy }: Ports): Promise<void> {
  const check = await cliOf(leader)("--cluster", "check", `127.0.0.1:${leader.port}`);
  assertStringIncludes(check, "2 additional replica(s)");
  assertStringIncludes(check, "[OK] All 16384 slots covered.");
  const info = await cliOf(proxy)("--cluster", "info", `127.0.0.1:${proxy.port}`);
  assertMatch(info, /\[OK\] [0-9]+ keys in 1 masters\./);
}

async function bulk({ proxy }: Ports): Promise<void> {
  const cli = cliOf(proxy);
  const names = Array.from({ length: 2_000 }, (_, i) => `piped:${i}`);
  const requests = names.map((name, i) => `SET ${name} ${i}\r\n`).join("");
  assertMatch(await redisCli(proxy.port, ["--pipe"], requests), /errors: 0, replies: 2000$/);
  const scanned = (await cli("--scan", "--pattern", "piped:*")).split("\n");
  assertEquals(scanned.sort(), names.sort());
  assertMatch(await cli("--bigkeys"), /Sampled 20[0-9]+ keys/);
  // Without a terminal it measures for a while, and prints: least, most, mean, count.
  assertMatch(await cli("--latency", "--raw"), /^[0-9]+ [0-9]+ [0-9.]+ [0-9]+$/);
  assertEquals(await cli("flushall"), "OK");
  assertEquals(await cli("dbsize"), "0");
}

async function commandHelp({ leader, proxy }: Ports): Promise<void> {
  for (const cli of [cliOf(leader), cliOf(proxy)]) {
    const count = Number(await cli("command", "count"));
    const names = (await cli("command", "list")).split("\n");
    assertEquals(names.filter((name) => !name.includes("|")).length, count);
    const docs = (await cli("command", "docs")).split("\n");
    assertEquals(docs.filter((line) => line === "summary").length, names.length);
    assertMatch(await cli("command", "docs", "get"), /^get\nsummary\n.+\nsince\n1.0.0\ngroup/);
    assertMatch(await cli("command", "info", "set"), /^set\n-3\nwrite\n/);
  }
}

async function errors({ leader, proxy }: Ports): Promise<void> {
  for (const cli of [cliOf(leader), cliOf(proxy)]) {
    const text = async (...args: string[]) => (await cli(...args)).trim();
    assertEquals(
      await text("nosuch", "x"),
      "ERR unknown command 'nosuch', with args beginning with: 'x'",
    );
    assertEquals(await text("get"), "ERR wrong number of arguments for 'get' command");
    assertEquals(await text("set", "a", "b", "c"), "ERR syntax error");
    assertEquals(await text("expire", "a", "x"), "ERR value is not an integer or out of range");
    assertEquals(await text("cluster", "none"), "ERR unknown subcommand 'none'. Try CLUSTER HELP.");
    assertEquals(await text("select", "1"), "ERR DB index is out of range");
    assertMatch(
      await text("config", "set", "port", "1"),
      /^ERR CONFIG SET failed .*immutable config/,
    );
  }
}
