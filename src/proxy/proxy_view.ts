import { parseAddress } from "../base/address.ts";
import { type ClusterView, replicationFields } from "../commands/cluster_view.ts";
import type { Clock } from "../platform/clock.ts";
import type { ProcessFacts } from "../platform/process.ts";
import { DoubleReply, MapReply, type Reply } from "../resp/reply.ts";
import { infoText, keyspaceFields, NO_COUNTS, processSections } from "../server/info.ts";
import type { RespListener } from "../server/listener.ts";
import type { HoldStatistics } from "./hold_queue.ts";
import type { Router } from "./router.ts";
import type { NodeState, NodeView, Topology } from "./topology.ts";

/** One node as the proxy sees it. */
export interface NodeStatus {
  /** Empty until the node has reported it. */
  readonly id: string;
  /** `host:port` for clients. */
  readonly address: string;
  readonly role: string;
  readonly term: number;
  readonly isResponsive: boolean;
  readonly isServing: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly keys: number;
  readonly expires: number;
  /** Number of requests that this proxy has sent there and that are not answered. */
  readonly inFlight: number;
  /** Moving average in ms of how long reads take there. */
  readonly latencyMs: number;
}

/** What a proxy knows of the cluster, for `INFO`, `CLUSTER …` and metrics. */
export interface ProxyStatus {
  readonly nodes: readonly NodeStatus[];
  readonly leader: NodeStatus | null;
  /** The highest term in which a leader is known. */
  readonly term: number;
  readonly inFlight: number;
  /** Requests not sent yet, whether held or waiting for their turn. */
  readonly waiting: { readonly requests: number; readonly bytes: number };
  readonly holds: HoldStatistics;
  /** Number of clients whose request has a dedicated connection, `WAIT` mostly. */
  readonly blockedClients: number;
  /** Bound of the state's bytes, as reported at the highest applied index; 0 before any report. */
  readonly memoryBytesMax: number;
}

export function proxyStatus(topology: Topology, router: Router, clock: Clock): ProxyStatus {
  const members = topology.memberAddresses();
  const views = [...topology.nodes]
    .filter((view) => isOfInterest(view, members))
    .sort((a, b) => nameOf(a) < nameOf(b) ? -1 : 1);
  const nodes = views.map((view) => nodeStatus(view, router));
  const leaderAt = topology.leader === null ? -1 : views.indexOf(topology.leader);
  return {
    nodes,
    leader: nodes[leaderAt] ?? null,
    term: topology.highestLedTerm,
    inFlight: nodes.reduce((sum, { inFlight }) => sum + inFlight, 0),
    waiting: { ...router.hold.totals },
    holds: router.hold.statistics(clock.monotonicMs()),
    blockedClients: router.pool.dedicatedCount,
    memoryBytesMax: newestState(topology)?.memoryBytesMax ?? 0,
  };
}

function newestState({ nodes }: Topology): NodeState | null {
  let newest: NodeState | null = null;
  for (const { state } of nodes) {
    if (state !== null && state.appliedIndex >= (newest?.appliedIndex ?? 0)) newest = state;
  }
  return newest;
}

/** Leaves out removed nodes that are still watched, since they are seeds. */
function isOfInterest(
  { state, isResponsive }: NodeView,
  members: ReadonlyMap<string, string>,
): boolean {
  return isResponsive || state === null || members.size === 0 || members.has(state.id);
}

function nameOf(view: NodeView): string {
  return view.state?.id ?? view.address;
}

function nodeStatus(view: NodeView, router: Router): NodeStatus {
  const { state, address, isResponsive } = view;
  const links = router.pool.links(view);
  return {
    id: state?.id ?? "",
    address,
    role: state?.role ?? "unknown",
    term: state?.term ?? 0,
    isResponsive,
    isServing: isResponsive && (state?.isServing ?? false),
    commitIndex: state?.commitIndex ?? 0,
    keys: state?.keys ?? 0,
    expires: state?.expires ?? 0,
    appliedIndex: state?.appliedIndex ?? 0,
    inFlight: links?.requestsInFlight ?? 0,
    latencyMs: links?.latencyMs ?? 0,
  };
}

export interface ProxyInfoSources {
  readonly status: ProxyStatus;
  readonly view: ClusterView;
  readonly facts: ProcessFacts;
  readonly nowMs: number;
  readonly listener: RespListener;
}

