import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type TableRow, withClusterCommand } from "../../support/cluster_command.ts";
import { ask, type LocalCluster, roleOf } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("the README's session: isolate the leader, watch the election, heal, watch it catch up", async () => {
  await withTemporaryDirectory(async (dir) => {
    await withClusterCommand({ dir }, async (cluster) => {
      const { command, leader, port } = cluster;
      const hint = command.linesLike(/ fault --port /)[0] ?? "";
      assertStringIncludes(hint, `fault --port ${leader.port} isolate`);

      assertEquals(await fault(leader, "isolate"), [`127.0.0.1:${leader.port}: isolate both`]);
      await untilStatus(cluster, "another leads, and the old one has noticed", (rows) => {
        const roles = rows.filter(([id]) => id !== leader.name).map(([, role]) => role);
        return roles.includes("leader") && rowOf(rows, leader)[1] !== "leader" &&
          faultsOf(rows, leader) === "isolate both";
      });
      await command.line(/^[0-9:]+ {2}n[1-3] leads in term [0-9]+, /);
      await command.line(new RegExp(`  ${leader.name} no longer leads`));
      assertEquals(replyText(await ask({ port }, ["SET", "during", "1"])), "OK");
      const refused = replyText(await ask(leader, ["SET", "during", "2"])) ?? "";
      assertMatch(refused, /^CLUSTERDOWN /);

      assertEquals(await fault(leader, "heal"), [`127.0.0.1:${leader.port}: no faults`]);
      await untilStatus(cluster, "it follows, and has caught up", (rows) => {
        const [, role, , , , , lag, alive] = rowOf(rows, leader);
        return role === "follower" && lag === "0" && alive === "yes" &&
          faultsOf(rows, leader) === undefined;
      });
      assertEquals(await ask(leader, ["GET", "during"]), "1");
    });
  });
});

Deno.test("injected faults at real nodes", async (t) => {
  const flagsOf = { n1: ["--allow-faults"], n2: ["--allow-faults"] };
  await withCluster({ flagsOf }, async (cluster) => {
    await t.step("a node that was not told to allow them obeys none", async () => {
      const { code, stderr } = await runRegent([
        "fault",
        "--port",
        String(portOf(cluster, "n3")),
        "crash",
      ]);
      assertEquals(code, 1);
      assertEquals(stderr, "regent: FAULT is off: this node was not started with --allow-faults\n");
    });
    await t.step("nor does a proxy", async () => {
      const reply = replyText(await ask(cluster.proxy, ["FAULT", "LIST"]));
      assertEquals(reply, "ERR FAULT LIST is for nodes, this is a proxy");
    });
    await t.step("what is refused is told in one line", () => isRefused(cluster));
    await t.step("what is on is shown", () => isShown(cluster));
    await t.step("a paused node plays dead, and writes go on", () => playsDead(cluster));
    await t.step("a crashed node has died as if killed, and comes back", () => crashes(cluster));
  });
});

async function isRefused(cluster: LocalCluster): Promise<void> {
  const port = String(portOf(cluster, "n1"));
  const { code, stdout, stderr } = await runRegent(["fault", "--port", port, "drop", "101"]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^regent: the percentage is a whole number from 1 to 100: [^\n]+\n$/);
  const nobody = await runRegent(["fault", "--port", port, "isolate", "from", "n1"]);
  assertEquals(nobody.stderr, "regent: Cannot find peer 'n1': the peers are n2, n3\n");
}

async function isShown(cluster: LocalCluster): Promise<void> {
  const node = { port: portOf(cluster, "n1") };
  assertEquals(await fault(node, "slow-disk", "20"), [`127.0.0.1:${node.port}: slow-disk 20 ms`]);
  await fault(node, "delay", "5", "from", "n2");
  const texts = ["slow-disk 20 ms", "delay 5 ms from n2"];
  const role = await ask(node, ["CLUSTER", "ROLE"]);
  assert(Array.isArray(role));
  assertEquals(role.slice(role.indexOf("faults"), role.indexOf("faults") + 2), ["faults", texts]);
  assertStringIncludes(
    String(await ask(node, ["INFO", "faults"])),
    "# Faults\r\nfaults:2\r\nfault0:slow-disk 20 ms\r\nfault1:delay 5 ms from n2\r\n",
  );
  await untilStatus(cluster.proxy, "the faults are shown", (rows) => {
    return faultsOf(rows, { name: "n1" }) === texts.join("; ");
  });
  assertEquals(await fault(node, "heal"), [`127.0.0.1:${node.port}: no faults`]);
}

/** The leader, if a fault allows it: another node is then elected meanwhile. */
async function playsDead(cluster: LocalCluster): Promise<void> {
  const { name } = await cluster.leader();
  const paused = {
    name: name === "n3" ? "n1" : name,
    port: portOf(cluster, name === "n3" ? "n1" : name),
  };
  await fault(paused, "pause");
  assertEquals(await ask(paused, ["PING"], 300), null);
  await untilStatus(cluster.proxy, "it is shown as dead, and why", (rows) => {
    const [, role, , , , , , alive] = rowOf(rows, paused);
    return role === "-" && alive === "no" && faultsOf(rows, paused) === "pause";
  });
  assertEquals(replyText(await ask(cluster.proxy, ["SET", "dead", "1"])), "OK");
  const waiting = ask(paused, ["PING"]);
  await fault(paused, "heal", "pause");
  assertEquals(replyText(await waiting), "PONG");
  await until("it has caught up", async () => await ask(paused, ["GET", "dead"]) === "1");
}

async function crashes(cluster: LocalCluster): Promise<void> {
  const [node] = cluster.nodes;
  assert(node !== undefined);
  assertEquals(await fault(node, "crash"), [`127.0.0.1:${node.port}: crashed`]);
  assertEquals((await node.process.status).code, 137);
  cluster.restart(node);
  await until("it follows or leads", async () => {
    const report = await roleOf(node);
    return report !== null && report.leaderId !== "";
  });
  assertEquals(await fault(node, "list"), [`127.0.0.1:${node.port}: no faults`]);
}

function portOf(cluster: LocalCluster, name: string): number {
  return cluster.nodes.find((node) => node.name === name)?.port ?? 0;
}

/** Runs `regent fault` for a node. @returns the printed lines */
async function fault(node: { readonly port: number }, ...words: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runRegent([
    "fault",
    "--port",
    String(node.port),
    ...words,
  ]);
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n");
}

type Rows = readonly (readonly string[])[];

async function status({ port }: { readonly port: number }): Promise<Rows> {
  const { stdout } = await runRegent(["status", "--nodes", `127.0.0.1:${port}`]);
  return stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
}

function rowOf(rows: Rows, { name }: Pick<TableRow, "name">): readonly string[] {
  return rows.find(([id]) => id === name) ?? [];
}

/** The last column, which exists only while faults are active. */
function faultsOf(rows: Rows, node: Pick<TableRow, "name">): string | undefined {
  const column = rows[0]?.indexOf("faults") ?? -1;
  return column < 0 ? undefined : rowOf(rows, node)[column];
}

async function untilStatus(
  cluster: { readonly port: number },
  what: string,
  holds: (rows: Rows) => boolean,
): Promise<void> {
  let rows: Rows = [];
  await until(what, async () => holds(rows = await status(cluster)), {
    describe: () => rows.map((row) => row.join("  ")).join("\n"),
  });
}
