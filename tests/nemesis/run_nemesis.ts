import { messageOf } from "../../src/base/errors.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { checkHistory } from "../linearizability/check_history.ts";
import { LocalCluster } from "../support/local_cluster.ts";
import { differences, readState } from "./equal_state.ts";
import { History } from "./history.ts";
import { HistoryClient } from "./history_client.ts";
import { LinkFaults } from "./link_faults.ts";
import { Nemesis } from "./nemesis.ts";
import { type FaultKind, planFaults } from "./plan.ts";
import { Processes } from "./processes.ts";
import { Relay } from "./relay.ts";
import { SmallDisk } from "./small_disk.ts";
import { Workload } from "./workload.ts";

export interface RunOptions {
  /** Decides the faults and the requests; not the timing of real processes. */
  readonly seed: number;
  /** How long there are faults. */
  readonly durationMs: number;
  /** @default 3 */
  readonly nodes?: number;
  /** Whether data and logs are kept when all was well, too. @default false */
  readonly keep?: boolean;
  /** Told what happens, line by line. */
  readonly log?: (line: string) => void;
}

export interface RunReport {
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Whether one node had a disk that could be filled. */
  readonly hadSmallDisk: boolean;
  /** The longest time in which no client got an answer; `atMs` from the beginning. */
  readonly longestGap: { readonly atMs: number; readonly forMs: number };
  /** What broke a promise; empty when all was well. */
  readonly violations: readonly string[];
  /** Where data and logs are kept; `null`: nowhere. */
  readonly dir: string | null;
}

const PROXIES = 2;
const CHECK_MS_MAX = 120_000;
/** How long the clients go on when the last fault has ended. */
const CALM_MS = 1_000;

/** Starts a cluster and clients, lets the faults loose, heals everything and judges what was seen. */
export async function runNemesis(options: RunOptions): Promise<RunReport> {
  const { seed, durationMs, nodes = 3, keep = false, log = () => {} } = options;
  const random = seededRandom(seed);
  const dir = Deno.makeTempDirSync({ prefix: "regent-nemesis-" });
  const lines: string[] = [];
  const note = (line: string) => {
    lines.push(line);
    log(line);
  };
  const disk = await SmallDisk.mount(`${dir}/n${nodes}`);
  const links = new LinkFaults();
  const relays: Relay[] = [];
  const raftRelay = (name: string, raftPort: number) => {
    const relay = new Relay(0, name, raftPort, links);
    relays.push(relay);
    return relay.port;
  };
  const cluster = await LocalCluster.start({ nodes, proxies: PROXIES, dir, raftRelay });
  const history = new History(performance.now());
  const processes = new Processes(cluster, (what) => history.violated(what));
  const member = cluster.nodes.at(-1);
  const smallDisk = disk === null || member === undefined ? null : { disk, member };
  const nemesis = new Nemesis({ processes, links, smallDisk, log: note });
  const plan = planFaults({ random, durationMs, nodes, hasSmallDisk: disk !== null });
  const { clients, workloads } = makeClients(cluster, history, random);
  note(`the faults begin at ${new Date().toISOString()}`);
  const running = Promise.all(clients.map((client) => client.run()));
  try {
    await nemesis.run(plan);
  } catch (error) {
    history.violated(`a fault could not be done: ${messageOf(error)}`);
  }
  links.endAll();
  try {
    await cluster.untilServing();
    await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  } catch (error) {
    history.violated(`no service after the faults had ended: ${messageOf(error)}`);
  }
  for (const client of clients) client.stop();
  await running;
  await compareNodes(cluster, history, workloads.flatMap(({ keys }) => keys));
  judge(history);
  processes.over();
  const isKept = keep || history.violations.length > 0;
  if (isKept) keepLogs(dir, processes, [...lines, ...history.violations]);
  await cluster.stop();
  for (const relay of relays) relay.stop();
  if (isKept) await disk?.keepFiles();
  else {
    await disk?.unmount();
    Deno.removeSync(dir, { recursive: true });
  }
  return {
    operations: history.operations.length + history.refused,
    unknown: history.operations.filter(({ outcome }) => outcome.kind === "unknown").length,
    refused: history.refused,
    errors: history.errors,
    faults: nemesis.counts,
    hadSmallDisk: disk !== null,
    longestGap: history.longestGap,
    violations: history.violations,
    dir: isKept ? dir : null,
  };
}

/**
 * Clients at the proxies and at the nodes. Those that pipeline have keys of their own; a reader stays
 * with one node, to catch it when it has been left behind.
 */
function makeClients(cluster: LocalCluster, history: History, random: Random) {
  const nodes = cluster.nodes.map(({ port }) => port);
  const proxies = cluster.proxies.map(({ port }) => port);
  const shared = new Workload(random, "s", 3);
  const workloads = [shared];
  const pipelining = (name: string, ports: readonly number[], patienceMs: number) => {
    const own = new Workload(random, name, 1);
    workloads.push(own);
    return { name, ports, pipeline: 8, patienceMs, next: () => own.next() };
  };
  const kinds = [
    { count: 5, name: "proxied", ports: proxies, patienceMs: 8_000 },
    { count: 2, name: "hasty", ports: proxies, patienceMs: 300 },
    { count: 3, name: "direct", ports: nodes, patienceMs: 1_500 },
  ];
  const plain = kinds.flatMap(({ count, name, ...kind }) =>
    Array.from({ length: count }, (_, at) => ({
      ...{ ...kind, name: `${name}-${at}`, pipeline: 1, next: () => shared.next() },
    }))
  );
  const readers = nodes.map((port, at) => ({
    ...{ name: `reader-${at}`, ports: [port], pipeline: 1, patienceMs: 1_500 },
    next: () => shared.nextRead(),
  }));
  const all = [
    ...[...plain, ...readers, pipelining("piped-0", proxies, 6_000)],
    ...[pipelining("piped-1", proxies, 6_000), pipelining("piped-2", nodes, 1_500)],
  ];
  const clients = all.map((options) => new HistoryClient({ ...options, history, random }));
  return { clients, workloads };
}

/** All nodes must hold the same; what they hold is the last read of each key. */
async function compareNodes(
  cluster: LocalCluster,
  history: History,
  keys: readonly string[],
): Promise<void> {
  try {
    const invokedMs = performance.now();
    const states = await Promise.all(cluster.nodes.map((node) => readState(node, keys)));
    for (const line of differences(states)) history.violated(line);
    const completedMs = performance.now();
    for (const { name, values } of states) {
      for (const [key, reply] of values) {
        const outcome = { kind: "ok", reply } as const;
        history.add({ client: name, key, args: ["GET"], invokedMs, completedMs, outcome });
      }
    }
  } catch (error) {
    history.violated(messageOf(error));
  }
}

function judge(history: History): void {
  const { verdict, key, explanation = [] } = checkHistory(history.operations, {
    timeoutMs: CHECK_MS_MAX,
  });
  if (verdict === "unknown") history.violated(`no verdict on the history of ${key} in time`);
  if (verdict === "not linearizable") history.violated(explanation.join("\n"));
}

function keepLogs(dir: string, processes: Processes, lines: readonly string[]): void {
  const { nodes, proxies } = processes.cluster;
  for (const member of [...nodes, ...proxies]) {
    Deno.writeTextFileSync(`${dir}/${member.name}.log`, processes.saidBy(member));
  }
  Deno.writeTextFileSync(`${dir}/nemesis.log`, `${lines.join("\n")}\n`);
}
