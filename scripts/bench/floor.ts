import { freePorts } from "../../tests/support/free_ports.ts";
import { until } from "../../tests/support/until.ts";
import { alternate, Peers } from "./peers.ts";
import { spawnScript } from "./processes.ts";
import { redisBenchmark } from "./redis_benchmark.ts";
import { MarkdownTable, median, rateAndRatio, rateName } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const LOADS = [1, 16].flatMap((pipeline) => ["set", "get"].map((test) => ({ test, pipeline })));

/**
 * Measures the minimum cost of replication. It compares the leader with the simplest program that
 * does the same I/O.
 */
export async function measureFloor(resources: Resources, settings: Settings): Promise<void> {
  const peers = await Peers.start(resources);
  const [leaderPort = 0, ...followerPorts] = freePorts(3);
  for (const port of followerPorts) await start(resources, "follower", port);
  await start(resources, "leader", leaderPort, followerPorts.join());
  const table = new MarkdownTable("load", "Redis, requests/s", "leader, ratio", "floor, ratio");
  for (const { test, pipeline } of LOADS) {
    const requests = pipeline > 1 ? 3 * settings.requests : settings.requests;
    const load = { test, pipeline, requests };
    const rates = await alternate(settings.rounds, ["redis", "leader", "floor"], async (target) => {
      if (target !== "floor") return await peers.rate(target, load);
      return (await redisBenchmark({ ...load, port: leaderPort })).rate;
    });
    const name = `${test.toUpperCase()}${pipeline > 1 ? ` -P ${pipeline}` : ""}`;
    const ratios = [rates.leader, rates.floor].map((one) => rateAndRatio(one, rates.redis));
    table.row(name, rateName(median(rates.redis)), ...ratios);
  }
}

async function start(resources: Resources, ...[role, port, others]: [string, number, string?]) {
  const dir = resources.temporaryDirectory();
  const args = [role, String(port), dir, ...(others === undefined ? [] : [others])];
  const process = spawnScript("floor_process.ts", args, { stdout: "inherit", stderr: "null" });
  resources.add(async () => {
    process.kill("SIGKILL");
    await process.status;
  });
  await until(`the floor's ${role} listens`, async () => {
    try {
      (await Deno.connect({ port })).close();
      return true;
    } catch {
      return false;
    }
  });
}
