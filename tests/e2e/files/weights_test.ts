import { assert, assertEquals } from "@std/assert";
import type { NodeProgress } from "../../../src/files/files.ts";
import {
  blobsOf,
  client,
  content,
  digest,
  digestOf,
  fields,
  FILES,
  KIB,
  put,
  untilHealthy,
  untilPlaced,
} from "../../support/files/files_cluster.ts";
import type { LocalCluster, Member } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const COUNT = 60;
const COPIES = 2;
const SIZE = 100 * KIB;
const REPAIR_BYTES = 512 * KIB;

/** Restarts a node with another weight. */
async function weigh(cluster: LocalCluster, node: Member, weight: number): Promise<void> {
  await node.process.signal("SIGTERM");
  node.args = [...node.args, "--file-weight", String(weight)];
  cluster.restart(node);
  await cluster.untilServing();
  await until(`${node.name} has weight ${weight}`, async () => {
    const { layout } = await repairOf(cluster);
    return layout.nodes.find(({ id }) => id === node.name)?.weight === weight;
  }, { describe: () => cluster.said() });
}

interface RepairAnswer {
  readonly status: { readonly missing: number; readonly missingBytes: number };
  readonly layout: { readonly nodes: readonly { readonly id: string; readonly weight: number }[] };
  readonly progress: readonly NodeProgress[];
}

async function repairOf({ proxy }: LocalCluster): Promise<RepairAnswer> {
  const response = await fetch(`http://127.0.0.1:${proxy.httpPort}/repair`, { client });
  assertEquals(response.status, 200);
  return await response.json();
}

/** Waits until nothing is left to do, and all disks hold what they should and nothing else. */
async function untilSettled(cluster: LocalCluster, names: readonly string[]): Promise<void> {
  await until("all copies are in their places, and no others", async () => {
    const status = await fields(cluster.proxy, ["FILE", "REPAIR", "STATUS"]);
    const left = ["missing", "surplus", "dead", "below"].map((name) => Number(status.get(name)));
    const onDisks = cluster.nodes.reduce((sum, node) => sum + blobsOf(node).length, 0);
    return left.every((count) => count === 0) && onDisks === COPIES * COUNT;
  }, { describe: () => cluster.said() });
  await untilHealthy(cluster, names);
}

/** Reads all files again and again until it is stopped. Nothing may be wrong or missing. */
class Reader {
  #isStopped = false;
  #rounds = 0;
  readonly #done: Promise<void>;

  constructor(cluster: LocalCluster, digests: ReadonlyMap<string, string>) {
    this.#done = this.#run(cluster, digests);
    this.#done.catch(() => {}); // told by `stop`
  }

  async #run({ proxy }: LocalCluster, digests: ReadonlyMap<string, string>): Promise<void> {
    while (!this.#isStopped) {
      for (const [name, expected] of digests) assertEquals(await digestOf(proxy, name), expected);
      this.#rounds++;
    }
  }

  /** @throws what was wrong */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
    assert(this.#rounds > 0);
  }
}

Deno.test("files follow a changed weight, all are readable meanwhile, and superfluous copies go", async () => {
  const options = {
    ...FILES,
    nodes: 4,
    nodeFlags: ["--files-repair-bytes", String(REPAIR_BYTES)],
    proxyFlags: ["--copies", String(COPIES)],
  };
  await withCluster(options, async (cluster) => {
    await untilPlaced(cluster, 4);
    const digests = new Map<string, string>();
    for (let at = 0; at < COUNT; at++) {
      const bytes = content(SIZE);
      digests.set(`file ${at}`, digest(bytes));
      assertEquals((await put(cluster.proxy, `file ${at}`, bytes)).status, 201);
    }
    const names = [...digests.keys()];
    await untilSettled(cluster, names);
    const [node] = (await cluster.followers()).reverse();
    assert(node !== undefined);
    const shareOf = () => blobsOf(node).length / COUNT;
    const reader = new Reader(cluster, digests);

    // With two of four equal nodes, a file is on this one with a chance of a half. With a weight of
    // 3 of 6 it is the first of the two with a half, and else the second with 3 of 5.
    assert(shareOf() > 0.3 && shareOf() < 0.7, `${shareOf()}`);
    await weigh(cluster, node, 3);
    await until("its progress is seen", async () => {
      const { status, progress } = await repairOf(cluster);
      const own = progress.find((one) => one.node === node.name);
      if (own === undefined || own.pulls.left === 0 || own.pulls.bytesPerSecond === 0) return false;
      assertEquals(own.pulls.bytesPerSecondMax, REPAIR_BYTES);
      assert(own.pulls.bytesPerSecond < 2 * REPAIR_BYTES, `${own.pulls.bytesPerSecond}`);
      assert(own.pulls.bytesLeft <= own.pulls.left * SIZE);
      assertEquals(status.missingBytes, status.missing * SIZE);
      return true;
    }, { describe: () => cluster.said() });
    await untilSettled(cluster, names);
    assert(shareOf() > 0.65 && shareOf() < 0.95, `${shareOf()}`);

    await weigh(cluster, node, 0);
    await untilSettled(cluster, names);
    assertEquals(shareOf(), 0);

    await weigh(cluster, node, 1);
    await untilSettled(cluster, names);
    assert(shareOf() > 0.3 && shareOf() < 0.7, `${shareOf()}`);
    await reader.stop();
  });
});
