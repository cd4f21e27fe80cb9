import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemoryClient, MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Node } from "./node.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** The log lines of a cluster, and a way to start one with some wrong clocks. */
class Scene {
  readonly lines: string[] = [];

  async run(
    wallOffsetsMs: readonly number[],
    test: (cluster: MemoryCluster) => void,
  ): Promise<void> {
    const note = (line: string) => void this.lines.push(line);
    const logger = { info: note, warn: note, error: note };
    const cluster = await MemoryCluster.start(wallOffsetsMs.length, { logger }, wallOffsetsMs);
    try {
      cluster.untilServing();
      test(cluster);
    } finally {
      cluster.stop();
    }
  }
}

function ask(cluster: MemoryCluster, node: Node, ...args: string[]): Reply {
  const answer = new MemoryClient(node).send(...args);
  cluster.until(() => answer.reply !== undefined);
  return answer.reply ?? null;
}

/** Actual life of a key that is set for 100 ms. */
function lifeMs(cluster: MemoryCluster): number {
  const fromMs = cluster.clock.monotonicMs();
  assertEquals(ask(cluster, cluster.leader, "SET", "short", "v", "PX", "100"), OK);
  cluster.until(() => ask(cluster, cluster.leader, "EXISTS", "short") === 0);
  return cluster.clock.monotonicMs() - fromMs;
}

function isAbout100(ms: number): boolean {
  return ms >= 95 && ms <= 120;
}

for (const wrongMs of [10 * YEAR_MS, -10 * YEAR_MS, 3_600_000, -3_600_000]) {
  Deno.test(`a leader whose clock jumps by ${wrongMs} ms expires no key, and another leads`, async () => {
    const scene = new Scene();
    await scene.run([0, 0, 0], (cluster) => {
      const wrong = cluster.leader;
      const at = cluster.nodes.indexOf(wrong);
      ask(cluster, wrong, "SET", "long", "v", "PX", "600000");
      const session = ask(cluster, wrong, "SESSION", "OPEN", "600000");
      cluster.wallOffsetsMs[at] = wrongMs;
      ask(cluster, wrong, "SET", "other", "v"); // it still leads, and writes with this clock
      cluster.until(() => wrong.report().role !== "leader");
      cluster.untilServing();
      const { leader } = cluster;
      assertEquals(ask(cluster, leader, "GET", "long"), "v");
      assertEquals(ask(cluster, leader, "ONCE", String(session), "1", "SET", "a", "b"), OK);
      assert(isAbout100(lifeMs(cluster)));
      cluster.clock.advance(3_000);
      const offsets = cluster.nodes.map((node) => node.report().time.clockOffsetMs);
      assertEquals(
        offsets.map((ms) => Math.round((ms ?? NaN) / 1_000)),
        [0, 1, 2].map((one) => one === at ? wrongMs / 1_000 : 0),
      );
      assertEquals(cluster.leader, leader);
      const complaints = scene.lines.filter((line) => line.includes("clock"));
      assertEquals(complaints.length, 1);
      assertMatch(complaints[0] ?? "", wrongMs > 0 ? /ahead of .*does not lead/ : /behind .*lead/);
      cluster.clock.advance(60_000);
      assertEquals(scene.lines.filter((line) => line.includes("clock")).length, 2);
    });
  });
}

for (const wrongMs of [10 * YEAR_MS, -10 * YEAR_MS]) {
  for (const size of [3, 5]) {
    Deno.test(`in a cluster of ${size} a minority with clocks that are wrong by ${wrongMs} ms from the start never leads`, async () => {
      const wrongCount = (size - 1) / 2;
      const wallOffsetsMs = Array.from({ length: size }, (_, at) => at < wrongCount ? wrongMs : 0);
      await new Scene().run(wallOffsetsMs, (cluster) => {
        for (let round = 0; round < 5; round++) {
          cluster.untilServing();
          const { leader } = cluster;
          assertEquals(cluster.wallOffsetsMs[cluster.nodes.indexOf(leader)], 0);
          const { logTimeMs } = leader.report().time;
          assertEquals(Math.abs(logTimeMs - cluster.clock.nowMs()) <= 5, true);
          assert(isAbout100(lifeMs(cluster)));
          cluster.isolate(leader);
          cluster.clock.advance(700);
          cluster.network.heal();
        }
      });
    });
  }
}

Deno.test("leadership is not transferred to a node whose clock is wrong", async () => {
  await new Scene().run([0, 0, 0], (cluster) => {
    const { leader, followers: [follower] } = cluster;
    assert(follower !== undefined);
    cluster.wallOffsetsMs[cluster.nodes.indexOf(follower)] = YEAR_MS;
    cluster.clock.advance(1_500);
    let reply: Reply | undefined;
    leader.membership.transfer.start(follower.report().id, (answer) => reply = answer);
    assert(reply instanceof ErrorReply);
    assertMatch(reply.text, /clock/);
  });
});

Deno.test("a leader with a wrong clock steps down if nobody takes over in time", async () => {
  await new Scene().run([0, 0, 0], (cluster) => {
    const wrong = cluster.leader;
    for (const follower of cluster.followers) cluster.stallDisk(follower);
    new MemoryClient(wrong).send("SET", "k", "v"); // nobody else will have it
    cluster.clock.advance(20);
    cluster.wallOffsetsMs[cluster.nodes.indexOf(wrong)] = YEAR_MS;
    cluster.until(() => wrong.report().role !== "leader");
    for (const node of cluster.nodes) cluster.healDisk(node);
    cluster.untilServing();
    assert(cluster.leader !== wrong);
  });
});

