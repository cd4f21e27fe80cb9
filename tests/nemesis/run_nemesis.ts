import { messageOf } from "../../src/base/errors.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { checkHistory } from "../linearizability/check_history.ts";
import { LocalCluster, type Member } from "../support/local_cluster.ts";
import { differences, readState } from "./equal_state.ts";
import { History } from "./history.ts";
import { HistoryClient, type HistoryClientOptions } from "./history_client.ts";
import { LinkFaults } from "./link_faults.ts";
import { MemberChanges } from "./member_changes.ts";
import { Nemesis } from "./nemesis.ts";
import { type FaultKind, planFaults } from "./plan.ts";
import { Processes } from "./processes.ts";
import { Relay } from "./relay.ts";
import { SmallDisk } from "./small_disk.ts";
import { Workload } from "./workload.ts";

export interface RunOptions {
  /** Decides the faults and the requests, but not the timing of real processes. */
  readonly seed: number;
  /** Duration of the faults. */
  readonly durationMs: number;
  /** @default 3 */
  readonly nodes?: number;
  /** Whether data and logs are kept after a success, too. @default false */
  readonly keep?: boolean;
  /** Called for each event, with one line. */
  readonly log?: (line: string) => void;
}

export interface RunReport {
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly changes: MemberChanges["counts"];
  /** Totals of all nodes. */
  readonly snapshots: { readonly taken: number; readonly installed: number };
  /** Whether one node had a disk that could be filled. */
  readonly hadSmallDisk: boolean;
  /** The longest time without an answer to any client; `atMs` counts from the beginning. */
  readonly longestGap: { readonly atMs: number; readonly forMs: number };
  /** The broken promises. */
  readonly violations: readonly string[];
  /** The directory of data and logs; `null` if they were removed. */
  readonly dir: string | null;
}

const PROXIES = 2;
/** How long a proxy holds a request. */
const HOLD_MS = 5_000;
/** Logs are so small that nodes take snapshots all the time. */
const NODE_FLAGS = ["--snapshot-log-bytes", "1m", "--allow-faults"];
const CHECK_MS_MAX = 120_000;
/** Time in milliseconds for which clients continue after the last fault. */
const CALM_MS = 1_000;

type Where = "addresses" | "holdMs" | "patienceMs";

/** Starts a cluster and clients, injects the faults, heals everything and judges the history. */
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
  const nodeFlags = NODE_FLAGS;
  const proxyFlags = ["--hold-ms-max", String(HOLD_MS)];
  const shape = { nodes, nodeFlags, proxies: PROXIES, proxyFlags };
  const cluster = await LocalCluster.start({ ...shape, dir, raftRelay });
  const history = new History(performance.now());
  const processes = new Processes(cluster, (what) => history.violated(what));
  const member = cluster.nodes.at(-1);
  const smallDisk = disk === null || member === undefined ? null : { disk, member };
  const changes = new MemberChanges(processes, NODE_FLAGS);
  const nemesis = new Nemesis({ processes, links, changes, smallDisk, log: note });
  const plan = planFaults({ random, durationMs, hasSmallDisk: disk !== null });
  const { clients, workloads } = makeClients(cluster, history, random);
  note(`the faults begin at ${new Date().toISOString()}`);
  const running = Promise.all(clients.map((client) => client.run()));
  try {
    await nemesis.run(plan);
  } catch (error) {
    history.violated(`a fault failed: ${messageOf(error)}`);
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
    changes: changes.counts,
    snapshots: {
      taken: processes.timesSaid(" took a snapshot of entry "),
      installed: processes.timesSaid(" installs the snapshot of entry "),
    },
    hadSmallDisk: disk !== null,
    longestGap: history.longestGap,
    violations: history.violations,
    dir: isKept ? dir : null,
  };
}

/**
 * Clients of the proxies and of the nodes. Those that pipeline have keys of their own. A reader
 * stays with one node as long as it is a member, to notice when it has been left behind.
 */
function makeClients(cluster: LocalCluster, history: History, random: Random) {
  const local = ({ port }: Member) => ({ host: "127.0.0.1", port });
  const nodes = () => cluster.nodes.map(local);
  const proxies = () => cluster.proxies.map(local);
  const shared = new Workload(random, "s", 3);
  const workloads = [shared];
  const pipelining = (name: string, kind: Pick<HistoryClientOptions, Where>) => {
    const own = new Workload(random, name, 1);
    workloads.push(own);
    return { name, pipeline: 8, next: () => own.next(), ...kind };
  };
  const proxied = { addresses: proxies, holdMs: HOLD_MS };
  const kinds = [
    { count: 5, name: "proxied", ...proxied, patienceMs: 8_000 },
    { count: 2, name: "hasty", ...proxied, patienceMs: 300 },
    { count: 3, name: "direct", addresses: nodes, patienceMs: 1_500 },
  ];
  const plain = kinds.flatMap(({ count, name, ...kind }) =>
    Array.from({ length: count }, (_, at) => ({
      ...{ ...kind, name: `${name}-${at}`, pipeline: 1, next: () => shared.next() },
    }))
  );
  const readers = cluster.nodes.map((_, at) => ({
    ...{ name: `reader-${at}`, pipeline: 1, patienceMs: 1_500 },
    addresses: () => nodes().slice(at).slice(0, 1),
    next: () => shared.nextRead(),
  }));
  const all = [
    ...[...plain, ...readers, pipelining("piped-0", { ...proxied, patienceMs: 6_000 })],
    pipelining("piped-1", { ...proxied, patienceMs: 6_000 }),
    pipelining("piped-2", { addresses: nodes, patienceMs: 1_500 }),
  ];
  const clients = all.map((options) => new HistoryClient({ ...options, history, random }));
  return { clients, workloads };
}

/** Checks that all nodes hold the same. Their content is the last read of each key. */
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
  for (const member of processes.everybody) {
    Deno.writeTextFileSync(`${dir}/${member.name}.log`, processes.saidBy(member));
  }
  Deno.writeTextFileSync(`${dir}/nemesis.log`, `${lines.join("\n")}\n`);
}
