import {
  LocalCluster,
  type LocalClusterOptions,
  type Member,
  roleOf,
} from "../../tests/support/local_cluster.ts";
import { type RedisServer, startRedisServer } from "../../tests/support/redis_server.ts";
import { until } from "../../tests/support/until.ts";
import { fill, type FillOptions } from "./fill.ts";
import { type LoadOptions, LoadRefused, redisBenchmark } from "./redis_benchmark.ts";
import type { Resources } from "./resources.ts";

export const TARGETS = ["redis", "leader", "proxy"] as const;

/** Whom a load is sent to. */
export type Target = typeof TARGETS[number];

const ATTEMPTS = 5;

/** What is compared: a Redis that syncs every write before it acknowledges it, and a new cluster. */
export class Peers {
  readonly #termAtStart: number;
  readonly #refusals: string[] = [];

  private constructor(
    readonly redis: RedisServer,
    readonly cluster: LocalCluster,
    termAtStart: number,
  ) {
    this.#termAtStart = termAtStart;
  }

  static async start(resources: Resources, options: LocalClusterOptions = {}): Promise<Peers> {
    const redis = await startRedis(resources);
    const cluster = await startCluster(resources, options);
    return new Peers(redis, cluster, await termOf(cluster));
  }

  /** Where a target is reached now: the leader may be another one soon. */
  async port(target: Target): Promise<number> {
    if (target === "redis") return this.redis.port;
    return target === "proxy" ? this.cluster.proxy.port : (await this.cluster.leader()).port;
  }

  /** Writes the same keys to both. */
  async fill(data: Omit<FillOptions, "port">): Promise<void> {
    await fill({ ...data, port: this.redis.port });
    await fill({ ...data, port: this.cluster.proxy.port });
  }

  /** Requests a second; 0: the load was refused each time. */
  async rate(
    target: Target,
    load: Omit<LoadOptions, "port" | "tests"> & { readonly test: string },
  ): Promise<number> {
    try {
      return await this.unlessRefused(async () => {
        const port = await this.port(target);
        const rates = await redisBenchmark({ ...load, tests: [load.test], port });
        return rates.get(load.test) ?? 0;
      });
    } catch (error) {
      if (error instanceof LoadRefused) return 0;
      throw error;
    }
  }

  /** Measures again, a few times, when a load is refused: its leader has lost its office. */
  async unlessRefused<T>(measure: () => Promise<T>): Promise<T> {
    for (let attempt = 1;; attempt++) {
      try {
        return await measure();
      } catch (error) {
        if (!(error instanceof LoadRefused)) throw error;
        this.#refusals.push(error.message);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Says how often another leader was elected since the start, for which there is no reason here. */
  async printElections(): Promise<void> {
    const elections = await termOf(this.cluster) - this.#termAtStart;
    console.log(`\nElections meanwhile: ${elections}. Loads refused: ${this.#refusals.length}.`);
    for (const refusal of new Set(this.#refusals)) console.log(`Refused with: ${refusal}`);
  }
}

/** A cluster of three nodes and a proxy, with the settings of everybody. */
export async function startCluster(
  resources: Resources,
  options: LocalClusterOptions = {},
): Promise<LocalCluster> {
  const starting = LocalCluster.start({ ...options, dir: resources.temporaryDirectory() });
  // Added before it has started, so that Ctrl-C finds it; what it failed with is told below.
  resources.add(async () => await (await starting.catch(() => null))?.stop());
  return await starting;
}

/** A Redis that syncs every write before it acknowledges it. */
export async function startRedis(resources: Resources): Promise<RedisServer> {
  const redis = await startRedisServer({ dir: resources.temporaryDirectory() });
  resources.add(() => redis.stop());
  return redis;
}

/** The highest term that a node of the cluster knows: each election adds to it. */
export async function termOf(cluster: LocalCluster): Promise<number> {
  const terms = new Map<Member, number>();
  await until("all nodes tell their term", async () => {
    for (const node of cluster.nodes) {
      const report = terms.has(node) ? null : await roleOf(node);
      if (report !== null) terms.set(node, report.term);
    }
    return terms.size === cluster.nodes.length;
  }, { timeoutMs: 60_000 });
  return Math.max(...terms.values());
}
