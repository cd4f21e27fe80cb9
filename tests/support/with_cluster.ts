import { LocalCluster, type LocalClusterOptions } from "./local_cluster.ts";

/** Runs a test on a cluster of its own; when it fails, the error tells what the processes said. */
export async function withCluster(
  options: LocalClusterOptions,
  test: (cluster: LocalCluster) => Promise<void>,
): Promise<void> {
  const cluster = await LocalCluster.start(options);
  try {
    await test(cluster);
  } catch (error) {
    if (error instanceof Error) error.message += `\n${cluster.said()}`;
    throw error;
  } finally {
    await cluster.stop();
  }
}
