import { alternate, Peers, TARGETS } from "./peers.ts";
import { MarkdownTable, median, precise, rateAndRatio, rateName, sizeName } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

/**
 * The larger the values, the fewer the keys and requests, so that each process stores at most 100
 * MB. The larger values overwrite some of the smaller ones.
 */
const SIZES = [
  { valueBytes: 1024, keys: 10_000, share: 0.5 },
  { valueBytes: 100 * 1024, keys: 500, share: 0.02 },
  { valueBytes: 1024 * 1024, keys: 50, share: 0.003 },
];
const CLIENTS = 50;

/** Measures values of several sizes, with 50 clients and without a pipeline. */
export async function measureValues(
  resources: Resources,
  { rounds, requests }: Settings,
): Promise<void> {
  const peers = await Peers.start(resources);
  const table = new MarkdownTable(
    ...["load", "Redis, requests/s", "leader, ratio", "proxy, ratio"],
    ...TARGETS.map((target) => `${target}, MB/s`),
  );
  for (const { valueBytes, keys, share } of SIZES) {
    await peers.fill({ keys, valueBytes });
    for (const test of ["set", "get"]) {
      const load = {
        ...{ test, pipeline: 1, clients: CLIENTS, valueBytes, keys },
        requests: Math.max(2 * CLIENTS, Math.round(requests * share)),
      };
      const rates = await alternate(rounds, TARGETS, (target) => peers.rate(target, load));
      const { redis, leader, proxy } = rates;
      const ratios = [leader, proxy].map((figures) => rateAndRatio(figures, redis));
      const speeds = TARGETS.map((target) => precise(median(rates[target]) * valueBytes / 1e6));
      const name = `${test.toUpperCase()} ${sizeName(valueBytes)}`;
      table.row(name, rateName(median(redis)), ...ratios, ...speeds);
    }
  }
  await peers.printElections();
}
