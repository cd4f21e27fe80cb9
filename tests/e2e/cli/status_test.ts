import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM_FOR_A_WHILE } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import type { LocalCluster, Member } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HEADING = [
  ...["id", "role", "term", "address", "commit", "applied", "lag", "alive"],
  ...["clock", "protocol", "machine"],
];

Deno.test("regent status", async (t) => {
  await withCluster(CALM_FOR_A_WHILE, async (cluster) => {
    const leader = await cluster.leader();
    const followers = cluster.nodes.filter((node) => node !== leader);
    await t.step("from any node and from the proxy, the same table", async () => {
      for (const asked of [...cluster.nodes, cluster.proxy]) await isWhole(asked, cluster, leader);
    });
    await t.step("by the environment", async () => {
      const { code } = await runRegent(["status"], { REGENT_NODES: address(cluster.proxy) });
      assertEquals(code, 0);
    });
    await t.step("of several addresses one that answers is enough", async () => {
      const [nobody] = freePorts(1);
      const { code } = await status(`127.0.0.1:${nobody},${address(leader)}`);
      assertEquals(code, 0);
    });
    await t.step("where nobody answers, each reason is told", nobodyAnswers);
    await t.step("a dead node is shown as dead", async () => {
      await followers[0]?.process.signal("SIGKILL");
      const rows = await untilStatus(address(leader), "a leader answers", ({ code }) => code === 0);
      const row = rows.find(([id]) => id === followers[0]?.name) ?? [];
      assertEquals([row[1], row[2], row[7]], ["-", "-", "no"]);
      assertEquals([row[4], row[5], row[6]], ["-", "-", "-"]);
    });
    await t.step("without a leader it exits with 1, and shows what there is", async () => {
      await followers[1]?.process.signal("SIGKILL");
      const rows = await untilStatus(
        address(leader),
        "nobody leads, and one node answers",
        (it) => it.code === 1 && it.rows.some(([, , , , , , , alive]) => alive === "yes"),
      );
      assertEquals(rows.length, 4);
      const row = rows.find(([id]) => id === leader.name) ?? [];
      assertMatch(row[1] ?? "", /^(follower|candidate)$/);
      assertEquals(row[7], "yes");
    });
  });
});

function address({ port }: Member): string {
  return `127.0.0.1:${port}`;
}

async function status(nodes: string): Promise<{ code: number; rows: string[][] }> {
  const { code, stdout, stderr } = await runRegent(["status", "--nodes", nodes]);
  assertEquals(stderr, "");
  return { code, rows: stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/)) };
}

/** @returns the rows of the first table that meets the condition */
async function untilStatus(
  nodes: string,
  what: string,
  holds: (shown: { code: number; rows: string[][] }) => boolean,
): Promise<string[][]> {
  let shown = await status(nodes);
  await until(what, async () => holds(shown) || holds(shown = await status(nodes)), {
    describe: () => shown.rows.map((row) => row.join("  ")).join("\n"),
  });
  return shown.rows;
}

async function isWhole(asked: Member, cluster: LocalCluster, leader: Member): Promise<void> {
  // On a busy machine a node may answer too late, or not know the other clocks for a while.
  const rows = await untilStatus(
    address(asked),
    "all is known of all",
    ({ code, rows }) =>
      code === 0 && rows.slice(1).every((row) => row[7] === "yes" && row[8] !== "-"),
  );
  const [heading, ...members] = rows;
  assertEquals(heading, HEADING);
  assertEquals(members.map(([id]) => id).sort(), ["n1", "n2", "n3"]);
  for (const [id, role, term, where, commit, applied, lag, alive, clock] of members) {
    const member = cluster.nodes.find(({ name }) => name === id) ?? leader;
    assertEquals([role, where, alive], [
      member === leader ? "leader" : "follower",
      address(member),
      "yes",
    ]);
    for (const number of [term, commit, applied]) assertMatch(number ?? "", /^[1-9][0-9]*$/);
    assertMatch(lag ?? "", /^[0-9]+$/);
    assertMatch(clock ?? "", /^[+-][0-9]+ ms$/);
  }
}

async function nobodyAnswers(): Promise<void> {
  const [first, second] = freePorts(2);
  const { code, stdout, stderr } = await runRegent(
    ["status", "--nodes", `127.0.0.1:${first},127.0.0.1:${second}`],
  );
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^regent: Cannot reach the cluster: [^\n]+\n$/);
  for (const port of [first, second]) {
    assertStringIncludes(stderr, `127.0.0.1:${port}: `);
  }
}
