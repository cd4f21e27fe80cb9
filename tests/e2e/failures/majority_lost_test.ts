import {
  assertEquals,
  assertExists,
  assertGreaterOrEqual,
  assertLess,
  assertMatch,
} from "@std/assert";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { untilNobodyServes } from "../../support/proxy_info.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { assertHistoryIn, underLoad } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HOLD_MS = 1_000;
const WAIT_MS = 500;
/** Timeout of an answer that should come at once, on a slow machine. */
const PATIENCE_MS = 20_000;
const HELD_TOO_LONG = /^CLUSTERDOWN no leader, held \d+ ms$/;
/** The error of a request whose time is over when a leader is known again and has not taken it. */
const NOT_TAKEN = /^CLUSTERDOWN no node has taken this request, held \d+ ms$/;
/** The error of a read that the survivor was processing when it lost the others. */
const NOT_ANSWERED = /^CLUSTERDOWN no node has answered this read, tried for \d+ ms$/;
/**
 * The error of a read that was lost with both nodes: for all that the proxy knows, it killed them.
 */
const LOST_WITH_TWO = /^ERR 2 nodes were lost while they worked on this read, /;
const FLAGS = {
  nodeFlags: ["--wait-ms", String(WAIT_MS)],
  proxyFlags: ["--hold-ms-max", String(HOLD_MS)],
};

Deno.test("a follower alone neither writes nor reads until the others are back", async () => {
  await withCluster(FLAGS, async (cluster) => {
    const [survivor] = await cluster.followers();
    await assertNothingServedBy(survivor, cluster);
  });
});

Deno.test("a leader alone neither writes nor reads until the others are back", async () => {
  await withCluster(FLAGS, async (cluster) => {
    await assertNothingServedBy(await cluster.leader(), cluster);
  });
});

async function assertNothingServedBy(
  survivor: Member | undefined,
  cluster: LocalCluster,
): Promise<void> {
  assertExists(survivor);
  const load = await underLoad({ ports: [cluster.proxy.port] }, async (load) => {
    const killed = cluster.nodes.filter((node) => node !== survivor);
    await Promise.all(killed.map(({ process }) => process.signal("SIGKILL")));
    const isDown = (error: string) => error.startsWith("CLUSTERDOWN ");
    await until(
      "clients are refused writes and reads",
      () => load.writeErrors.some(isDown) && load.readErrors.some(isDown),
    );
    await untilNobodyServes(cluster);
    await assertRefused(cluster.proxy, survivor);
    for (const node of killed) cluster.restart(node);
    await load.untilMore(20);
  });
  console.log(load.describe());
  assertEquals(load.violations, []);
  // A read is never lost, only held too long; a write may have been in flight.
  const isReadInVain = (error: string) =>
    [HELD_TOO_LONG, NOT_TAKEN, NOT_ANSWERED, LOST_WITH_TWO].some((expected) =>
      expected.test(error)
    );
  assertEquals(load.readErrors.filter((error) => !isReadInVain(error)), []);
  assertEquals(load.writeErrors.filter((error) => !isExpected(error)), []);
  await assertHistoryIn(cluster, load);
  assertEquals(await ask(cluster.proxy, ["EXISTS", "refused"], PATIENCE_MS), 0);
}

function isExpected(writeError: string): boolean {
  return HELD_TOO_LONG.test(writeError) || NOT_TAKEN.test(writeError) ||
    writeError.startsWith("UNKNOWN ");
}

async function assertRefused(proxy: Member, survivor: Member): Promise<void> {
  const textOf = async (member: Member, ...args: string[]) =>
    replyText(await ask(member, args, PATIENCE_MS)) ?? "no error";
  const [write, read, writtenDirectly, readDirectly] = await Promise.all([
    textOf(proxy, "SET", "refused", "x"),
    textOf(proxy, "GET", "refused"),
    textOf(survivor, "SET", "refused", "x"),
    textOf(survivor, "GET", "refused"),
  ]);
  for (const text of [write, read]) {
    assertMatch(text, HELD_TOO_LONG);
    const heldMs = Number(/\d+/.exec(text)?.[0]);
    assertGreaterOrEqual(heldMs, HOLD_MS);
    assertLess(heldMs, HOLD_MS + PATIENCE_MS);
  }
  assertMatch(writtenDirectly, /^CLUSTERDOWN .*not executed$/);
  assertMatch(readDirectly, new RegExp(`^CLUSTERDOWN .* within ${WAIT_MS} ms$`));
}
