import {
  ask,
  LocalCluster,
  type LocalClusterOptions,
  type Member,
  roleOf,
} from "../../tests/support/local_cluster.ts";
import { type RedisServer, startRedisServer } from "../../tests/support/redis_server.ts";
import { until } from "../../tests/support/until.ts";
import { fill, type FillOptions } from "./load.ts";
import {
  type LoadFigures,
  type LoadOptions,
  LoadRefused,
  redisBenchmark,
} from "./redis_benchmark.ts";
import type { Resources } from "./resources.ts";

export const TARGETS = ["redis", "leader", "proxy"] as const;

/** `TARGETS`, and a Redis primary with two replicas. */
export const ALL_TARGETS = ["redis", "replicated", "leader", "proxy"] as const;

/** The servers to which a load is sent. */
export type Target = typeof ALL_TARGETS[number];

/** A Redis primary, to which clients send requests, and its replicas. */
export interface ReplicatedRedis {
  readonly primary: RedisServer;
  readonly replicas: readonly RedisServer[];
  /** Resolves when the replicas have all writes of the primary. */
  untilCopied(): Promise<void>;
}

const REPLICAS = 2;

const ATTEMPTS = 5;

export interface PeersOptions extends LocalClusterOptions {
  /** Whether there is a target `replicated` as well. @default false */
  readonly isReplicated?: boolean;
}

/**
 * The compared servers: a Redis that syncs every write before it acknowledges it, and a new
 * cluster.
 */
export class Peers {
  readonly #termAtStart: number;
  readonly #refusals: string[] = [];

  private constructor(
    readonly redis: RedisServer,
    readonly replicated: ReplicatedRedis | null,
    readonly cluster: LocalCluster,
    termAtStart: number,
  ) {
    this.#termAtStart = termAtStart;
  }

  static async start(resources: Resources, options: PeersOptions = {}): Promise<Peers> {
    const redis = await startRedis(resources);
    const replicated = options.isReplicated === true ? await startReplicatedRedis(resources) : null;
    const cluster = await startCluster(resources, options);
    return new Peers(redis, replicated, cluster, await termOf(cluster));
  }

  /** The current port of a target: the leader may change. */
  async port(target: Target): Promise<number> {
    if (target === "redis") return this.redis.port;
    if (target === "replicated") return this.replicated?.primary.port ?? NaN;
    return target === "proxy" ? this.cluster.proxy.port : (await this.cluster.leader()).port;
  }

  /** Writes the same keys to Redis and the cluster. */
  async fill(data: Omit<FillOptions, "port">): Promise<void> {
    await fill({ ...data, port: this.redis.port });
    await fill({ ...data, port: this.cluster.proxy.port });
  }

  /** Requests per second; 0 if the load was refused each time. */
  async rate(target: Target, load: Omit<LoadOptions, "port">): Promise<number> {
    try {
      return (await this.load(target, load)).rate;
    } catch (error) {
      if (error instanceof LoadRefused) return 0;
      throw error;
    }
  }

  /** @throws {LoadRefused} if the load was refused each time */
  load(target: Target, load: Omit<LoadOptions, "port">): Promise<LoadFigures> {
    return this.unlessRefused(async () => {
      const figures = await redisBenchmark({ ...load, port: await this.port(target) });
      await this.untilCopied(target);
      return figures;
    });
  }

  /**
   * Waits until replicas have all writes of their primary, so that they do no work while the next
   * target is measured.
   */
  async untilCopied(target: Target): Promise<void> {
    if (target === "replicated") await this.replicated?.untilCopied();
  }

  /**
   * Repeats a measurement when the load is refused because another leader was elected. Tries at
   * most five times.
   */
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

  /**
   * Prints the number of elections since the start. Nothing here should cause one.
   */
  async printElections(): Promise<void> {
    const elections = await termOf(this.cluster) - this.#termAtStart;
    console.log(`\nElections meanwhile: ${elections}. Loads refused: ${this.#refusals.length}.`);
    for (const refusal of new Set(this.#refusals)) console.log(`Refused with: ${refusal}`);
  }
}

/** A cluster of three nodes and a proxy, with default settings. */
export async function startCluster(
  resources: Resources,
  options: LocalClusterOptions = {},
): Promise<LocalCluster> {
  const starting = LocalCluster.start({ ...options, dir: resources.temporaryDirectory() });
  // Added before the start has finished, so that Ctrl-C ends it. A failure is reported below.
  resources.add(async () => await (await starting.catch(() => null))?.stop());
  return await starting;
}

/**
 * A Redis that syncs every write before it acknowledges it.
 *
 * @param primaryPort the port of the primary that it replicates; by default it is a primary itself
 */
export async function startRedis(
  resources: Resources,
  primaryPort?: number,
): Promise<RedisServer> {
  const options = primaryPort === undefined ? {} : { primaryPort };
  const redis = await startRedisServer({ ...options, dir: resources.temporaryDirectory() });
  resources.add(() => redis.stop());
  return redis;
}

/**
 * A Redis primary with two replicas, each of which syncs every write. The primary answers when it
 * has synced a write itself, and waits for no replica.
 */
async function startReplicatedRedis(resources: Resources): Promise<ReplicatedRedis> {
  const primary = await startRedis(resources);
  const replicas: RedisServer[] = [];
  for (let at = 0; at < REPLICAS; at++) replicas.push(await startRedis(resources, primary.port));
  const untilCopied = () =>
    until("the replicas have all writes", async () => {
      const info = String(await ask({ port: primary.port }, ["INFO", "replication"]));
      const [, offset] = /^master_repl_offset:(\d+)/m.exec(info) ?? [];
      return info.split(`state=online,offset=${offset},`).length - 1 === REPLICAS;
    }, { timeoutMs: 30_000 });
  await untilCopied();
  return { primary, replicas, untilCopied };
}

/** The highest term that a node of the cluster knows. Each election increments it. */
export async function termOf(cluster: LocalCluster): Promise<number> {
  const terms = new Map<Member, number>();
  await until("all nodes report their term", async () => {
    for (const node of cluster.nodes) {
      const report = terms.has(node) ? null : await roleOf(node);
      if (report !== null) terms.set(node, report.term);
    }
    return terms.size === cluster.nodes.length;
  }, { timeoutMs: 60_000 });
  return Math.max(...terms.values());
}

/**
 * Measures all targets in turn, round after round, so that the drift of a shared machine affects
 * them alike. A first round, which warms up all code, is not counted.
 */
export async function alternate<K extends string, T>(
  rounds: number,
  targets: readonly K[],
  measure: (target: K) => Promise<T>,
): Promise<Record<K, T[]>> {
  const figures = Object.fromEntries(targets.map((target) => [target, []])) as unknown as Record<
    K,
    T[]
  >;
  for (let round = 0; round <= rounds; round++) {
    for (const target of targets) {
      const figure = await measure(target);
      if (round > 0) figures[target].push(figure);
    }
  }
  return figures;
}
