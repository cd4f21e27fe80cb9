import { assert, assertEquals, assertMatch } from "@std/assert";
import { ErrorReply } from "../../../src/resp/reply.ts";
import { PATIENT } from "../../support/calm.ts";
import { fillWithLarge, largeValue, untilSnapshotOfAll } from "../../support/large_values.ts";
import { ask, type Member } from "../../support/local_cluster.ts";
import { PatientClient } from "../../support/patient_client.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withoutElection } from "../../support/without_election.ts";

/** The compiled program may be of an older Deno, which takes far longer for this many bytes. */
const isOlder = Deno.env.get("REGENT_BINARY") !== undefined;
const MIB = 1024 * 1024;
const VALUES = isOlder ? 32 : 100;
/** An event loop that is blocked by a slow disk exceeds this too. */
const electionMs = isOlder ? 3_000 : 1_000;
const FLAGS = ["--allow-faults", "--snapshot-log-bytes", "16m"];

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

Deno.test("a node that joins with a slow disk gets a large snapshot while clients write", async () => {
  await withoutElection({ ...PATIENT, nodeFlags: FLAGS, electionMs }, async (cluster) => {
    await fillWithLarge(cluster.proxy, VALUES);
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
      await until(
        "it receives the snapshot",
        () => /receives the snapshot/.test(joined.process.said),
        {
          describe: () => cluster.said(),
        },
      );
      await until("it has the snapshot", () => /installs the snapshot/.test(joined.process.said), {
        timeoutMs: 120_000,
        describe: () => cluster.said(),
      });
      await untilCaughtUp(cluster, joined);
      await load.untilMore(20);
      isOver = true;
      const { refusals, worstMs } = await asked;
      const [, bytes] = /snapshot of entry \d+, (\d+) bytes/.exec(joined.process.said) ?? [];
      assert(Number(bytes) > 0.9 * VALUES * MIB, `it got ${bytes} bytes`);
      console.log(
        `${bytes} bytes; asked meanwhile: ${refusals} refused, the slowest ${worstMs} ms`,
      );
    });
    console.log(load.describe());
    assertNoErrors(load);
    const joined = cluster.nodes.at(-1) as Member;
    for (const at of [0, VALUES - 1]) {
      assertEquals(await ask(joined, ["GET", `large:${at}`]) === largeValue(at), true);
    }
  });
});
