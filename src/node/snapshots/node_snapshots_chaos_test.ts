import { assert, assertEquals } from "@std/assert";
import { DiskCluster } from "../../../tests/support/disk_cluster.ts";
import { MemoryClient } from "../../../tests/support/node/memory_cluster.ts";
import { type Random, randomInteger, seededRandom } from "../../base/random.ts";
import { SimpleString } from "../../resp/reply.ts";

const IDS = ["n1", "n2", "n3"];

/** The required end: each counter is at least the number of acknowledged increments. */
class Counters {
  readonly acknowledged = new Map<string, number>();
  readonly asked = new Map<string, number>();
  readonly #open: { readonly key: string; readonly answer: { reply: unknown } }[] = [];

  ask(cluster: DiskCluster, key: string): void {
    const [id] = [...cluster.lives].find(([, { node }]) => node.report().role === "leader") ?? [];
    if (id === undefined) return;
    const answer = new MemoryClient(cluster.life(id).node).send("APPEND", key, "x".repeat(20));
    this.asked.set(key, (this.asked.get(key) ?? 0) + 1);
    this.#open.push({ key, answer });
  }

  settle(): void {
    for (const { key, answer } of this.#open.splice(0)) {
      if (typeof answer.reply !== "number") continue;
      this.acknowledged.set(key, (this.acknowledged.get(key) ?? 0) + 1);
    }
  }
}

/** A random event in the life of nodes. */
async function misfortune(cluster: DiskCluster, random: Random): Promise<void> {
  const id = IDS[randomInteger(random, IDS.length)] ?? "n1";
  switch (randomInteger(random, 6)) {
    case 0:
      cluster.network.isolate(cluster.portOf(id));
      return;
    case 1:
      return cluster.network.heal();
    case 2:
      if (cluster.lives.size === IDS.length) cluster.kill(id);
      return;
    case 3:
    case 4:
      if (!cluster.lives.has(id)) await cluster.start(id);
      return;
    default:
      cluster.lives.get(id)?.node.snapshots?.take();
  }
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`snapshots through kills, cuts and restarts, seed ${seed}`, async () => {
    const random = seededRandom(seed);
    const cluster = new DiskCluster(3, { snapshotLogBytes: 4_000, segmentBytesMax: 2_000 });
    const counters = new Counters();
    await cluster.startAll();
    cluster.untilServing();
    for (let step = 0; step < 150; step++) {
      for (let write = 0; write < 5; write++) {
        counters.ask(cluster, `key${randomInteger(random, 30)}`);
        cluster.clock.advance(randomInteger(random, 10));
      }
      if (random() < 0.2) await misfortune(cluster, random);
      if (random() < 0.1) cluster.clock.advance(500);
    }
    cluster.network.heal();
    for (const id of IDS) if (!cluster.lives.has(id)) await cluster.start(id);
    cluster.until(() => cluster.isEven());
    cluster.clock.advance(6_000); // whoever waits has given up by now
    counters.settle();
    assertEquals(new Set(IDS.map((id) => cluster.stateOf(id))).size, 1);
    lengths(cluster, counters);
    assert(IDS.some((id) => cluster.life(id).log.firstIndex() > 1));
    cluster.stop();
  });
}

function lengths(cluster: DiskCluster, { acknowledged, asked }: Counters): void {
  const client = new MemoryClient(cluster.life(cluster.leader).node);
  for (const [key, atMost] of asked) {
    const answer = client.send("STRLEN", key);
    cluster.until(() => answer.reply !== undefined);
    const times = Number(answer.reply) / 20;
    const atLeast = acknowledged.get(key) ?? 0;
    assert(times >= atLeast && times <= atMost, `${key}: ${atLeast} <= ${times} <= ${atMost}`);
  }
  const answer = client.send("SET", "after", "1");
  cluster.until(() => answer.reply !== undefined);
  assertEquals(answer.reply, new SimpleString("OK"));
}
