import { LocalCluster, type LocalClusterOptions } from "./local_cluster.ts";

/** Runs a test on a new cluster. If it fails, the error includes the processes' output. */
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