Deno.test("a clock that is corrected lets its node lead again", async () => {
  await new Scene().run([YEAR_MS, 0, 0], (cluster) => {
    const [wrong] = cluster.nodes;
    assert(wrong !== undefined);
    cluster.wallOffsetsMs[0] = 0;
    cluster.clock.advance(1_500);
    const { leader } = cluster;
    let reply: Reply | undefined;
    leader.membership.transfer.start("n1", (answer) => reply = answer);
    cluster.until(() => reply !== undefined);
    assertEquals([reply, cluster.leader], [OK, wrong]);
  });
});

Deno.test("time that was ahead goes on: a key set for 100 ms lives 100 ms, at each leader", async () => {
  await new Scene().run([10 * YEAR_MS, 10 * YEAR_MS, 10 * YEAR_MS], (cluster) => {
    ask(cluster, cluster.leader, "SET", "k", "v"); // so it was agreed
    cluster.wallOffsetsMs.fill(0);
    for (let round = 0; round < 3; round++) {
      assert(isAbout100(lifeMs(cluster)));
      const { logTimeAheadMs } = cluster.leader.report().time;
      assertEquals(Math.round((logTimeAheadMs ?? 0) / YEAR_MS), 10);
      assertEquals(ask(cluster, cluster.leader, "SET", "p", "v", "PX", "60000"), OK);
      cluster.clock.advance(5_000); // nothing is written meanwhile
      for (const node of cluster.nodes) {
        const left = Number(ask(cluster, node, "PTTL", "p"));
        assert(left > 54_000 && left < 55_100, String(left));
      }
      cluster.isolate(cluster.leader);
      cluster.clock.advance(700);
      cluster.network.heal();
      cluster.untilServing();
      const left = Number(ask(cluster, cluster.leader, "PTTL", "p"));
      assert(left > 53_000 && left < 54_500, String(left));
    }
  });
});

Deno.test("the newest entries on a wrong clock keep two of three from leading for 5 s, and no longer", async () => {
  for (const wrongMs of [10 * YEAR_MS, -10 * YEAR_MS]) {
    await new Scene().run([0, 0, 0], (cluster) => {
      const { leader: away, followers: [wrong, behind] } = cluster;
      assert(wrong !== undefined && behind !== undefined);
      cluster.wallOffsetsMs[cluster.nodes.indexOf(wrong)] = wrongMs;
      cluster.clock.advance(2_500);
      cluster.isolate(behind);
      assertEquals(ask(cluster, away, "SET", "k", "v", "PX", "600000"), OK);
      cluster.network.heal();
      cluster.isolate(away);
      const sinceMs = cluster.clock.monotonicMs();
      assert(behind.report().lastIndex < wrong.report().lastIndex);
      cluster.until(() => wrong.report().role === "leader");
      const tookMs = cluster.clock.monotonicMs() - sinceMs;
      assert(tookMs >= 4_000 && tookMs <= 6_000, String(tookMs));
      cluster.until(() => behind.report().isServing);
      assertEquals(ask(cluster, behind, "GET", "k"), "v");
      assert(isAbout100(lifeMs(cluster)));
      cluster.network.heal();
      cluster.until(() => wrong.report().role !== "leader");
      cluster.untilServing();
      assert(cluster.leader !== wrong);
      assertEquals(ask(cluster, cluster.leader, "GET", "k"), "v");
    });
  }
});

Deno.test("clocks that were corrected before the first entry do not move the log's time", async () => {
  const offsetsMs = [10 * YEAR_MS, 10 * YEAR_MS, 10 * YEAR_MS];
  const cluster = await MemoryCluster.start(3, {}, offsetsMs);
  try {
    cluster.until(() => cluster.nodes.every((node) => node.report().time.clockOffsetMs !== null));
    assert(cluster.nodes.every((node) => node.report().role === "follower"));
    cluster.wallOffsetsMs.fill(0);
    cluster.untilServing();
    assertEquals(ask(cluster, cluster.leader, "SET", "k", "v", "PX", "600000"), OK);
    for (let round = 0; round < 4; round++) {
      const { leader } = cluster;
      const { logTimeMs } = leader.report().time;
      assert(Math.abs(logTimeMs - cluster.clock.nowMs()) <= 5, String(logTimeMs));
      for (const node of cluster.nodes) {
        const left = Number(ask(cluster, node, "PTTL", "k"));
        assert(left > 590_000 && left <= 600_000, String(left));
      }
      cluster.isolate(leader);
      cluster.until(() => cluster.leader !== leader && cluster.leader.report().isServing);
      assertEquals(ask(cluster, cluster.leader, "GET", "k"), "v");
      cluster.network.heal();
      cluster.untilServing();
    }
  } finally {
    cluster.stop();
  }
});

Deno.test("a node that was down while nothing was written continues with the leader's time", async () => {
  const cluster = await MemoryCluster.start(3, {}, [YEAR_MS, YEAR_MS, YEAR_MS]);
  try {
    cluster.untilServing();
    ask(cluster, cluster.leader, "SET", "k", "v", "PX", "600000");
    cluster.wallOffsetsMs.fill(0);
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    cluster.kill(follower);
    cluster.clock.advance(60_000);
    const back = await cluster.restart(follower);
    cluster.until(() => back.report().isServing);
    cluster.clock.advance(2_000);
    const left = Number(ask(cluster, back, "PTTL", "k"));
    assert(left > 535_000 && left < 539_000, String(left));
  } finally {
    cluster.stop();
  }
});
