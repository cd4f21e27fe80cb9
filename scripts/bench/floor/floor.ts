import { freePorts } from "../../../tests/support/free_ports.ts";
import { until } from "../../../tests/support/until.ts";
import { alternate } from "../alternate.ts";
import { rateAndRatio, rateName } from "../format.ts";
import { MarkdownTable } from "../markdown_table.ts";
import { median } from "../median.ts";
import { Peers } from "../peers.ts";
import { redisBenchmark } from "../redis_benchmark.ts";
import type { Resources } from "../resources.ts";
import type { Settings } from "../settings.ts";

const LOADS = [1, 16].flatMap((pipeline) => ["set", "get"].map((test) => ({ test, pipeline })));

/** What replication costs at least: the leader, beside the simplest program with the same I/O. */
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
      const rates = await redisBenchmark({ ...load, tests: [test], port: leaderPort });
      return rates.get(test) ?? 0;
    });
    const name = `${test.toUpperCase()}${pipeline > 1 ? ` -P ${pipeline}` : ""}`;
    const ratios = [rates.leader, rates.floor].map((one) => rateAndRatio(one, rates.redis));
    table.row(name, rateName(median(rates.redis)), ...ratios);
  }
}

async function start(resources: Resources, ...[role, port, others]: [string, number, string?]) {
  const path = new URL("floor_process.ts", import.meta.url).pathname;
  const dir = resources.temporaryDirectory();
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-all", path, role, String(port), dir],
      ...(others === undefined ? [] : [others]),
    ],
    stdin: "piped",
    stderr: "null",
  }).spawn();
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
