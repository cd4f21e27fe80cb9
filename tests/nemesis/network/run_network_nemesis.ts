import { messageOf } from "../../../src/base/errors.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { checkHistory } from "../../linearizability/check_history.ts";
import { differences, readState } from "../equal_state.ts";
import { History } from "../history.ts";
import { HistoryClient, type HistoryClientOptions } from "../history_client.ts";
import { SmallDisk } from "../small_disk.ts";
import { Workload } from "../workload.ts";
import { Availability } from "./availability.ts";
import { ClusterOnMachines } from "./cluster_on_machines.ts";
import { Machines } from "./machines.ts";
import { NetworkNemesis, planNetworkFaults } from "./network_nemesis.ts";
import { Standstills } from "./standstills.ts";

export interface NetworkRunOptions {
  /** Decides the faults and the requests, but not the timing of real processes. */
  readonly seed: number;
  /** Duration of the faults. */
  readonly durationMs: number;
  readonly nodes: number;
  /** Amount of data, which is the size of the snapshot that a left-behind node needs. */
  readonly largeMiB: number;
  /** Whether data and logs are kept after a success, too. */
  readonly keep: boolean;
}

type OnEnded = NonNullable<HistoryClientOptions["onEnded"]>;

/** The report in the form in which it is passed between processes. */
export interface NetworkReport {
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  readonly errors: readonly (readonly [string, number])[];
  readonly faults: readonly (readonly [string, number])[];
  readonly snapshots: { readonly taken: number; readonly installed: number };
  /** The longest time from a request at a proxy to its answer. */
  readonly longestAnswerMs: number;
  /** Share of the time in which clients had to be served within the bound, from 0 to 1. */
  readonly shareOwed: number;
  /** Time for which the machine itself was too busy to judge. */
  readonly busyMs: number;
  readonly violations: readonly string[];
  /** The directory of data and logs; `null` if they were removed. */
  readonly dir: string | null;
}

const CLIENTS = "c";
const PROXIES = ["p1", "p2"];
const MIB = 1024 * 1024;
const CHECK_MS_MAX = 120_000;
const CALM_MS = 1_000;
const LEVEL_MS_MAX = 60_000;

/** The defaults of `regent node` and `regent proxy`. */
const ELECTION_MS = 150;
const HOLD_MS = 5_000;
/** Time of silence after which a proxy asks other nodes. */
const SILENCE_MS = 200;
/**
 * Time after which a proxy retries reads elsewhere if a node answers other requests, but not these.
 */
const STUCK_MS = 1_000;

/** An election that fails twice because of split votes, each with the longest timeout. */
const ELECTED_MS = 3 * 2 * ELECTION_MS;
/** Allowance for a shared processor and the kernel. */
const SLACK_MS = 300;
const ANSWER_MS_MAX = 2 * ELECTION_MS + SLACK_MS;
/** TCP retransmits after 200 ms, 400 ms, 800 ms …; several packets in a row may be lost. */
const SLOW_ANSWER_MS_MAX = 4_000;

/**
 * Runs a cluster on machines of its own under network faults, in a network namespace of its own.
 */
export async function runNetworkNemesis(
  options: NetworkRunOptions,
  log: (line: string) => void,
): Promise<NetworkReport> {
  const nodes = Array.from({ length: options.nodes }, (_, at) => `n${at + 1}`);
  const dir = Deno.makeTempDirSync({ prefix: "regent-network-" });
  const lines: string[] = [];
  const note = (line: string) => {
    lines.push(line);
    log(line);
  };
  const machines = await Machines.start(CLIENTS, [...nodes, ...PROXIES]);
  // In memory, if mounting is allowed: slow disks are a fault of the other nemesis.
  const disk = await SmallDisk.mount(dir);
  let isKept = true;
  try {
    const report = await runOn(machines, { ...options, nodes, dir, lines, note });
    isKept = report.dir !== null;
    return report;
  } finally {
    machines.stop();
    if (isKept) await disk?.keepFiles();
    else {
      await disk?.unmount();
      Deno.removeSync(dir, { recursive: true });
    }
  }
}

interface Setting extends Omit<NetworkRunOptions, "nodes"> {
  readonly nodes: readonly string[];
  readonly dir: string;
  /** All notes. */
  readonly lines: readonly string[];
  readonly note: (line: string) => void;
}

async function runOn(machines: Machines, setting: Setting): Promise<NetworkReport> {
  const { nodes, dir } = setting;
  const cluster = new ClusterOnMachines({
    machines,
    nodes,
    proxies: PROXIES,
    dir,
    nodeFlags: ["--snapshot-log-bytes", "1m", "--election-ms", String(ELECTION_MS)],
    proxyFlags: ["--hold-ms-max", String(HOLD_MS)],
  });
  try {
    await cluster.untilStarted();
    return await runFaults(machines, cluster, setting);
  } finally {
    await cluster.stop();
  }
}

