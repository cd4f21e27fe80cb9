import type { Clock } from "../node/clock.ts";
import type { HoldStatistics } from "./hold_queue.ts";
import type { Router } from "./router.ts";
import type { NodeView, Topology } from "./topology.ts";

/** One node as the proxy sees it. */
export interface NodeStatus {
  /** Empty until the node has said it. */
  readonly id: string;
  /** `host:port` for clients. */
  readonly address: string;
  readonly role: string;
  readonly term: number;
  readonly isResponsive: boolean;
  readonly isServing: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Requests this proxy has sent there and that are not answered. */
  readonly inFlight: number;
  /** How long reads have taken there of late. */
  readonly latencyMs: number;
}

/** All that a proxy knows, for `INFO`, `CLUSTER …` and metrics. */
export interface ProxyStatus {
  readonly nodes: readonly NodeStatus[];
  readonly leader: NodeStatus | null;
  /** The newest term in which a leader is known. */
  readonly term: number;
  readonly inFlight: number;
  /** Requests not sent yet, held or waiting for their turn. */
  readonly waiting: { readonly requests: number; readonly bytes: number };
  readonly holds: HoldStatistics;
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
  };
}

/** The proxy goes on looking at where it began, but a node that was removed is none any more. */
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
    appliedIndex: state?.appliedIndex ?? 0,
    inFlight: links?.underWay ?? 0,
    latencyMs: links?.latencyMs ?? 0,
  };
}
