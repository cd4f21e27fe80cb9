import { assert, assertEquals, assertMatch } from "@std/assert";
import { NODE_DEFAULTS } from "../../../src/node/node_parts.ts";
import { ErrorReply } from "../../../src/resp/reply.ts";
import { PATIENT } from "../../support/calm.ts";
import {
  fillWithLarge,
  largeValue,
  untilCompacted,
  untilSnapshotOfAll,
} from "../../support/large_values.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { PatientClient } from "../../support/patient_client.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withoutElection } from "../../support/without_election.ts";

/** The compiled program may be of an older Deno, which takes far longer for this many bytes. */
const isOlder = Deno.env.get("REGENT_BINARY") !== undefined;
const MIB = 1024 * 1024;
const TOTAL_MIB = isOlder ? 32 : 100;
const electionMs = isOlder ? 3_000 : NODE_DEFAULTS.electionMs;
const FLAGS = ["--allow-faults", "--snapshot-log-bytes", "16m"];
const OPTIONS = { ...PATIENT, nodeFlags: FLAGS, electionMs };

/** Requests a key from a node until it is stopped; each request must be answered. */
async function asking(node: Member, isOver: () => boolean) {
  const client = await PatientClient.connect(node);
  let refusals = 0;
  let worstMs = 0;
  while (!isOver()) {
    const startMs = performance.now();
    const reply = await client.request(["GET", "large:1"]);
    worstMs = Math.max(worstMs, performance.now() - startMs);
    if (reply instanceof ErrorReply) {
      assertMatch(reply.text, /^(TRYAGAIN|CLUSTERDOWN|MOVED) /);
      refusals++;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  client.close();
  return { refusals, worstMs: Math.round(worstMs) };
}

/** Waits until a node has installed a snapshot of all values, and prints how long that took. */
async function untilInstalled(cluster: LocalCluster, node: Member): Promise<void> {
  const describe = () => cluster.said();
  const hasSaid = (words: RegExp) => () => words.test(node.process.said);
  await until("it receives the snapshot", hasSaid(/receives the snapshot/), { describe });
  const startMs = performance.now();
  await until("it has the snapshot", hasSaid(/installs the snapshot/), {
    timeoutMs: 120_000,
    describe,
  });
  const seconds = (performance.now() - startMs) / 1000;
  await untilCaughtUp(cluster, node);
  const [, bytes] = /snapshot of entry \d+, (\d+) bytes/.exec(node.process.said) ?? [];
  assert(Number(bytes) > 0.9 * TOTAL_MIB * MIB, `it got ${bytes} bytes`);
  console.log(`${bytes} bytes in ${seconds.toFixed(1)} s`);
}

async function assertValues(node: Member, count: number, bytes: number): Promise<void> {
  for (const at of [0, count - 1]) {
    assertEquals(await ask(node, ["GET", `large:${at}`]) === largeValue(at, bytes), true);
  }
}

Deno.test("a node that joins with a slow disk gets a large snapshot while clients write, without an election", async () => {
  await withoutElection(OPTIONS, async (cluster) => {
    await fillWithLarge(cluster.proxy, TOTAL_MIB);
    await untilSnapshotOfAll(cluster);
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      const joined = cluster.join("n4", cluster.proxy, cluster.nodeFlags);
      await until(
        "its disk is slow",
        async () => replyText(await ask(joined, ["FAULT", "slow-disk", "50"])) === "OK",
      );
      let isOver = false;
      const asked = asking(joined, () => isOver);
      asked.catch(() => {}); // awaited below
      await untilInstalled(cluster, joined);
      await load.untilMore(20);
      isOver = true;
      const { refusals, worstMs } = await asked;
      console.log(`asked meanwhile: ${refusals} refused, the slowest ${worstMs} ms`);
    });
    console.log(load.describe());
    assertNoErrors(load);
    await assertValues(cluster.nodes.at(-1) as Member, TOTAL_MIB, MIB);
  });
});

Deno.test("a follower that returns after its log was compacted away gets a large snapshot, without an election", async () => {
  const bytes = 10 * 1024;
  const count = Math.ceil(TOTAL_MIB * MIB / bytes);
  await withoutElection(OPTIONS, async (cluster, leader) => {
    const follower = cluster.nodes.find((node) => node !== leader) as Member;
    await follower.process.signal("SIGKILL");
    const last = (await roleOf(leader))?.commitIndex ?? Infinity;
    await fillWithLarge(cluster.proxy, count, bytes);
    await untilSnapshotOfAll(cluster);
    await untilCompacted(cluster, last);
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      cluster.restart(follower);
      await untilInstalled(cluster, follower);
      await load.untilMore(20);
    });
    console.log(load.describe());
    assertNoErrors(load);
    await assertValues(follower, count, bytes);
  });
});
