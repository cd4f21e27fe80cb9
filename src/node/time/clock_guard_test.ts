import { assert, assertEquals } from "@std/assert";
import { MemoryCluster } from "../../../tests/support/node/memory_cluster.ts";

Deno.test("nobody stands before the clocks of a majority are known to it", async () => {
  const cluster = await MemoryCluster.start(3);
  const [first] = cluster.nodes;
  try {
    for (const node of cluster.nodes) cluster.isolate(node);
    cluster.clock.advance(2_000);
    assert(cluster.nodes.every((node) => node.report().role === "follower"));
    assertEquals(first?.report().time.clockOffsetMs, null);
    cluster.network.heal();
    cluster.untilServing();
    assertEquals(first?.report().time.clockOffsetMs, 0);
  } finally {
    cluster.stop();
  }
});
