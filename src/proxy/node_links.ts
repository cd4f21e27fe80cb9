import type { Random } from "../base/random.ts";
import type { Clock } from "../node/clock.ts";
import type { Address, Network } from "../node/network.ts";
import type { Protocol } from "../resp/encode.ts";
import { Batching } from "./batching.ts";
import { Backoff } from "./backoff.ts";
import type { ProxyLimits } from "./limits.ts";
import type { NodeView } from "./topology.ts";
import { Upstream, type UpstreamEvents } from "./upstream.ts";

export interface LinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ProxyLimits;
  readonly events: UpstreamEvents;
  /** When reads leave that any node can answer. */
  readonly readBatching: (protocol: Protocol) => Batching;
}

/** A node that just refused reads is left alone so long. */
const REFUSAL_PAUSE_MS = 20;
/** The weight of the newest measurement in the latency. */
const LATENCY_WEIGHT = 0.2;
const LATENCY_MS_MIN = 0.05;

/** The proxy's connections to one node, at most two for each version of RESP. */
export class NodeLinks {
  readonly node: NodeView;
  readonly address: Address;
  /** Fenced to the node's leadership: writes, and reads that come behind them. */
  readonly writers = new Map<Protocol, Upstream>();
  /** For reads alone. */
  readonly readers = new Map<Protocol, Upstream>();
  /** Before this time, reads go elsewhere: the node refused some. */
  pausedUntilMs = -Infinity;
  /** Fenced to earlier terms, with requests that are still to be answered. */
  readonly #former = new Set<Upstream>();
  readonly #options: LinkOptions;
  readonly #writerBackoff: Backoff;
  readonly #readerBackoff: Backoff;
  #latencyMs = LATENCY_MS_MIN;
  #isLatencyFresh = false;
  #wasMeasured = false;
  #term = -1;

  constructor(node: NodeView, address: Address, options: LinkOptions) {
    this.node = node;
    this.address = address;
    this.#options = options;
    this.#writerBackoff = new Backoff(options.random);
    this.#readerBackoff = new Backoff(options.random);
  }

  get upstreams(): Upstream[] {
    return [...this.writers.values(), ...this.#former, ...this.readers.values()];
  }

  /** Requests sent to this node and not answered yet. */
  get underWay(): number {
    let count = 0;
    for (const upstream of this.writers.values()) count += upstream.underWay;
    for (const upstream of this.readers.values()) count += upstream.underWay;
    return count;
  }

  /** How long reads have taken of late; falls while nobody asks, so that a slow node is tried again. */
  get latencyMs(): number {
    return this.#latencyMs;
  }

  openReaders(protocols: Iterable<Protocol>, nowMs: number): void {
    this.#open(this.readers, protocols, null, this.#readerBackoff, nowMs);
  }

  /** @param term the one in which the node leads */
  openWriters(protocols: Iterable<Protocol>, term: number, nowMs: number): void {
    if (term !== this.#term) this.#enterTerm(term);
    this.#open(this.writers, protocols, term, this.#writerBackoff, nowMs);
  }

  /** A connection of its own, for one request that may take long. The caller destroys it. */
  openDedicated(protocol: Protocol): Upstream {
    return this.#upstream(protocol, null, true);
  }

  opened(upstream: Upstream): void {
    this.#backoffOf(upstream).succeeded();
  }

  closed(upstream: Upstream, nowMs: number): void {
    this.#former.delete(upstream);
    const upstreams = upstream.fenceTerm === null ? this.readers : this.writers;
    if (upstreams.get(upstream.protocol) !== upstream) return;
    upstreams.delete(upstream.protocol);
    this.#backoffOf(upstream).failed(nowMs);
  }

  /** The node has just refused something that is not bound to its leadership. */
  pause(nowMs: number): void {
    this.pausedUntilMs = nowMs + REFUSAL_PAUSE_MS;
  }

  /** Answers have come in: learns from the last how long the node takes for a read. */
  settled(upstream: Upstream, nowMs: number): void {
    const { answeredSentMs, fenceTerm } = upstream;
    upstream.answeredSentMs = NaN;
    if (fenceTerm !== null || upstream.isDedicated || Number.isNaN(answeredSentMs)) return;
    const latencyMs = Math.max(LATENCY_MS_MIN, nowMs - answeredSentMs);
    const weight = this.#isLatencyFresh ? LATENCY_WEIGHT : 1;
    this.#latencyMs += weight * (latencyMs - this.#latencyMs);
    this.#isLatencyFresh = true;
    this.#wasMeasured = true;
  }

  /** Called regularly; halves the latency in about a second without measurements. */
  tick(elapsedMs: number): void {
    if (!this.#wasMeasured) {
      this.#latencyMs = Math.max(LATENCY_MS_MIN, this.#latencyMs * 0.5 ** (elapsedMs / 1000));
      this.#isLatencyFresh = false;
    }
    this.#wasMeasured = false;
  }

  #enterTerm(term: number): void {
    this.#term = term;
    this.#writerBackoff.succeeded();
    for (const upstream of this.writers.values()) this.#former.add(upstream);
    this.writers.clear();
  }

  #open(
    upstreams: Map<Protocol, Upstream>,
    protocols: Iterable<Protocol>,
    fenceTerm: number | null,
    backoff: Backoff,
    nowMs: number,
  ): void {
    if (nowMs < backoff.notBeforeMs) return;
    for (const protocol of protocols) {
      if (upstreams.has(protocol)) continue;
      upstreams.set(protocol, this.#upstream(protocol, fenceTerm, false));
    }
  }

  #upstream(protocol: Protocol, fenceTerm: number | null, isDedicated: boolean): Upstream {
    const { network, clock, limits, events, readBatching } = this.#options;
    const isReader = fenceTerm === null && !isDedicated;
    const { address } = this;
    return new Upstream({
      links: this,
      address,
      protocol,
      fenceTerm,
      isDedicated,
      batching: isReader ? readBatching(protocol) : new Batching(clock),
      network,
      clock,
      limits,
      events,
    });
  }

  #backoffOf(upstream: Upstream): Backoff {
    return upstream.fenceTerm === null ? this.#readerBackoff : this.#writerBackoff;
  }
}