async function runFaults(
  machines: Machines,
  cluster: ClusterOnMachines,
  { seed, durationMs, largeMiB, keep, nodes, dir, lines, note }: Setting,
): Promise<NetworkReport> {
  const random = seededRandom(seed + 1); // the plan has its own, since clients draw at random times
  const largeKeys = Array.from({ length: largeMiB }, (_, at) => `large:${at}`);
  await cluster.fill(largeKeys, MIB);
  const history = new History(performance.now());
  const availability = new Availability({
    nodes,
    clients: CLIENTS,
    answerMsMax: ANSWER_MS_MAX,
    slowAnswerMsMax: SLOW_ANSWER_MS_MAX,
  });
  const settle = {
    nodesMs: Math.max(SILENCE_MS + ELECTED_MS, STUCK_MS) + SLACK_MS,
    proxiesMs: SILENCE_MS + STUCK_MS + SLACK_MS,
  };
  const nemesis = new NetworkNemesis({
    ...{ cluster, machines, clients: CLIENTS, availability, settle, log: note },
    ...{ largeKeys, largeBytes: MIB },
    onProcessEnded: (what) => history.violated(what),
  });
  const standstills = new Standstills(
    () => cluster.everybody.map(({ process }) => process.processId),
    {
      stoodStill: (fromMs, toMs) => availability.forgive(fromMs, toMs + SILENCE_MS + ELECTED_MS),
      late: (fromMs, toMs, lateMs) => availability.delayed(fromMs, toMs, lateMs),
    },
  );
  let longestAnswerMs = 0;
  const judged = (client: string, proxy: string): OnEnded =>
  (
    what,
    sentMs,
    endedMs,
    error,
  ) => {
    longestAnswerMs = Math.max(longestAnswerMs, endedMs - sentMs);
    availability.note({ client, proxy, what, sentMs, endedMs, error });
  };
  const { clients, workloads } = makeClients(cluster, history, random, judged);
  const beginMs = performance.now();
  const running = Promise.all(clients.map((client) => client.run()));
  try {
    await nemesis.run(planNetworkFaults(seededRandom(seed)), durationMs);
    await cluster.untilServing(LEVEL_MS_MAX);
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  } catch (error) {
    history.violated(messageOf(error));
  }
  const endMs = performance.now();
  for (const client of clients) client.stop();
  await running;
  standstills.stop();
  const keys = [...workloads.flatMap((workload) => workload.keys), ...largeKeys];
  await compareNodes(cluster, history, keys);
  const { verdict, key, explanation = [] } = checkHistory(history.operations, {
    timeoutMs: CHECK_MS_MAX,
  });
  if (verdict === "unknown") history.violated(`no verdict on the history of ${key} in time`);
  if (verdict === "not linearizable") history.violated(explanation.join("\n"));
  for (const violation of availability.violations()) history.violated(violation);
  nemesis.over();
  const snapshots = {
    taken: cluster.timesSaid(" took a snapshot of entry "),
    installed: cluster.timesSaid(" installs the snapshot of entry "),
  };
  const isKept = keep || history.violations.length > 0;
  if (isKept) {
    for (const member of cluster.everybody) {
      Deno.writeTextFileSync(`${dir}/${member.name}.log`, cluster.saidBy(member));
    }
    Deno.writeTextFileSync(
      `${dir}/nemesis.log`,
      [`begun at ${new Date(performance.timeOrigin).toISOString()}, from which all times count`]
        .concat(lines, history.violations).join("\n"),
    );
  }
  await cluster.stop();
  return {
    operations: history.operations.length + history.refused,
    unknown: history.operations.filter(({ outcome }) => outcome.kind === "unknown").length,
    refused: history.refused,
    errors: [...history.errors],
    faults: [...nemesis.counts],
    snapshots,
    longestAnswerMs,
    shareOwed: availability.shareOwed(PROXIES[0] ?? "", beginMs, endMs),
    busyMs: standstills.sumMs,
    violations: history.violations,
    dir: isKept ? dir : null,
  };
}

/**
 * Clients that stay with their proxy, and are judged by the times of their answers. In addition
 * each node has a reader that hardly rests, and one key is written as often. So a leader that is
 * cut off and answers reads while its successor writes is noticed soon.
 */
function makeClients(
  cluster: ClusterOnMachines,
  history: History,
  random: Random,
  judged: (client: string, proxy: string) => OnEnded,
) {
  const shared = new Workload(random, "s", 1);
  const hot = new Workload(random, "h", 1, ["written"]);
  const workloads = [shared, hot];
  const proxied = cluster.proxies.flatMap((proxy) => {
    const own = new Workload(random, proxy.name, 1);
    workloads.push(own);
    const kinds = [
      { name: `one-${proxy.name}`, pipeline: 1, next: () => shared.next() },
      { name: `two-${proxy.name}`, pipeline: 1, next: () => shared.next() },
      { name: `hot-${proxy.name}`, pipeline: 1, next: () => hot.next(), pauseMsMax: 4 },
      { name: `piped-${proxy.name}`, pipeline: 8, next: () => own.next(), pauseMsMax: 40 },
    ];
    return kinds.map((kind) => ({
      ...{ ...kind, addresses: () => [cluster.addressOf(proxy)], holdMs: HOLD_MS },
      ...{ patienceMs: 8_000, onEnded: judged(kind.name, proxy.name) },
    }));
  });
  const readers = cluster.nodes.map((node) => ({
    ...{ name: `reader-${node.name}`, pipeline: 1, next: () => hot.nextRead(), patienceMs: 500 },
    ...{ addresses: () => [cluster.addressOf(node)], staysPut: true, pauseMsMax: 4 },
  }));
  const clients = [...proxied, ...readers].map((one) =>
    new HistoryClient({ ...one, history, random })
  );
  return { clients, workloads };
}

/** All nodes must hold the same. */
async function compareNodes(
  cluster: ClusterOnMachines,
  history: History,
  keys: readonly string[],
): Promise<void> {
  try {
    const states = await Promise.all(cluster.nodes.map((node) => readState(node, keys)));
    for (const line of differences(states)) history.violated(line.slice(0, 500));
  } catch (error) {
    history.violated(messageOf(error));
  }
}
