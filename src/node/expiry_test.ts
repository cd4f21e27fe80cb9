import { assertEquals } from "@std/assert";
import { MemoryClient, MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { OK } from "../resp/reply.ts";

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
