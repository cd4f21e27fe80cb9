import { assertEquals, assertStringIncludes } from "@std/assert";
import { ask, LocalCluster, roleOf } from "../../support/local_cluster.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const LEADER = ["--role", "leader"];
const FOLLOWER = ["--role", "follower"];
/** So long that a node that does not stand for election at once loses to one that does. */
const PATIENT = ["--election-ms", "10000"];

/** The leader according to every node. */
async function leaders(cluster: LocalCluster): Promise<(string | undefined)[]> {
  const roles = await Promise.all(cluster.nodes.map(roleOf));
  assertEquals(roles.filter((role) => role?.role === "leader").length, 1);
  return roles.map((role) => role?.leaderId);
}

Deno.test("the node with --role leader leads a new cluster at once", async () => {
  const flagsOf = { n2: LEADER };
  await withCluster({ proxies: 0, nodeFlags: PATIENT, flagsOf }, async (cluster) => {
    assertEquals(await leaders(cluster), ["n2", "n2", "n2"]);
  });
});

Deno.test("two nodes with --role leader yield one leader, which stays", async () => {
  const flagsOf = { n1: LEADER, n3: LEADER };
  await withCluster({ proxies: 0, nodeFlags: PATIENT, flagsOf }, async (cluster) => {
    const [leader] = await leaders(cluster);
    assertEquals(await leaders(cluster), [leader, leader, leader]);
  });
});

Deno.test("nodes with --role follower let others lead, and stand for election when nobody does", async () => {
  const flagsOf = { n1: FOLLOWER, n2: FOLLOWER, n3: LEADER };
  await withCluster(
    { proxies: 0, nodeFlags: ["--election-ms", "3000"], flagsOf },
    async (cluster) => {
      assertEquals(await leaders(cluster), ["n3", "n3", "n3"]);
      const [, , third] = cluster.nodes;
      await third?.process.signal("SIGKILL");
      await until("a follower leads", async () => {
        const roles = await Promise.all(cluster.nodes.slice(0, 2).map(roleOf));
        return roles.some((role) => role?.role === "leader");
      }, { describe: () => cluster.said() });
    },
  );
});

Deno.test("after a restart of all, the node with --role leader stands before those with --role follower", async () => {
  await withTemporaryDirectory(async (dir) => {
    const flagsOf = { n1: FOLLOWER, n2: FOLLOWER, n3: LEADER };
    const nodeFlags = ["--election-ms", "4000"];
    const cluster = await LocalCluster.start({ dir, proxies: 0, nodeFlags, flagsOf });
    try {
      await ask(await cluster.leader(), ["SET", "k", "v"]);
      await Promise.all(cluster.nodes.map(({ process }) => process.signal("SIGKILL")));
      for (const node of cluster.nodes) cluster.restart(node);
      await cluster.untilServing();
      assertEquals(await leaders(cluster), ["n3", "n3", "n3"]);
      assertEquals(await ask(await cluster.leader(), ["GET", "k"]), "v");
      assertStringIncludes((await cluster.leader()).process.said, "serves clients on");
    } finally {
      await cluster.stop();
    }
  });
});
