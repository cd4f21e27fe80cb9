import type { Member } from "../../tests/support/local_cluster.ts";
import { IdleConnections } from "./idle_connections.ts";
import { alternate, Peers, type Target } from "./peers.ts";
import { residentBytes } from "./processes.ts";
import { MarkdownTable, median, megabytes, rateAndRatio, rateName } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const FEW = 50;
/** Allowance for the connections of proxies and of the measurement itself. */
const OTHER_CLIENTS = 1_000;

/** Measures throughput with many clients compared with 50, and the memory of idle connections. */
export async function measureConnections(resources: Resources, settings: Settings): Promise<void> {
  const clientsMax = Math.max(settings.connections, settings.idleConnections) + OTHER_CLIENTS;
  const flags = ["--clients-max", String(clientsMax)];
  const peers = await Peers.start(resources, { nodeFlags: flags, proxyFlags: flags });
  const few = `${FEW} clients, requests/s`;
  const table = new MarkdownTable("load", "at", few, `${settings.connections} clients, ratio`);
  for (const test of ["set", "get"]) {
    for (const target of ["leader", "proxy"] as const) {
      const rates = await compare(peers, target, test, settings);
      const ratio = rateAndRatio(rates.many, rates.few);
      table.row(test.toUpperCase(), target, rateName(median(rates.few)), ratio);
    }
  }
  await peers.printElections();
  const { cluster } = peers;
  await measureIdle([await cluster.leader(), cluster.proxy], settings.idleConnections);
}

function compare(
  peers: Peers,
  target: Target,
  test: string,
  { rounds, requests, connections }: Settings,
): Promise<Record<"few" | "many", number[]>> {
  const load = { test, pipeline: 1, requests };
  return alternate(rounds, ["few", "many"], (name) => {
    return peers.rate(target, { ...load, clients: name === "few" ? FEW : connections });
  });
}

async function measureIdle(members: readonly Member[], count: number): Promise<void> {
  const table = new MarkdownTable(
    ...["idle clients at", "opened", "held after 5 s", "answered", "RSS before, MB", "after, MB"],
    "KB for each",
  );
  for (const { name, port, process } of members) {
    const before = residentBytes(process.processId);
    const idle = await IdleConnections.open(port, count);
    try {
      const { held, asked, answered } = await idle.ask();
      const after = residentBytes(process.processId);
      const each = ((after - before) / idle.opened / 1000).toFixed(1);
      const opened = `${idle.opened} of ${count}`;
      const answers = `${answered} of ${asked}`;
      table.row(name, opened, held, answers, megabytes(before), megabytes(after), each);
    } finally {
      await idle.close();
    }
  }
}
