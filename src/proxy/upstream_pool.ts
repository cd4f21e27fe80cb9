import type { ClusterSecret } from "../access/peer_proof.ts";
import { parseAddress } from "../base/address.ts";
import { assert } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../platform/clock.ts";
import type { Network } from "../platform/network.ts";
import type { Protocol } from "../resp/encode.ts";
import type { ProxyLimits } from "./limits.ts";
import { type LinkOptions, NodeLinks, type NodeLinksEvents } from "./node_links.ts";
import type { ProxyRequest, RequestOwner } from "./proxy_request.ts";
import type { NodeView, Topology } from "./topology.ts";
import { Batching, type Upstream } from "./upstream.ts";

/** Factor by which the leader's score must beat a follower's, since it also serves the writes. */
const LEADER_FACTOR = 4;
/** Number of entries of lag that weigh as much as one more request in flight. */
const LAG_PER_REQUEST = 1_000;

/**
 * The connection on which a batch of reads is being collected; otherwise the one to the node that
 * is likely to answer soonest, by its requests in flight and the recent latency of its reads.
 * `null` when no node can take reads.
 *
 * @param commitIndex the leader's, as last reported
 */
function chooseReader(
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
    if (upstream.isCollecting) return upstream;
    const lag = Math.max(0, commitIndex - (links.node.state?.appliedIndex ?? 0));
    const work = 1 + links.requestsInFlight + lag / LAG_PER_REQUEST;
    const score = scoreOf(upstream, work * links.latencyMs);
    latencyMsMin = Math.min(latencyMsMin, links.latencyMs);
    if (score >= bestScore && best !== null) continue;
    best = upstream;
    bestScore = score;
  }
  if (leader === null) return best;
  const atLeader = readerOf(leader, protocol, nowMs);
  if (atLeader === null || best === null) return atLeader ?? best;
  if (atLeader.isCollecting) return atLeader;
  // The leader gets few reads, so its measured latency may be too low.
  const latencyMs = Math.max(leader.latencyMs, latencyMsMin);
  const score = scoreOf(atLeader, (1 + leader.requestsInFlight) * latencyMs * LEADER_FACTOR);
  return score < bestScore ? atLeader : best;
}

function readerOf(links: NodeLinks, protocol: Protocol, nowMs: number): Upstream | null {
  const upstream = links.readers.get(protocol);
  if (upstream === undefined || !upstream.isReady || !upstream.isAccepting) return null;
  if (!upstream.isHealthy) return null;
  return nowMs < links.pausedUntilMs ? null : upstream;
}

/** A connection without room is worse than any with room. */
function scoreOf(upstream: Upstream, score: number): number {
  return upstream.isFullFor(0) ? Number.MAX_VALUE : score;
}

/** Time in ms within which a connection must open and answer the greetings. */
const OPENING_MS_MAX = 1_000;
/** Time in ms within which a superseded leader must answer its last writes. */
const SUPERSEDED_MS_MAX = 250;

/**
 * Time in ms for which a replaced connection may stay silent. It gets a second more for each MiB in
 * flight on it: a node that is merely busy with large requests must not get them again, which would
 * keep it busy for longer.
 */
const REPLACED_MS_MAX = 200;
const REPLACED_MS_PER_MIB = 1_000;
/** Time in ms between two ticks above which this process counts as having been stopped. */
const STOOD_STILL_MS = 100;
/** Time in ms for which a node may leave reads unanswered before other nodes are asked. */
const STUCK_MS = 1_000;

/**
 * Number of dedicated connections beyond `--waits-max` for other commands, such as a member change.
 */
const RESERVED_CONNECTIONS = 16;

/** Number of reads that fill a batch. The next reads go to another node. */
const READS_PER_BATCH = 256;

export interface UpstreamPoolEvents extends NodeLinksEvents {
  /** These reads are taken back from a silent node, to be sent to others, in the order given. */
  onTakenBack(requests: readonly ProxyRequest[]): void;
  /** No new requests are sent there, so no client should wait for room on it. */
  onRetired(upstream: Upstream): void;
}

export interface UpstreamPoolOptions {
  readonly topology: Topology;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ProxyLimits;
  readonly events: UpstreamPoolEvents;
  /** By which this process proves itself to nodes. @default none */
  readonly secret?: ClusterSecret | null;
}