type Fields = readonly (readonly [string, string | number])[];

/** `INFO` of a proxy: Redis's sections where they fit, then the proxy's view of the cluster. */
export function proxyInfo(sources: ProxyInfoSources, wanted: readonly string[]): string {
  const { status, view, facts, nowMs, listener } = sources;
  const { blockedClients, memoryBytesMax } = status;
  const counts = { ...NO_COUNTS, blockedClients, maxmemory: memoryBytesMax };
  return infoText([
    ...processSections(facts, listener, nowMs, counts, "standalone"),
    { name: "replication", fields: replicationFields(view) },
    { name: "proxy", fields: proxyFields(status) },
    { name: "nodes", fields: status.nodes.map(nodeField) },
    { name: "keyspace", fields: newestKeyspaceFields(status) },
  ], wanted);
}

/** As last reported by the responsive node with the highest applied index. */
function newestKeyspaceFields({ nodes }: ProxyStatus): Fields {
  const [newest] = nodes.filter(({ isResponsive }) => isResponsive)
    .sort((a, b) => b.appliedIndex - a.appliedIndex);
  return newest === undefined ? [] : keyspaceFields(newest.keys, newest.expires);
}

function proxyFields({ leader, term, inFlight, waiting, holds, nodes }: ProxyStatus): Fields {
  return [
    ["leader_id", leader?.id ?? ""],
    ["leader_address", leader?.address ?? ""],
    ["term", term],
    ["nodes_known", nodes.length],
    ["nodes_answering", nodes.filter(({ isResponsive }) => isResponsive).length],
    ["requests_in_flight", inFlight],
    ["requests_waiting", waiting.requests],
    ["bytes_waiting", waiting.bytes],
    ["requests_held", holds.heldNow],
    ["holds_total", holds.count],
    ["holds_ms_total", Math.round(holds.totalMs)],
    ["holds_ms_longest", Math.round(holds.longestMs)],
    ["holds_refused_total", holds.refused],
  ];
}

function nodeField(node: NodeStatus, number: number): readonly [string, string] {
  const fields: Fields = [
    ["id", node.id],
    ["address", node.address],
    ["role", node.role],
    ["term", node.term],
    ["answers", node.isResponsive ? 1 : 0],
    ["serving", node.isServing ? 1 : 0],
    ["commit_index", node.commitIndex],
    ["applied_index", node.appliedIndex],
    ["in_flight", node.inFlight],
    ["latency_ms", node.latencyMs.toFixed(3)],
  ];
  return [`node${number}`, fields.map(([name, value]) => `${name}=${value}`).join(",")];
}

/**
 * The cluster as clients of this proxy see it: to those of Redis Cluster the proxy is the single
 * master of all slots, without replicas, at the address at which they reached it.
 *
 * @param id 40 hexadecimal digits, as Redis has them
 * @param local `host:port` at which the client reached the proxy
 */
export function proxyClusterView({ leader, term, nodes }: ProxyStatus, id: string, local: string) {
  const address = parseAddress(local) ?? { host: "", port: 0 };
  const self = { id, address, busPort: address.port, isConnected: true, offset: 0, epoch: 0 };
  const view: ClusterView = {
    id,
    term,
    isServing: leader !== null,
    isCatchingUp: false,
    nodes: [self],
    masterId: id,
    isMaster: true,
    masterAddress: address,
    offset: leader?.commitIndex ?? 0,
    members: nodes.filter(({ id }) => id !== "").map(({ id, address }) => [id, address]),
  };
  return view;
}

/** `CLUSTER ROLE`: the nodes behind the proxy. */
export function roleReply({ leader, term, nodes }: ProxyStatus): Reply {
  return new MapReply([
    ["role", "proxy"],
    ["term", term],
    ["leader-id", leader?.id ?? ""],
    ["leader-address", leader?.address ?? ""],
    ["nodes", nodes.map(nodeReply)],
  ]);
}

function nodeReply(node: NodeStatus): Reply {
  return new MapReply([
    ["id", node.id],
    ["address", node.address],
    ["role", node.role],
    ["term", node.term],
    ["responsive", node.isResponsive ? 1 : 0],
    ["in-flight", node.inFlight],
    ["latency-ms", new DoubleReply(Math.round(node.latencyMs * 1000) / 1000)],
    ["commit-index", node.commitIndex],
    ["applied-index", node.appliedIndex],
  ]);
}
