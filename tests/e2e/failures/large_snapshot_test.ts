import { assert, assertEquals, assertMatch } from "@std/assert";
import { RespClient } from "../../../src/cli/resp_client.ts";
import { ErrorReply } from "../../../src/resp/reply.ts";
import { fillWithLarge, largeValue, untilSnapshotOfAll } from "../../support/large_values.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** The compiled program may be of an older Deno, which takes far longer for so many bytes. */
const isOlder = Deno.env.get("REGENT_BINARY") !== undefined;
const MIB = 1024 * 1024;
const VALUES = isOlder ? 32 : 100;
/** An event loop that waits for a slow disk, again and again, is too late for this too. */
const PATIENCE = ["--election-ms", isOlder ? "3000" : "1000"];
const FLAGS = ["--allow-faults", "--snapshot-log-bytes", "16m", ...PATIENCE];

async function termOf(cluster: LocalCluster): Promise<number> {
  return (await roleOf(await cluster.leader()))?.term ?? -1;
}

/** Asks a node for a key until told to stop; each request must be answered. */
async function asking(node: Member, isOver: () => boolean) {
  const client = await RespClient.connect({ host: "127.0.0.1", port: node.port });
  let refusals = 0;
  let worstMs = 0;
  while (!isOver()) {
    const startMs = performance.now();
    const reply = await client.request(["GET", "large:1"], 20_000);
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
  await withCluster({ nodeFlags: FLAGS }, async (cluster) => {
    await fillWithLarge(cluster.proxy, VALUES);
    const leader = await untilSnapshotOfAll(cluster);
    const term = await termOf(cluster);
    const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
      const joined = cluster.join("n4", cluster.proxy, FLAGS);
      await until(
        "its disk is slow",
        async () => replyText(await ask(joined, ["FAULT", "slow-disk", "50"])) === "OK",
      );
      let isOver = false;
      const asked = asking(joined, () => isOver);
      asked.catch(() => {}); // told below
      await until(
        "it receives the snapshot",
        () => /receives the snapshot/.test(joined.process.said),
        {
          describe: () => cluster.said(),
        },
      );
      await until("it has the snapshot", () => /installs the snapshot/.test(joined.process.said), {
        timeoutMs: 60_000,
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
    assertEquals([(await cluster.leader()).name, await termOf(cluster)], [leader.name, term]);
    const joined = cluster.nodes.at(-1) as Member;
    for (const at of [0, VALUES - 1]) {
      assertEquals(await ask(joined, ["GET", `large:${at}`], 20_000) === largeValue(at), true);
    }
  });
});
