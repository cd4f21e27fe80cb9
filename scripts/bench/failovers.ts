import { ConnectionLost, RespClient } from "../../src/cli/resp_client.ts";
import { ErrorReply } from "../../src/resp/reply.ts";
import type { LocalCluster } from "../../tests/support/local_cluster.ts";
import { until } from "../../tests/support/until.ts";
import { startCluster } from "./peers.ts";
import { median } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

/** Kills the leader several times and measures how long a client of the proxy waits. */
export async function measureFailovers(
  resources: Resources,
  { failovers: count }: Settings,
): Promise<void> {
  const cluster = await startCluster(resources);
  const gaps: number[] = [];
  const errors = new Map<string, number>();
  for (let at = 0; at < count; at++) {
    const failover = await measureFailover(cluster);
    gaps.push(Math.round(failover.gapMs));
    for (const error of failover.errors) errors.set(error, (errors.get(error) ?? 0) + 1);
  }
  if (count === 0) return;
  gaps.sort((a, b) => a - b);
  console.log(
    `\nTime without service through the proxy after kill -9 of the leader, ${count} times:`,
  );
  console.log(`median ${Math.round(median(gaps))} ms, all ${gaps.join(", ")} ms`);
  for (const [error, times] of errors) console.log(`the client received ${times} × ${error}`);
}

interface Failover {
  /** Time from the last acknowledged write before the gap to the first one after it. */
  readonly gapMs: number;
  /** Replies other than `OK`. */
  readonly errors: readonly string[];
}

/** Kills the leader while a client writes through the proxy, and restarts the node. */
async function measureFailover(cluster: LocalCluster): Promise<Failover> {
  const writer = new Writer(
    await RespClient.connect({ host: "127.0.0.1", port: cluster.proxy.port }),
  );
  const writing = writer.run();
  await until("the first writes are acknowledged", () => writer.acknowledged > 100);
  const leader = await cluster.leader();
  const before = writer.acknowledged;
  await leader.process.signal("SIGKILL");
  await until("writes continue", () => writer.acknowledged > before + 200, { timeoutMs: 60_000 });
  writer.stop();
  await writing;
  cluster.restart(leader);
  await cluster.untilServing();
  return { gapMs: writer.longestGapMs, errors: writer.errors };
}

/** Writes one key after the other and records the longest time between two acknowledgements. */
class Writer {
  acknowledged = 0;
  longestGapMs = 0;
  readonly errors: string[] = [];
  readonly #client: RespClient;
  #isStopped = false;

  constructor(client: RespClient) {
    this.#client = client;
  }

  async run(): Promise<void> {
    let lastMs = performance.now();
    while (!this.#isStopped) {
      const reply = await this.#write();
      if (reply !== "OK") {
        this.errors.push(reply);
        continue;
      }
      const nowMs = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
      this.acknowledged++;
    }
    this.#client.close();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #write(): Promise<string> {
    try {
      const reply = await this.#client.request(["SET", `key:${this.acknowledged}`, "v"], 30_000);
      return reply instanceof ErrorReply ? reply.text : "OK";
    } catch (error) {
      if (error instanceof ConnectionLost) return error.message;
      throw error;
    }
  }
}
