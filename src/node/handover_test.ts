import { assert, assertEquals } from "@std/assert";
import { MemoryClient, withMemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";

function errorCode(reply: Reply | undefined): string | undefined {
  return reply instanceof ErrorReply ? reply.text.split(" ")[0] : undefined;
}

Deno.test("a stopping leader transfers leadership first, and writes find the next one", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    const fromMs = cluster.clock.monotonicMs();
    let isOver = false;
    leader.handOver(() => isOver = true);
    const during = new MemoryClient(leader).send("SET", "k", "v");
    cluster.until(() => isOver);
    assert(cluster.clock.monotonicMs() - fromMs < 100); // no election timeout has passed
    const next = leader.report().leaderId;
    assert(next !== null && next !== leader.report().id);
    assertEquals(errorCode(during.reply), "MOVED");
    cluster.clock.advance(2_000);
    assertEquals(leader.report().leaderId, next);
  }));

Deno.test("a stopping leader does not wait for a node that cannot take over, or if there is none", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    for (const follower of followers) cluster.stallDisk(follower);
    new MemoryClient(leader).send("SET", "k", "v"); // which nobody else will have
    cluster.clock.settle();
    const fromMs = cluster.clock.monotonicMs();
    let overs = 0;
    leader.handOver(() => overs++);
    followers[0]?.handOver(() => overs++);
    assertEquals(overs, 1);
    cluster.until(() => overs === 2);
    assert(cluster.clock.monotonicMs() - fromMs <= 1_000);
  }));

Deno.test("a stopping leader waits for its successor, whenever it stops leading", async () => {
  // An attempt ends after 150 ms, and the next one starts 50 ms later.
  for (const afterMs of [10, 155, 165, 175, 185, 195, 250]) {
    await withMemoryCluster(3, (cluster) => {
      const { leader, followers } = cluster;
      for (const follower of followers) cluster.stallDisk(follower);
      new MemoryClient(leader).send("SET", "k", "v"); // which a successor has to have
      let isOver = false;
      leader.handOver(() => isOver = true);
      cluster.clock.advance(afterMs);
      const [from = "", to] = [...followers, leader].map((node) => node.report().id).slice(1);
      assert(to !== undefined);
      const refusal = { accepted: false, index: 0, hintIndex: 0, hintTerm: 0 } as const;
      leader.onMessage({ type: "appendReply", from, to, term: 99, ...refusal });
      cluster.clock.advance(100);
      assertEquals([afterMs, isOver, leader.report().leaderId], [afterMs, false, null]);
      for (const follower of followers) cluster.healDisk(follower);
      cluster.until(() => isOver);
      const { leaderId } = leader.report();
      assert(leaderId !== null && leaderId !== to, `${leaderId} leads`);
    });
  }
});

Deno.test("a leader that reaches nobody stops at once, and so does one that has stopped", () =>
  withMemoryCluster(1, (cluster) => {
    const { leader } = cluster;
    let overs = 0;
    leader.handOver(() => overs++);
    assertEquals(overs, 1);
    leader.stop();
    leader.handOver(() => overs++);
    assertEquals(overs, 2);
    return Promise.resolve();
  }));

Deno.test("a stopping leader tries again if its successor was too slow", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    for (const follower of followers) cluster.stallDisk(follower);
    new MemoryClient(leader).send("SET", "k", "v"); // which a successor has to have
    let isOver = false;
    leader.handOver(() => isOver = true);
    cluster.clock.advance(400); // longer than one attempt
    for (const follower of followers) cluster.healDisk(follower);
    cluster.until(() => isOver);
    const { leaderId, id } = leader.report();
    assert(leaderId !== null && leaderId !== id);
  }));

Deno.test("a node that is stopping, or was removed, does not stand for election", () =>
  withMemoryCluster(3, (cluster) => {
    const [first, second] = cluster.followers;
    assert(first !== undefined && second !== undefined);
    first.handOver(() => {});
    second.onRemoved();
    cluster.kill(cluster.leader);
    for (let step = 0; step < 100; step++) {
      cluster.clock.advance(10);
      for (const node of [first, second]) {
        assert(!["candidate", "leader"].includes(node.report().role));
      }
    }
  }));
