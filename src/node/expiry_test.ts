import { assert, assertEquals } from "@std/assert";
import { MemoryClient, MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { ErrorReply, OK } from "../resp/reply.ts";

Deno.test("a key that expired while nobody led is gone at every node, at the first read of the next leader", async () => {
  for (const isApplied of [true, false]) {
    for (let round = 0; round < 6; round++) {
      const cluster = await MemoryCluster.start(3, { waitMs: 20_000 });
      try {
        cluster.untilServing();
        const { leader, followers } = cluster;
        const write = new MemoryClient(leader).send("SET", "k", "v", "PX", "1000");
        cluster.until(() => write.reply === OK);
        if (isApplied) cluster.clock.advance(200);
        for (const node of cluster.nodes) cluster.isolate(node);
        cluster.clock.advance(3_000 + 17 * round);
        const readers = isApplied ? cluster.nodes : followers;
        const reads = readers.map((node) => new MemoryClient(node).send("GET", "k"));
        cluster.network.heal();
        // Then a node leads that has not applied the write yet.
        if (!isApplied) cluster.isolate(leader);
        for (const node of followers) cluster.until(() => node.report().leaderId !== null);
        reads.push(...readers.map((node) => new MemoryClient(node).send("GET", "k")));
        cluster.until(() => reads.every(({ reply }) => reply !== undefined));
        const seen = reads.filter(({ reply }) => reply === "v").length;
        assertEquals(seen, 0, `round ${round}`);
      } finally {
        cluster.stop();
      }
    }
  }
});

Deno.test("a key that expired while a node was behind with its work is gone when this node leads", async () => {
  const cluster = await MemoryCluster.start(3, { waitMs: 20_000, turnStepsMax: 1, restMs: 2 });
  try {
    cluster.untilServing();
    const { leader, followers } = cluster;
    const before = leader.report().lastIndex;
    const client = new MemoryClient(leader);
    for (let at = 0; at < 500; at++) client.send("SET", `other${at}`, "v");
    client.send("SET", "k", "v", "PX", "50");
    const commit = () => Math.min(...followers.map((node) => node.report().commitIndex));
    cluster.until(() => commit() > before && commit() === leader.report().lastIndex);
    cluster.isolate(leader);
    cluster.until(() => followers.some((node) => node.report().role === "leader"));
    for (const node of followers) assert(node.report().appliedIndex < commit(), "it is behind");
    const reads = followers.map((node) => new MemoryClient(node).send("GET", "k"));
    cluster.until(() => reads.every(({ reply }) => reply !== undefined));
    // A follower that is too far behind refuses the read.
    for (const { reply } of reads) {
      assert(reply === null || reply instanceof ErrorReply, `${reply}`);
    }
  } finally {
    cluster.stop();
  }
});
