import { assert, assertEquals } from "@std/assert";
import { NODE_DEFAULTS } from "../../../src/node/node_parts.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";
import { withoutElection } from "../../support/without_election.ts";

const MIB = 1024 * 1024;
/** The compiled program may be of an older Deno, whose sockets are three to six times slower. */
const electionMs = Deno.env.get("REGENT_BINARY") === undefined ? NODE_DEFAULTS.electionMs : 600;
const nodeFlags = ["--allow-faults", "--snapshot-log-bytes", "1m"];

async function slow(cluster: LocalCluster, delayMs: number): Promise<void> {
  for (const node of cluster.nodes) {
    const reply = await ask(node, ["FAULT", "slow-disk", String(delayMs)]);
    assertEquals(replyText(reply), "OK");
  }
}

const segmentsOf = (dir: string) =>
  [...Deno.readDirSync(`${dir}/log`)].map(({ name }) => name).filter((name) =>
    name.endsWith(".log")
  ).sort();

/** Number of segments that are begun while the disks are slow. */
const SEGMENTS = 4;
const ROUNDS_MAX = 5;

/** Writes 3 MiB at once, in values of 128 KiB. */
async function writeValues(leader: Member): Promise<void> {
  const value = "v".repeat(128 * 1024);
  const written: Promise<unknown>[] = [];
  for (let at = 0; at * value.length < 3 * MIB; at++) {
    written.push(ask(leader, ["SET", `key${at % 5}`, value], 60_000));
  }
  for (const reply of await Promise.all(written)) {
    assertEquals(replyText(reply as Parameters<typeof replyText>[0]), "OK");
  }
}

for (const delayMs of [50, 200]) {
  Deno.test(`on disks whose syncs take ${delayMs} ms longer the log fills segments without an election`, async () => {
    await withoutElection({ nodeFlags, electionMs }, async (cluster, leader) => {
      const dir = cluster.nodes[0]?.dir ?? "";
      await slow(cluster, delayMs);
      const newest = () => Number(segmentsOf(dir).at(-1)?.split("-")[0]);
      const before = newest();
      // The leader decides how many of them share an entry, and an entry is in one segment.
      for (let round = 0; newest() < before + SEGMENTS; round++) {
        assert(round < ROUNDS_MAX, `segments ${before} to ${newest()}`);
        await writeValues(leader);
      }
    });
  });
}

Deno.test("a leader whose disk hangs transfers leadership", async () => {
  await withCluster({ nodeFlags }, async (cluster) => {
    const leader = await cluster.leader();
    await ask(leader, ["FAULT", "slow-disk", "60000"]);
    assertEquals(replyText(await ask(leader, ["SET", "during", "1"])), "OK");
    await until("another leads", async () => (await cluster.leader()).name !== leader.name);
    assertEquals(replyText(await ask(cluster.proxy, ["SET", "during", "2"])), "OK");
    await ask(leader, ["FAULT", "HEAL"]);
    await until("it follows", async () => (await roleOf(leader))?.role === "follower");
    assertEquals(await ask(leader, ["GET", "during"]), "2");
  });
});