/** The connections to all nodes. Opens those that are needed, and closes those that are stuck. */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #linkOptions: LinkOptions;
  readonly #links = new Map<NodeView, NodeLinks>();
  readonly #dedicated = new Set<Upstream>();
  readonly #protocols = new Set<Protocol>([2]);
  /** Whether clients have read since the last tick. */
  #areReadsAsked = false;
  /** Whether this process was stopped, so that it may not have read yet what has arrived. */
  #isLate = false;

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
    const batchings = { 2: readBatching(options.clock), 3: readBatching(options.clock) };
    this.#linkOptions = { ...options, readBatching: (protocol) => batchings[protocol] };
  }

  links(node: NodeView): NodeLinks | undefined {
    return this.#links.get(node);
  }

  /** Opens connections for this version of RESP in advance, since a client uses it. */
  openConnectionsFor(protocol: Protocol): void {
    if (this.#protocols.has(protocol)) return;
    this.#protocols.add(protocol);
    this.#open();
  }

  /** The connection for a read, as `chooseReader` picks it; `null` when no node can take one. */
  reader(protocol: Protocol, nowMs: number): Upstream | null {
    this.#areReadsAsked = true;
    const leader = this.#leaderLinks();
    const commitIndex = leader?.node.state?.commitIndex ?? 0;
    return chooseReader(this.#links.values(), protocol, leader, commitIndex, nowMs);
  }

  /** The fenced connection to the leader; `null` when there is none yet. */
  writer(protocol: Protocol): Upstream | null {
    const upstream = this.#leaderLinks()?.writers.get(protocol);
    return upstream !== undefined && upstream.isReady && upstream.isAccepting ? upstream : null;
  }

  /** Number of connections that carry one request each. */
  get dedicatedCount(): number {
    return this.#dedicated.size;
  }

  /** Whether the number of dedicated connections has reached its bound. */
  isOutOfDedicated(isWait: boolean): boolean {
    const { waitsMax } = this.#options.limits;
    return this.#dedicated.size >= (isWait ? waitsMax : waitsMax + RESERVED_CONNECTIONS);
  }

  /** Opens a connection to the leader for one request, which may be sent at once. */
  dedicated(protocol: Protocol, nowMs: number): Upstream | null {
    const links = this.#leaderLinks();
    if (links === null || nowMs < links.pausedUntilMs) return null;
    const upstream = links.openDedicated(protocol);
    this.#dedicated.add(upstream);
    return upstream;
  }

  /** Adapts the connections to the topology. */
  update(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const links of this.#links.values()) links.follow(nowMs);
    this.#open();
    const all = [...this.#upstreams()].filter(({ isClosed }) => !isClosed);
    for (const upstream of all) upstream.isAccepting = this.#mayAccept(upstream);
    for (const upstream of all) {
      if (!upstream.isAccepting && !upstream.isClosed) this.#retire(upstream);
    }
  }

  tick(nowMs: number, elapsedMs: number): void {
    this.#open();
    this.#isLate = elapsedMs > STOOD_STILL_MS && !this.#isLate;
    for (const upstream of this.#isLate ? [] : [...this.#upstreams()]) {
      this.#destroyOverdue(upstream, nowMs);
      if (upstream.isReady) this.#takeStuckReadsBack(upstream, nowMs);
    }
    const areReadsAsked = this.#areReadsAsked;
    this.#areReadsAsked = false;
    for (const [node, links] of [...this.#links]) {
      links.tick(nowMs, elapsedMs, areReadsAsked);
      if (!this.#isMember(node) && links.upstreams.length === 0) this.#links.delete(node);
    }
  }

  /** The connection has ended. */
  forget(upstream: Upstream): void {
    this.#dedicated.delete(upstream);
  }

  stop(): void {
    for (const upstream of [...this.#upstreams()]) upstream.destroy("the proxy is stopping");
  }

  *#upstreams(): Iterable<Upstream> {
    for (const links of this.#links.values()) yield* links.upstreams;
    yield* this.#dedicated;
  }

  #leaderLinks(): NodeLinks | null {
    const { leader } = this.#options.topology;
    return leader === null ? null : this.#links.get(leader) ?? null;
  }

  #open(): void {
    const { topology, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const node of topology.nodes) {
      const links = this.#links.get(node) ?? this.#add(node);
      if (node.isReadable) links.openReaders(this.#protocols, nowMs);
      if (node === topology.leader) {
        links.openWriters(this.#protocols, node.state?.term ?? 0, nowMs);
      }
    }
  }

  #add(node: NodeView): NodeLinks {
    const address = parseAddress(node.address);
    assert(address !== null, `A node is watched at the invalid address ${node.address}`);
    const links = new NodeLinks(node, address, this.#linkOptions);
    this.#links.set(node, links);
    return links;
  }

  #isMember(node: NodeView): boolean {
    return this.#options.topology.node(node.address) === node;
  }

  #mayAccept({ node, fenceTerm, isDedicated, isDraining }: Upstream): boolean {
    if (!this.#isMember(node) || isDraining) return false;
    if (fenceTerm === null && !isDedicated) return node.isReadable;
    const isLeader = this.#options.topology.leader === node;
    return isLeader && (isDedicated || node.state?.term === fenceTerm);
  }

  /**
   * Decides what becomes of a connection that takes no new requests. Its requests wait for their
   * answers as long as these may come. Writes to a silent node wait until another leader is known,
   * since only then is it certain that waiting does not help.
   */
  #retire(upstream: Upstream): void {
    const { node, fenceTerm, isDraining } = upstream;
    if (!node.isReadable) this.#takeReadsBack(upstream);
    if (!node.isResponsive && this.isSuperseded(upstream)) {
      return upstream.destroy("another leader was elected");
    }
    // Connections for reads are kept during an election: the node will serve again.
    const isKept = fenceTerm === null && !isDraining && node.isResponsive && this.#isMember(node);
    const isEmpty = upstream.oldestSentMs === Infinity;
    if (isEmpty && !isKept) upstream.destroy("nothing is in flight any more");
    else this.#options.events.onRetired(upstream);
  }

  /**
   * Takes reads back from a node if another one can take them. Reads after a write of their client
   * have to stay. A silent node may be working on a read, and a read that keeps a node busy must
   * not be given to one node after the other.
   */
  #takeReadsBack(upstream: Upstream): void {
    const { clock, events } = this.#options;
    const { node } = upstream;
    if (this.reader(upstream.protocol, clock.monotonicMs()) === null) return;
    // A node that reports no leader has not started on its reads.
    const mayBeAtWork = node.isReachable && (!node.isResponsive || node.isReadable);
    const staying = new Set<RequestOwner>();
    for (const request of upstream.requests()) {
      const { client } = request;
      const isKept = mayBeAtWork && (request.isHeavy || !request.mayMove);
      if (client.writesInFlight > 0 || isKept) staying.add(client);
    }
    const taken = upstream.takeBack(({ client }) => !staying.has(client));
    for (const { request, wasWritten } of taken) {
      if (!wasWritten) continue;
      if (!node.isReachable) request.losses++;
      else if (mayBeAtWork) request.silentNodeCount++;
    }
    events.onTakenBack(taken.map(({ request }) => request));
  }

  /**
   * Takes reads back that a responsive node has not answered for long. The node may itself be
   * waiting for an answer.
   */
  #takeStuckReadsBack(upstream: Upstream, nowMs: number): void {
    const { fenceTerm, isDedicated, isHealthy, oldestSentMs } = upstream;
    if (fenceTerm !== null || isDedicated || !isHealthy) return;
    if (nowMs - Math.max(oldestSentMs, upstream.heardMs) <= STUCK_MS) return;
    this.#links.get(upstream.node)?.distrust(upstream, nowMs);
    this.#takeReadsBack(upstream);
  }

  /** Whether it is fenced to a term, and a leader of a later term is known. */
  isSuperseded({ fenceTerm }: Upstream): boolean {
    return fenceTerm !== null && this.#options.topology.highestLedTerm > fenceTerm;
  }

  /** Whether it was replaced, shows no sign of life, and all its requests can be sent again. */
  #isStale(upstream: Upstream, nowMs: number): boolean {
    const { replacedMs, heardMs, node } = upstream;
    if (replacedMs === null || heardMs >= replacedMs || !node.isResponsive) return false;
    const workMs = upstream.bytesInFlight / 2 ** 20 * REPLACED_MS_PER_MIB;
    if (nowMs - replacedMs <= REPLACED_MS_MAX + workMs) return false;
    return ![...upstream.requests()].some(isOnlyOnce);
  }

  #destroyOverdue(upstream: Upstream, nowMs: number): void {
    const { replyMsMax, holdMsMax } = this.#options.limits;
    if (!upstream.isReady) {
      if (nowMs - upstream.createdMs > OPENING_MS_MAX) upstream.destroy("cannot be opened in time");
      return;
    }
    if (upstream.isDedicated) return;
    const { node, fenceTerm, oldestSentMs } = upstream;
    const waitedMs = nowMs - oldestSentMs;
    // A leader that is cut off from the others stays connected, but cannot answer its writes.
    if (waitedMs > SUPERSEDED_MS_MAX && this.isSuperseded(upstream)) {
      return upstream.destroy("another leader was elected");
    }
    if (this.#isStale(upstream, nowMs)) return upstream.destroy("another connection replaced it");
    // A node without a leader holds reads as the proxy does, but without the proxy's time limit.
    const isHeld = fenceTerm === null && node.isResponsive && !node.isReadable;
    const heldMs = isHeld ? waitedMs : node.isResponsive ? 0 : Math.min(waitedMs, node.silentMs);
    if (waitedMs <= replyMsMax && heldMs <= holdMsMax) return;
    upstream.destroy(`sent no answer for ${Math.round(waitedMs)} ms`, true);
  }
}

/** Whether it must not be sent again, since it may be executed each time. */
function isOnlyOnce(request: ProxyRequest): boolean {
  return request.isWrite && !request.isStamped;
}

function readBatching(clock: Clock): Batching {
  return new Batching(clock, READS_PER_BATCH);
}
