import { fieldsOf } from "../../../src/cli/resp_client.ts";
import { ask, type LocalCluster, type Member } from "../../../tests/support/local_cluster.ts";
import { until } from "../../../tests/support/until.ts";
import { startCluster } from "../peers.ts";
import type { Resources } from "../resources.ts";

const SETTLE_MS_MAX = 120_000;

/** A cluster of three nodes and a proxy that serve files over HTTP, with three copies of each. */
export interface FilesCluster {
  readonly cluster: LocalCluster;
  /** Where the proxy serves files, with a slash at the end. */
  readonly base: string;
  baseOf(member: Member): string;
  /** Resolves when no copy is missing, so that nothing is copied while the next load is measured. */
  untilSettled(): Promise<void>;
}

/** Starts a cluster on free ports, in a new directory, and waits until all nodes hold files. */
export async function startFilesCluster(resources: Resources): Promise<FilesCluster> {
  const cluster = await startCluster(resources, { http: true, files: true });
  const status = async (name: string): Promise<number> => {
    const reply = await ask(cluster.proxy, ["FILE", "REPAIR", "STATUS"]);
    return reply === null ? NaN : Number(fieldsOf(reply).get(name));
  };
  await until("all nodes hold files", async () => await status("up") === cluster.nodes.length, {
    timeoutMs: SETTLE_MS_MAX,
    describe: () => cluster.said(),
  });
  const baseOf = ({ httpPort }: Member) => `http://127.0.0.1:${httpPort}/files/`;
  return {
    cluster,
    base: baseOf(cluster.proxy),
    baseOf,
    untilSettled: () =>
      until("all copies are there", async () => await status("missing") === 0, {
        timeoutMs: SETTLE_MS_MAX,
      }),
  };
}
