import type { Random } from "../base/random.ts";
import type { Clock } from "../node/clock.ts";
import type { Network } from "../node/network.ts";
import type { Protocol } from "../resp/encode.ts";
import { parseAddressText } from "./address_text.ts";
import { chooseReader } from "./balancer.ts";
import { Batching } from "./batching.ts";
import type { ProxyLimits } from "./limits.ts";
import { type LinkOptions, NodeLinks } from "./node_links.ts";
import type { ProxyRequest } from "./proxy_request.ts";
import type { NodeView, Topology } from "./topology.ts";
import type { Upstream, UpstreamEvents } from "./upstream.ts";

/** How long a connection may take to open and be greeted. */
const OPENING_MS_MAX = 1_000;
/** How long a leader that was superseded may take to say what became of its last writes. */
const SUPERSEDED_MS_MAX = 250;

/** So many reads are enough for one node, and the next go to another. */
const READS_OF_ONE_NODE = 256;

export interface UpstreamPoolEvents extends UpstreamEvents {
  /** Reads that a silent node was asked; others are to be asked. In the order they were sent. */
  takenBack(requests: readonly ProxyRequest[]): void;
  /** No new requests go there, so nobody should wait for room on it. */
  retired(upstream: Upstream): void;
}

export interface UpstreamPoolOptions {
  readonly topology: Topology;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ProxyLimits;
  readonly events: UpstreamPoolEvents;
}

/** The connections to all nodes: opened where they are needed, given up where nothing comes back. */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #linkOptions: LinkOptions;
  readonly #links = new Map<NodeView, NodeLinks>();
  readonly #dedicated = new Set<Upstream>();
  readonly #protocols = new Set<Protocol>([2]);

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
    const batchings = { 2: readBatching(options.clock), 3: readBatching(options.clock) };
    this.#linkOptions = { ...options, readBatching: (protocol) => batchings[protocol] };
  }

  links(node: NodeView): NodeLinks | undefined {
    return this.#links.get(node);
  }

  /** A client speaks this version: connections for it are opened in good time. */
  expect(protocol: Protocol): void {
    if (this.#protocols.has(protocol)) return;
    this.#protocols.add(protocol);
    this.#open();
  }

  /** The connection to the node that answers a read soonest; `null` when none can. */
  reader(protocol: Protocol, nowMs: number): Upstream | null {
    const leader = this.#leaderLinks();
    const commitIndex = leader?.node.state?.commitIndex ?? 0;
    return chooseReader(this.#links.values(), protocol, leader, commitIndex, nowMs);
  }

  /** The fenced connection to the leader; `null` when there is none yet. */
  writer(protocol: Protocol): Upstream | null {
    const upstream = this.#leaderLinks()?.writers.get(protocol);
    return upstream !== undefined && upstream.isReady && upstream.isAccepting ? upstream : null;
  }

  /** A connection to the leader for one request, which may be sent at once. */
  dedicated(protocol: Protocol, nowMs: number): Upstream | null {
    const links = this.#leaderLinks();
    if (links === null || nowMs < links.pausedUntilMs) return null;
    const upstream = links.openDedicated(protocol);
    this.#dedicated.add(upstream);
    return upstream;
  }

  /** Fits the connections to the topology. */
  update(): void {
    this.#open();
    const all = [...this.#upstreams()].filter(({ isClosed }) => !isClosed);
    for (const upstream of all) upstream.isAccepting = this.#mayAccept(upstream);
    for (const upstream of all) {
      if (!upstream.isAccepting && !upstream.isClosed) this.#retire(upstream);
    }
  }

  tick(nowMs: number, elapsedMs: number): void {
    this.#open();
    for (const upstream of [...this.#upstreams()]) this.#destroyOverdue(upstream, nowMs);
    for (const [node, links] of [...this.#links]) {
      links.tick(elapsedMs);
      if (!this.#isMember(node) && links.upstreams.length === 0) this.#links.delete(node);
    }
  }

  /** The connection has ended. */
  closed(upstream: Upstream, nowMs: number): void {
    upstream.isAccepting = false;
    upstream.links.closed(upstream, nowMs);
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
      if (links === null) continue;
      if (node.isReadable) links.openReaders(this.#protocols, nowMs);
      if (node === topology.leader) {
        links.openWriters(this.#protocols, node.state?.term ?? 0, nowMs);
      }
    }
  }

  #add(node: NodeView): NodeLinks | null {
    const address = parseAddressText(node.address);
    if (address === null) return null;
    const links = new NodeLinks(node, address, this.#linkOptions);
    this.#links.set(node, links);
    return links;
  }

  #isMember(node: NodeView): boolean {
    return this.#options.topology.node(node.address) === node;
  }

  #mayAccept({ links: { node }, fenceTerm, isDedicated, isSpent }: Upstream): boolean {
    if (!this.#isMember(node)) return false;
    if (fenceTerm === null && !isDedicated) return node.isReadable;
    const isLeader = this.#options.topology.leader === node;
    return isLeader && !isSpent && (isDedicated || node.state?.term === fenceTerm);
  }

  /**
   * A connection that takes no new requests: answers still count while they may come. What a silent
   * node was asked to write stays open until another leader is known, because only then is it certain
   * that waiting does not help.
   */
  #retire(upstream: Upstream): void {
    const { links: { node }, fenceTerm } = upstream;
    if (!node.isResponsive) {
      this.#takeReadsBack(upstream);
      if (this.#isSuperseded(upstream)) return upstream.destroy("another leader was elected");
    }
    // Readers outlast an election: the node will serve again.
    const isKept = fenceTerm === null && node.isResponsive && this.#isMember(node);
    const isEmpty = upstream.oldestSentMs === Infinity;
    if (isEmpty && !isKept) upstream.destroy("nothing is under way any more");
    else this.#options.events.retired(upstream);
  }

  /** If there is anyone else to ask. Reads behind a write of their client have to stay. */
  #takeReadsBack(upstream: Upstream): void {
    const { clock, events } = this.#options;
    if (this.reader(upstream.protocol, clock.monotonicMs()) === null) return;
    events.takenBack(upstream.takeBack(({ client }) => client.writesUnderWay === 0));
  }

  #isSuperseded({ fenceTerm }: Upstream): boolean {
    return fenceTerm !== null && this.#options.topology.highestLedTerm > fenceTerm;
  }

  #destroyOverdue(upstream: Upstream, nowMs: number): void {
    const { replyMsMax, holdMsMax } = this.#options.limits;
    if (!upstream.isReady) {
      if (nowMs - upstream.createdMs > OPENING_MS_MAX) upstream.destroy("cannot be opened in time");
      return;
    }
    if (upstream.isDedicated) return;
    const { links: { node }, fenceTerm, oldestSentMs } = upstream;
    const waitedMs = nowMs - oldestSentMs;
    // One that is cut off from the others answers its clients, but not what they asked.
    if (waitedMs > SUPERSEDED_MS_MAX && this.#isSuperseded(upstream)) {
      return upstream.destroy("another leader was elected");
    }
    // A node without a leader holds reads as the proxy would, but for as long as it likes.
    const isHeld = !node.isResponsive || (fenceTerm === null && !node.isReadable);
    if (waitedMs <= (isHeld ? Math.min(holdMsMax, replyMsMax) : replyMsMax)) return;
    upstream.destroy(`sent no answer for ${Math.round(waitedMs)} ms`);
  }
}

function readBatching(clock: Clock): Batching {
  return new Batching(clock, READS_OF_ONE_NODE);
}
