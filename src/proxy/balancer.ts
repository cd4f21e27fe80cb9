import type { Protocol } from "../resp/encode.ts";
import type { NodeLinks } from "./node_links.ts";
import type { Upstream } from "./upstream.ts";

/** The leader has writes to do: it gets a read only when it is so much better than a follower. */
const LEADER_FACTOR = 4;
/** Entries behind the leader that count as much as one more request under way. */
const LAG_PER_REQUEST = 1_000;

/**
 * The connection on which other reads are about to leave; else the one to the node that will answer
 * soonest: the least work under way, weighed by how long the node has taken of late. `null` when no
 * node can take reads.
 *
 * @param commitIndex the leader's, as last heard
 */
export function chooseReader(
  candidates: Iterable<NodeLinks>,
  protocol: Protocol,
  leader: NodeLinks | null,
  commitIndex: number,
  nowMs: number,
): Upstream | null {
  let best: Upstream | null = null;
  let bestScore = Infinity;
  let latencyMsMin = Infinity;
  for (const links of candidates) {
    if (links === leader) continue;
    const upstream = readerOf(links, protocol, nowMs);
    if (upstream === null) continue;
    if (upstream.isGathering) return upstream;
    const lag = Math.max(0, commitIndex - (links.node.state?.appliedIndex ?? 0));
    const work = 1 + links.underWay + lag / LAG_PER_REQUEST;
    const score = scoreOf(upstream, work * links.latencyMs);
    latencyMsMin = Math.min(latencyMsMin, links.latencyMs);
    if (score >= bestScore && best !== null) continue;
    best = upstream;
    bestScore = score;
  }
  const atLeader = leader === null ? null : readerOf(leader, protocol, nowMs);
  if (atLeader === null || best === null) return atLeader ?? best;
  if (atLeader.isGathering) return atLeader;
  // Seldom asked to read, it may seem faster than it is.
  const latencyMs = Math.max(atLeader.links.latencyMs, latencyMsMin);
  const score = scoreOf(atLeader, (1 + atLeader.links.underWay) * latencyMs * LEADER_FACTOR);
  return score < bestScore ? atLeader : best;
}

function readerOf(links: NodeLinks, protocol: Protocol, nowMs: number): Upstream | null {
  const upstream = links.readers.get(protocol);
  if (upstream === undefined || !upstream.isReady || !upstream.isAccepting) return null;
  return nowMs < links.pausedUntilMs ? null : upstream;
}

/** A connection without room comes after all that have some. */
function scoreOf(upstream: Upstream, score: number): number {
  return upstream.isFullFor(0) ? Number.MAX_VALUE : score;
}
