import { assert } from "@std/assert";
import { LocalCluster, type LocalClusterOptions, type Member, roleOf } from "./local_cluster.ts";
import { MachineWatch } from "./machine_watch.ts";

/** The election timeouts of the attempts, as multiples of the first. */
const FACTORS = [1, 1, 2, 4, 8, 16];
/** Memory and disk may be slow although no process waited for a processor. */
const UNEXPLAINED_MAX = 1;

export interface WithoutElectionOptions extends LocalClusterOptions {
  /** The shortest election timeout. */
  readonly electionMs: number;
}

/**
 * Runs a test on a cluster in which no leader may be deposed. An election is forgiven when the
 * machine kept a process waiting for half an election timeout. Then the test runs again on a new
 * cluster, in the end with longer timeouts: on a machine half as fast, twice the timeout asks for
 * the same.
 */
export async function withoutElection(
  { electionMs, nodeFlags = [], ...options }: WithoutElectionOptions,
  test: (cluster: LocalCluster, leader: Member) => Promise<void>,
): Promise<void> {
  let unexplained = 0;
  for (const factor of FACTORS) {
    const timeoutMs = factor * electionMs;
    const cluster = await LocalCluster.start({
      ...options,
      nodeFlags: [...nodeFlags, "--election-ms", String(timeoutMs)],
    });
    const watch = new MachineWatch();
    try {
      const leader = await cluster.leader();
      const term = (await roleOf(leader))?.term;
      const error = await test(cluster, leader).then(() => null, (error: unknown) => error);
      watch.stop();
      for (const { name, process } of cluster.nodes) assert(process.isRunning, `${name} has ended`);
      const after = await roleOf(leader);
      if (after?.role === "leader" && after.term === term) {
        if (error !== null) throw error;
        return;
      }
      const waitMs = Math.round(watch.worstWaitMs(timeoutMs));
      console.log(`${leader.name} was deposed; a process had waited for ${waitMs} ms`);
      if (waitMs < timeoutMs / 2) unexplained++;
      assert(
        unexplained <= UNEXPLAINED_MAX,
        `a leader was deposed with an election timeout of ${timeoutMs} ms\n${cluster.said()}`,
      );
    } catch (error) {
      if (error instanceof Error) error.message += `\n${cluster.said()}`;
      throw error;
    } finally {
      watch.stop();
      await cluster.stop();
    }
  }
  throw new Error("a leader was deposed each time");
}
