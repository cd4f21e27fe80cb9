import { type Member, roleOf } from "../../tests/support/local_cluster.ts";
import { ALL_TARGETS, alternate, Peers, type Target } from "./peers.ts";
import { type ProcessorTime, processorTimeDuring } from "./processes.ts";
import { redisBenchmark } from "./redis_benchmark.ts";
import { MarkdownTable, median, rateAndRatio, rateName } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const LOADS = [1, 16].flatMap((pipeline) => ["set", "get"].map((test) => ({ test, pipeline })));
const ROLES = ["redis", "replica", "leader", "follower", "proxy"] as const;

type Load = typeof LOADS[number];
type Role = typeof ROLES[number];

/** One run of a load. */
interface Run {
  readonly rate: number;
  readonly requests: number;
  readonly entries: number;
  readonly processorTime: Readonly<Record<Role, ProcessorTime>>;
}

/** Measures the throughput of small requests from 50 clients, and their processor time. */
export async function measureThroughput(resources: Resources, settings: Settings): Promise<void> {
  const peers = await Peers.start(resources, { isReplicated: true });
  const runsOf = new Map<Load, Record<Target, Run[]>>();
  const table = new MarkdownTable(
    ...["load", "Redis, requests/s", "with two replicas, ratio", "leader, ratio", "proxy, ratio"],
  );
  for (const load of LOADS) {
    const runs = await alternate(
      settings.rounds,
      ALL_TARGETS,
      (target) => peers.unlessRefused(() => measure(peers, target, load, settings.requests)),
    );
    runsOf.set(load, runs);
    const [redis = [], ...others] = ALL_TARGETS.map((target) => runs[target].map(rateOf));
    const ratios = others.map((rates) => rateAndRatio(rates, redis));
    table.row(nameOf(load), rateName(median(redis)), ...ratios);
  }
  printProcessorTime(runsOf);
  await peers.printElections();
}

async function measure(peers: Peers, target: Target, load: Load, count: number): Promise<Run> {
  const { test, pipeline } = load;
  const requests = pipeline > 1 ? 3 * count : count;
  const leader = await peers.cluster.leader();
  const followers = peers.cluster.nodes.filter((node) => node !== leader);
  const primary = target === "replicated" ? peers.replicated?.primary : peers.redis;
  const replicas = peers.replicated?.replicas ?? [];
  const pids = {
    redis: [primary?.processId ?? 0],
    replica: replicas.map(({ processId }) => processId),
    leader: [leader.process.processId],
    follower: followers.map(({ process }) => process.processId),
    proxy: [peers.cluster.proxy.process.processId],
  };
  const entriesBefore = await commitIndexOf(leader);
  const port = await peers.port(target);
  let rate = 0;
  const processorTime = await processorTimeDuring(pids, async () => {
    rate = (await redisBenchmark({ port, test, pipeline, requests })).rate;
    await peers.untilCopied(target);
  });
  const entries = await commitIndexOf(leader) - entriesBefore;
  return { rate, requests, entries, processorTime };
}

async function commitIndexOf(node: Member): Promise<number> {
  return (await roleOf(node))?.commitIndex ?? NaN;
}

/** The processes whose processor time counts for a load on a target. */
const ROLES_AT: Readonly<Record<Target, readonly Role[]>> = {
  redis: ["redis"],
  replicated: ["redis", "replica"],
  leader: ["leader", "follower"],
  proxy: ["leader", "follower", "proxy"],
};

function printProcessorTime(runsOf: ReadonlyMap<Load, Record<Target, Run[]>>): void {
  console.log("\nProcessor time for each request, in µs per process: user + system.");
  const table = new MarkdownTable("load", "at", ...ROLES, "requests/log entry");
  for (const [load, runs] of runsOf) {
    for (const target of ALL_TARGETS) {
      const cells = ROLES.map((role) =>
        ROLES_AT[target].includes(role) ? timeText(runs[target], role) : "–"
      );
      const perEntry = median(runs[target].map(({ requests, entries }) => requests / entries));
      const isLogged = load.test === "set" && ROLES_AT[target].includes("leader");
      table.row(nameOf(load), target, ...cells, isLogged ? perEntry.toFixed(1) : "–");
    }
  }
}

function timeText(runs: readonly Run[], role: Role): string {
  const each = (us: (time: ProcessorTime) => number) =>
    median(runs.map(({ processorTime, requests }) => us(processorTime[role]) / requests))
      .toFixed(1);
  return `${each(({ userUs }) => userUs)} + ${each(({ systemUs }) => systemUs)}`;
}

function rateOf({ rate }: Run): number {
  return rate;
}

function nameOf({ test, pipeline }: Load): string {
  return `${test.toUpperCase()}${pipeline > 1 ? ` -P ${pipeline}` : ""}`;
}
