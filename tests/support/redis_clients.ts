import { Cluster, Redis } from "ioredis";

const HOST = "127.0.0.1";

/** Runs with a connected `ioredis` client, and waits until its connection is closed. */
export async function withRedis<T>(
  port: number,
  run: (redis: Redis) => Promise<T>,
  { reconnects = true }: { readonly reconnects?: boolean } = {},
): Promise<T> {
  const retryStrategy = () => reconnects ? 50 : null;
  const redis = new Redis({ host: HOST, port, lazyConnect: true, retryStrategy });
  redis.on("error", () => {}); // requests fail by themselves
  return await withClient(redis, run);
}

/** Runs with an `ioredis` client in its Cluster mode that knows only these ports. */
export async function withRedisCluster<T>(
  ports: readonly number[],
  run: (cluster: Cluster) => Promise<T>,
  options: { readonly scaleReads?: "master" | "slave" } = {},
): Promise<T> {
  const nodes = ports.map((port) => ({ host: HOST, port }));
  const cluster = new Cluster(nodes, {
    lazyConnect: true,
    clusterRetryStrategy: () => 50,
    ...options,
  });
  cluster.on("error", () => {});
  return await withClient(cluster, run);
}

async function withClient<C extends Redis | Cluster, T>(
  client: C,
  run: (client: C) => Promise<T>,
): Promise<T> {
  await client.connect();
  const ended = new Promise((resolve) => client.once("end", () => resolve(null)));
  try {
    return await run(client);
  } finally {
    const isOpen = client.status !== "reconnecting" && client.status !== "end";
    client.disconnect();
    if (isOpen) await ended;
  }
}
