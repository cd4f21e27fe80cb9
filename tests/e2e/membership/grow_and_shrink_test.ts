import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { OK } from "../../../src/resp/reply.ts";
import { PATIENT } from "../../support/calm.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, underLoad } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

const describeBy = (cluster: LocalCluster) => ({
  describe: () => cluster.said(),
});

async function untilVoter(cluster: LocalCluster, member: Member): Promise<void> {
  await until(
    `${member.name} has its vote`,
    async () => {
      const report = await roleOf(member);
      return report !== null && report.role !== "learner" && report.leaderId !== "";
    },
    describeBy(cluster),
  );
}

/** The last words of a successful command. */
async function regent(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runRegent(args);
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout.trim();
}

Deno.test("from one node to five and back to three, and no client sees an error", async () => {
  await withCluster({ ...PATIENT, nodes: 1 }, async (cluster) => {
    const from = ["--from", `127.0.0.1:${cluster.proxy.port}`];
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      for (const name of ["n2", "n3", "n4", "n5"]) {
        await untilVoter(cluster, cluster.join(name, cluster.proxy));
        await load.untilMore(20);
      }
      assertEquals(await regent("transfer", "n3", ...from), "n3 leads");
      assertEquals((await cluster.leader()).name, "n3");
      await load.untilMore(20);
      for (const name of ["n3", "n1"]) {
        assertEquals(await regent("remove", name, ...from), `${name} is removed`);
        const member = cluster.nodes.find((node) => node.name === name);
        assertEquals((await member?.process.ended())?.code, 0);
        await load.untilMore(20);
      }
    });
    console.log(load.describe());
    assertEquals(load.errors, []);
    await assertHistoryIn(cluster, load);
    let shown = "";
    await until("the three that are left are shown, and one of them leads", async () => {
      const { code, stdout } = await runRegent(
        ["status", "--nodes", `127.0.0.1:${cluster.proxy.port}`],
      );
      shown = stdout;
      const ids = stdout.trim().split("\n").slice(1).map((line) => line.split(" ")[0]);
      return code === 0 && ids.join() === "n2,n4,n5";
    }, { describe: () => shown });
  });
});

Deno.test("a new node waits for its cluster, and a removed one stays removed", async () => {
  await withCluster({ nodes: 3, proxies: 0 }, async (cluster) => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const from = ["--from", `127.0.0.1:${leader.port}`];
    await regent("remove", follower?.name ?? "", ...from);
    assertEquals((await follower?.process.ended())?.code, 0);
    assertStringIncludes(follower?.process.said ?? "", "was removed from the cluster for good");

    const again = await runRegent(follower?.args ?? []);
    assertEquals(again.code, 0);
    assertStringIncludes(again.stderr, "was removed from the cluster for good");

    const name = follower?.name ?? "";
    const port = String(follower?.port);
    const join = ["--join", `127.0.0.1:${leader.port}`];
    const refused = await runRegent([
      ...["node", "--id", name, "--port", port, "--dir", `${cluster.dir}/other`, ...join],
    ]);
    assertEquals(refused.code, 1);
    assertMatch(
      refused.stderr,
      /Cannot join the cluster at .*: a removed id is never used again|was removed from this cluster/,
    );

    await untilVoter(cluster, cluster.join("n9", leader));
    const absent = await runRegent(["remove", "n7", ...from]);
    assertEquals([absent.code, absent.stdout], [1, ""]);
    assertMatch(
      absent.stderr,
      /^regent: Cannot remove n7: n7 is not a member of this cluster: its members are .*\n$/,
    );
  });
});

Deno.test("a new node gets the state, though the log with its entries is gone", async () => {
  const flags = ["--snapshot-log-bytes", "1m"];
  await withCluster({ nodes: 1, proxies: 0, nodeFlags: flags }, async (cluster) => {
    const leader = await cluster.leader();
    const isLogWhole = () =>
      [...Deno.readDirSync(`${leader.dir}/log`)].some(({ name }) => name.startsWith("00000001-"));
    assertEquals(isLogWhole(), true);
    let written = 0;
    await until("the log has been trimmed", async () => {
      for (let round = 0; round < 50; round++, written++) {
        assertEquals(await ask(leader, ["SET", `k${written % 7}`, "x".repeat(60_000)]), OK);
      }
      return !isLogWhole();
    }, describeBy(cluster));
    const member = cluster.join("n2", leader, flags);
    await untilVoter(cluster, member);
    assertEquals(await ask(member, ["DBSIZE"]), 7);
    await regent("transfer", "n2", "--from", `127.0.0.1:${leader.port}`);
    await regent("remove", "n1", "--from", `127.0.0.1:${leader.port}`);
    assertEquals((await leader.process.ended()).code, 0);
    assertEquals(await ask(member, ["DBSIZE"]), 7);
    assertEquals(await ask(member, ["SET", "k0", "again"]), OK);
  });
});
