import { assert, assertEquals, assertMatch } from "@std/assert";
import { NODE_DEFAULTS } from "../../../src/node/node_parts.ts";
import { PATIENT } from "../../support/calm.ts";
import type { LocalCluster, LocalClusterOptions } from "../../support/local_cluster.ts";
import { assertHistoryIn, assertNoErrors, underLoad, untilCaughtUp } from "../../support/verify.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** So long that no node stands for election only because the ending leader is silent. */
const SLOW_ELECTION_MS = 3_000;
const ROUNDS = 3;
/** Maximum number of rounds until one is short enough. */
const ROUNDS_MAX = 8;

/**
 * Ends the leader by SIGTERM under one client of the proxy, again and again.
 *
 * @param isEnough whether the gaps so far suffice: the longest times in milliseconds without a
 * success of the client, without the time for which the machine delayed a process
 */
async function endLeaders(
  options: LocalClusterOptions,
  test: (cluster: LocalCluster, said: string) => void,
  isEnough: (gapsMs: readonly number[]) => boolean,
): Promise<number[]> {
  const gapsMs: number[] = [];
  await withCluster({ ...PATIENT, ...options }, async (cluster) => {
    while (!isEnough(gapsMs)) {
      const load = await underLoad({ ports: [cluster.proxy.port], clients: 1 }, async (load) => {
        const leader = await cluster.leader();
        const saidBefore = leader.process.said.length;
        await leader.process.signal("SIGTERM");
        assertEquals((await leader.process.status).code, 0);
        test(cluster, leader.process.said.slice(saidBefore));
        await load.untilMore(20);
        cluster.restart(leader);
        await untilCaughtUp(cluster, leader);
      });
      assertNoErrors(load);
      await assertHistoryIn(cluster, load);
      gapsMs.push(Math.round(load.longestOwnGapMs));
    }
  });
  return gapsMs;
}

Deno.test("a leader that is ended transfers leadership first, and reports that it stops", async () => {
  const nodeFlags = ["--election-ms", String(SLOW_ELECTION_MS)];
  const gapsMs = await endLeaders({ nodeFlags }, (_cluster, said) => {
    // Another node leads before this one ends, and not because of its end.
    assertMatch(said, /is asked to stop\n[^]*follows n\d in term \d+\n[^]*has stopped\n/);
  }, ({ length }) => length >= ROUNDS);
  console.log(`with ${SLOW_ELECTION_MS} ms until an election: no success for ${gapsMs} ms`);
  assert(Math.min(...gapsMs) < SLOW_ELECTION_MS / 3);
});

Deno.test("at the default election timeout a client waits for less than any election takes", async () => {
  // A follower stands one election timeout after the last heartbeat at the earliest, and that came
  // at most one heartbeat interval before the leader's end.
  const { electionMs, heartbeatMs } = NODE_DEFAULTS;
  const leastMs = electionMs - heartbeatMs;
  const gapsMs = await endLeaders(
    {},
    () => {},
    (gaps) => gaps.length >= ROUNDS_MAX || Math.min(...gaps) < leastMs,
  );
  console.log(`with ${electionMs} ms until an election: no success for ${gapsMs} ms`);
  assert(Math.min(...gapsMs) < leastMs, `each time longer than ${leastMs} ms: ${gapsMs}`);
});
