import { assertEquals } from "@std/assert";
import { ask, type LocalCluster, roleOf } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const MIB = 1024 * 1024;
/** The compiled program may be of an older Deno, whose sockets are three to six times slower. */
const PATIENCE = Deno.env.get("REGENT_BINARY") === undefined ? [] : ["--election-ms", "600"];

async function termOf(cluster: LocalCluster): Promise<number> {
  const reports = await Promise.all(cluster.nodes.map((node) => roleOf(node)));
  return Math.max(...reports.map((report) => report?.term ?? 0));
}

async function slow(cluster: LocalCluster, delayMs: number): Promise<void> {
  for (const node of cluster.nodes) {
    const reply = await ask(node, ["FAULT", "slow-disk", String(delayMs)], 5_000);
    assertEquals(replyText(reply), "OK");
  }
}

const segmentsOf = (dir: string) =>
  [...Deno.readDirSync(`${dir}/log`)].map(({ name }) => name).filter((name) =>
    name.endsWith(".log")
  ).sort();

Deno.test("on slow disks segments of the log fill up without an election", async (t) => {
  const nodeFlags = ["--allow-faults", "--snapshot-log-bytes", "1m", ...PATIENCE];
  await withCluster({ nodeFlags }, async (cluster) => {
    const [node] = cluster.nodes;
    const leader = await cluster.leader();
    const term = await termOf(cluster);
    for (const delayMs of [50, 200]) {
      await t.step(`each sync takes ${delayMs} ms longer`, async () => {
        await slow(cluster, delayMs);
        const before = Number(segmentsOf(node?.dir ?? "").at(-1)?.split("-")[0]);
        const value = "v".repeat(128 * 1024);
        const written: Promise<unknown>[] = [];
        for (let at = 0; at * value.length < 3 * MIB; at++) {
          written.push(ask(leader, ["SET", `key${at % 5}`, value], 30_000));
        }
        for (const reply of await Promise.all(written)) {
          assertEquals(replyText(reply as Parameters<typeof replyText>[0]), "OK");
        }
        const after = Number(segmentsOf(node?.dir ?? "").at(-1)?.split("-")[0]);
        assertEquals(after - before >= 4, true, `segments ${before} to ${after}`);
        assertEquals(await termOf(cluster), term);
      });
    }
    await t.step("a leader whose disk hangs hands over", async () => {
      for (const node of cluster.nodes) await ask(node, ["FAULT", "HEAL"], 5_000);
      await ask(leader, ["FAULT", "slow-disk", "60000"], 5_000);
      assertEquals(replyText(await ask(leader, ["SET", "during", "1"], 5_000)), "OK");
      await until("another leads", async () => (await cluster.leader()).name !== leader.name);
      assertEquals(replyText(await ask(cluster.proxy, ["SET", "during", "2"], 5_000)), "OK");
      await ask(leader, ["FAULT", "HEAL"], 5_000);
      await until("it follows", async () => (await roleOf(leader))?.role === "follower");
      assertEquals(await ask(leader, ["GET", "during"], 10_000), "2");
    });
  });
});
