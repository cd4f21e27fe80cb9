import { assert, assertEquals, assertInstanceOf, assertNotEquals } from "@std/assert";
import { MemoryClient, MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import type { Node } from "../node/node.ts";
import { ErrorReply, OK } from "../resp/reply.ts";
import type { Faults } from "./faults.ts";

async function withCluster(test: (cluster: MemoryCluster) => void): Promise<void> {
  const cluster = await MemoryCluster.start(3);
  try {
    cluster.untilServing();
    test(cluster);
  } finally {
    cluster.stop();
  }
}

function faultsOf(cluster: MemoryCluster, node: Node): Faults {
  const faults = cluster.faults[cluster.nodes.indexOf(node)];
  assert(faults !== undefined);
  return faults;
}

/** Waits for another leader, and for a write at it. @returns that leader */
function successorOf(cluster: MemoryCluster, old: Node): Node {
  const leads = (node: Node) => node.report().role === "leader" && node.report().isServing;
  cluster.until(() => cluster.nodes.some((node) => node !== old && leads(node)));
  const successor = cluster.leader;
  const write = new MemoryClient(successor).send("SET", "during", "1");
  cluster.until(() => write.reply !== undefined);
  assertEquals(write.reply, OK);
  return successor;
}

function untilCaughtUp(cluster: MemoryCluster, node: Node): void {
  cluster.until(() => {
    const { leaderId, appliedIndex } = node.report();
    const leader = cluster.leader.report();
    return leaderId === leader.id && appliedIndex === leader.commitIndex;
  });
}

Deno.test("an isolated leader steps down by itself; healed, it follows and catches up", async () => {
  await withCluster((cluster) => {
    const old = cluster.leader;
    const { term } = old.report();
    faultsOf(cluster, old).begin({ kind: "isolate", peers: null, direction: "both" }, null);
    const lost = new MemoryClient(old).send("SET", "lost", "1");
    successorOf(cluster, old);
    cluster.until(() => old.report().role !== "leader");
    assertEquals(old.report().term, term); // by PreVote it disturbs nobody
    faultsOf(cluster, old).heal();
    untilCaughtUp(cluster, old);
    cluster.until(() => lost.reply !== undefined);
    assertInstanceOf(lost.reply, ErrorReply);
  });
});

Deno.test("a leader that hears nobody steps down though it is heard; one that nobody hears does too", async () => {
  for (const direction of ["in", "out"] as const) {
    await withCluster((cluster) => {
      const old = cluster.leader;
      faultsOf(cluster, old).begin({ kind: "isolate", peers: null, direction }, 20_000);
      successorOf(cluster, old);
      cluster.until(() => old.report().role !== "leader");
      cluster.clock.advance(20_000);
      untilCaughtUp(cluster, old);
    });
  }
});

Deno.test("a paused leader neither receives nor sends anything, and resumes by its time", async () => {
  await withCluster((cluster) => {
    const old = cluster.leader;
    faultsOf(cluster, old).begin({ kind: "pause" }, 5_000);
    const before = old.report();
    const successor = successorOf(cluster, old);
    cluster.clock.advance(3_000);
    const during = old.report();
    assertNotEquals(during.role, "leader");
    assertEquals([during.term, during.commitIndex], [before.term, before.commitIndex]);
    // Its peers have given up the silent connections, and new ones are silent too.
    const write = new MemoryClient(successor).send("SET", "during", "2");
    cluster.until(() => write.reply !== undefined);
    assertEquals(old.report().commitIndex, before.commitIndex);
    cluster.clock.advance(2_000);
    untilCaughtUp(cluster, old);
    cluster.until(() => old.report().members.every(({ isConnected }) => isConnected));
  });
});

Deno.test("a pause without a duration ends by heal, however long it was", async () => {
  await withCluster((cluster) => {
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    const { term } = cluster.leader.report();
    faultsOf(cluster, follower).begin({ kind: "pause" }, null);
    cluster.clock.advance(60_000);
    assertEquals(faultsOf(cluster, follower).heal("pause"), 1);
    untilCaughtUp(cluster, follower);
    assertEquals(cluster.leader.report().term, term);
  });
});

Deno.test("a cluster works with delays and losses", async () => {
  await withCluster((cluster) => {
    for (const faults of cluster.faults) {
      faults.begin({ kind: "delay", peers: null, delayMs: 10 }, null);
      faults.begin({ kind: "drop", peers: null, percent: 10 }, null);
    }
    let written = 0;
    for (let round = 0; round < 50; round++) {
      const write = new MemoryClient(cluster.leader).send("SET", "key", String(round));
      cluster.until(() => write.reply !== undefined);
      if (write.reply === OK) written++;
      cluster.until(() => cluster.nodes.some((node) => node.report().role === "leader"));
    }
    assert(written > 25, `${written} of 50`);
    for (const faults of cluster.faults) faults.heal();
    for (const node of cluster.nodes) untilCaughtUp(cluster, node);
  });
});
