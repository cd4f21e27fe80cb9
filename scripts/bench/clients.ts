import { ALL_TARGETS, alternate, Peers, type Target } from "./peers.ts";
import type { LoadFigures } from "./redis_benchmark.ts";
import { MarkdownTable, median } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const CLIENTS = [1, 4, 16, 50];
const CLIENTS_MAX = Math.max(...CLIENTS);

/** Measures latency with a few clients, each with one request at a time. */
export async function measureClients(
  resources: Resources,
  { rounds, requests }: Settings,
): Promise<void> {
  const peers = await Peers.start(resources, { isReplicated: true });
  console.log(
    "\nThe median latency in ms and, in bold, its ratio to that of one client. Each client sends " +
      "one request at a time.",
  );
  const counts = CLIENTS.map((count) => `${count} ${count === 1 ? "client" : "clients"}`);
  const table = new MarkdownTable("load", "at", ...counts);
  for (const test of ["set", "get"]) {
    const figuresOf: Record<Target, LoadFigures[]>[] = [];
    for (const clients of CLIENTS) {
      const load = { test, pipeline: 1, clients, requests: share(requests, clients) };
      figuresOf.push(await alternate(rounds, ALL_TARGETS, (target) => peers.load(target, load)));
    }
    for (const target of ALL_TARGETS) {
      const latencies = figuresOf.map((figures) =>
        median(figures[target].map(({ medianMs }) => medianMs))
      );
      table.row(test.toUpperCase(), NAMES[target], ...latencies.map(latencyAndRatio));
    }
  }
  await peers.printElections();
}

const NAMES: Readonly<Record<Target, string>> = {
  redis: "Redis",
  replicated: "Redis with two replicas",
  leader: "leader",
  proxy: "proxy",
};

/** The number of requests: fewer for fewer clients, so that each run takes about as long. */
function share(requests: number, clients: number): number {
  return Math.ceil(requests * clients / CLIENTS_MAX);
}

function latencyAndRatio(ms: number, at: number, [one = NaN]: readonly number[]): string {
  return at === 0 ? ms.toFixed(2) : `${ms.toFixed(2)}, **${(ms / one).toFixed(2)}**`;
}
