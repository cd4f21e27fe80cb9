/**
 * Measures Regent beside a Redis that syncs every write, alternating within one run, and how long
 * writes wait when the leader is killed. Prints Markdown. Figures of shared machines drift: only the
 * ratios of one run count.
 *
 * deno task bench [--rounds N] [--requests N] [--failovers N]
 */
import { integer, type Values } from "../src/cli/flags.ts";
import { LocalCluster } from "../tests/support/local_cluster.ts";
import { freePorts } from "../tests/support/free_ports.ts";
import { until } from "../tests/support/until.ts";
import { measureFailover } from "./bench/failover.ts";
import { redisBenchmark } from "./bench/redis_benchmark.ts";
import { runTask } from "./run_task.ts";

const flags = {
  rounds: integer("N", { help: "Runs of each load", fallback: 3, min: 1, max: 100 }),
  requests: integer("N", { help: "Requests of a load", fallback: 100_000, min: 1_000, max: 1e8 }),
  failovers: integer("N", { help: "Leaders killed", fallback: 10, min: 0, max: 1_000 }),
};

const LOADS = [1, 16].flatMap((pipeline) => ["set", "get"].map((test) => ({ test, pipeline })));

async function run({ rounds, requests, failovers }: Values<typeof flags>): Promise<number> {
  const redis = await RedisPeer.start();
  const cluster = await LocalCluster.start();
  try {
    await measureThroughput(cluster, redis.port, rounds, requests);
    await redis.stop();
    await measureFailovers(cluster, failovers);
  } finally {
    await redis.stop();
    await cluster.stop();
  }
  return 0;
}

async function measureThroughput(
  cluster: LocalCluster,
  redisPort: number,
  rounds: number,
  requests: number,
): Promise<void> {
  const leaderPort = (await cluster.leader()).port;
  console.log("| load | Redis, requests/s | leader, ratio | proxy, ratio |\n|---|---|---|---|");
  for (const { test, pipeline } of LOADS) {
    const figures: { redis: number[]; leader: number[]; proxy: number[] } = {
      redis: [],
      leader: [],
      proxy: [],
    };
    const load = { tests: [test], pipeline, requests: pipeline > 1 ? 3 * requests : requests };
    const ports = { redis: redisPort, leader: leaderPort, proxy: cluster.proxy.port };
    for (let round = 0; round < rounds; round++) {
      for (const target of ["redis", "leader", "proxy"] as const) {
        const rates = await redisBenchmark({ ...load, port: ports[target] });
        figures[target].push(rates.get(test) ?? 0);
      }
    }
    const redis = median(figures.redis);
    const ratio = (rates: number[]) => {
      const rate = median(rates);
      return `${thousands(rate)} k, **${(rate / redis).toFixed(2)}**`;
    };
    const name = `${test.toUpperCase()}${pipeline > 1 ? ` -P ${pipeline}` : ""}`;
    const cells = [name, `${thousands(redis)} k`, ratio(figures.leader), ratio(figures.proxy)];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

async function measureFailovers(cluster: LocalCluster, count: number): Promise<void> {
  const gaps: number[] = [];
  const errors = new Map<string, number>();
  for (let at = 0; at < count; at++) {
    const failover = await measureFailover(cluster);
    gaps.push(failover.gapMs);
    for (const error of failover.errors) errors.set(error, (errors.get(error) ?? 0) + 1);
  }
  if (count === 0) return;
  const sorted = gaps.map(Math.round).sort((a, b) => a - b);
  console.log(`\nWithout service after kill -9 of the leader, through the proxy, ${count} times:`);
  console.log(`median ${Math.round(median(gaps))} ms, all ${sorted.join(", ")} ms`);
  for (const [error, times] of errors) console.log(`told the client ${times} times: ${error}`);
}

/** The Redis to compare with: every write synced before it is acknowledged. */
class RedisPeer {
  readonly #dir = Deno.makeTempDirSync();
  readonly #process: Deno.ChildProcess;
  #isStopped = false;

  private constructor(readonly port: number) {
    this.#process = new Deno.Command("redis-server", {
      args: [
        ...["--port", String(port), "--dir", this.#dir, "--save", ""],
        ...["--appendonly", "yes", "--appendfsync", "always"],
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  static async start(): Promise<RedisPeer> {
    const [port] = freePorts(1);
    const peer = new RedisPeer(port ?? 0);
    await until("redis-server listens", async () => {
      try {
        (await Deno.connect({ port: peer.port })).close();
        return true;
      } catch {
        return false;
      }
    });
    return peer;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#process.kill("SIGKILL");
    await this.#process.status;
    Deno.removeSync(this.#dir, { recursive: true });
  }
}

function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

function thousands(rate: number): string {
  return (rate / 1000).toFixed(1);
}

await runTask({
  name: "bench",
  about: "Measures Regent beside a Redis that syncs every write, and how long failovers take.",
  flags,
  run,
});
