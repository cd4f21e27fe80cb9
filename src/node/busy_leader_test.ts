import { assertEquals } from "@std/assert";
import { MemoryCluster } from "../../tests/support/node/memory_cluster.ts";

const MIB = 2 ** 20;

/** Whether the others keep their leader when it is silent for this long, announced or not. */
async function isKept(largestBytes: readonly number[], silenceMs: number): Promise<boolean> {
  const cluster = await MemoryCluster.start(3);
  try {
    cluster.untilServing();
    const { leader, followers } = cluster;
    for (const bytes of largestBytes) {
      leader.noteLargest(bytes);
      cluster.clock.advance(100); // the next heartbeat
    }
    cluster.isolate(leader);
    cluster.clock.advance(silenceMs);
    return followers.every((follower) => follower.report().leaderId === leader.report().id);
  } finally {
    cluster.stop();
  }
}

Deno.test("a leader that is busy with a large request stays the leader", async () => {
  assertEquals(await isKept([8 * MIB], 1_000), true);
  assertEquals(await isKept([8 * MIB], 4_000), false, "not for ever");
  assertEquals(await isKept([], 1_000), false);
  assertEquals(await isKept([8 * MIB, 0], 1_000), false, "nor when the request is done");
});

Deno.test("a leader that is about to be busy announces it at once", async () => {
  const cluster = await MemoryCluster.start(3);
  try {
    cluster.untilServing();
    const { leader, followers } = cluster;
    leader.noteLargest(8 * MIB);
    cluster.clock.advance(5); // no regular heartbeat falls into it each time
    cluster.isolate(leader);
    cluster.clock.advance(1_000);
    for (const { leaderId } of followers.map((one) => one.report())) {
      assertEquals(leaderId, leader.report().id);
    }
  } finally {
    cluster.stop();
  }
});
