import type { Random } from "../base/random.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address, Network } from "../platform/network.ts";
import type { Protocol } from "../resp/encode.ts";
import type { ProxyLimits } from "./limits.ts";
import { type ProxyRequest, refusalOf } from "./proxy_request.ts";
import type { NodeView } from "./topology.ts";
import { Batching, Upstream, type UpstreamEvents } from "./upstream.ts";

const FIRST_MS = 10;
const LAST_MS = 250;

/** How long to wait before the next attempt: doubling, with jitter so that many do not come at once. */
export class Backoff {
  readonly #random: Random;
  #failures = 0;
  /** Before this time, by the monotonic clock, there should be no attempt. */
  notBeforeMs = -Infinity;

  constructor(random: Random) {
    this.#random = random;
  }

  noteFailure(nowMs: number): void {
    const boundMs = Math.min(LAST_MS, FIRST_MS * 2 ** this.#failures++);
    this.notBeforeMs = nowMs + boundMs * (0.5 + this.#random() / 2);
  }

  noteSuccess(): void {
    this.#failures = 0;
    this.notBeforeMs = -Infinity;
  }
}

/** What happens on the connections to a node. */
export interface NodeLinksEvents {
  /** A connection takes requests now. */
  ready(): void;
  /** Clients' reads may go over a connection now. */
  readable(): void;
  /** The oldest request under way got its answer. */
  answered(upstream: Upstream, request: ProxyRequest, text: string): void;
  /** All answers that had arrived are handed out. */
  settled(upstream: Upstream, nowMs: number): void;
  /** Once. What was under way is to be taken with `takeLost`. */
  closed(upstream: Upstream, reason: string): void;
}

export interface LinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: ProxyLimits;
  readonly events: NodeLinksEvents;
  /** When reads leave that any node can answer. */
  readonly readBatching: (protocol: Protocol) => Batching;
}

/** A node that just refused reads is left alone so long. */
const REFUSAL_PAUSE_MS = 20;
/** After the proxy's own read was refused, the next one waits so long. */
const PROBE_PAUSE_MS = 100;
/** A latency that is older is measured anew before it counts. */
const LATENCY_AGE_MS_MAX = 1_000;
/** The weight of the newest measurement in the latency. */
const LATENCY_WEIGHT = 0.2;
const LATENCY_MS_MIN = 0.05;

/**
 * The proxy's connections to one node, at most two for each version of RESP.
 *
 * Clients' reads go to a node only after it has answered two of the proxy's own, one after the other:
 * the first shows that it has caught up with its leader, the second how long it takes.
 */
export class NodeLinks implements UpstreamEvents {
  readonly node: NodeView;
  readonly address: Address;
  /** Fenced to the node's leadership: writes, and reads that come behind them. */
  readonly writers = new Map<Protocol, Upstream>();
  /** For reads alone. */
  readonly readers = new Map<Protocol, Upstream>();
  /** Before this time, reads go elsewhere: the node refused some. */
  pausedUntilMs = -Infinity;
  /** What the proxy saw last: whether the node answers at all, and whether it can answer reads. */
  #wasResponsive = false;
  #wasReadable = false;
  /** Replaced by others, or fenced to earlier terms; with requests that are still to be answered. */
  readonly #former = new Set<Upstream>();
  readonly #options: LinkOptions;
  readonly #writerBackoff: Backoff;
  readonly #readerBackoff: Backoff;
  #latencyMs = LATENCY_MS_MIN;
  #measuredMs = -Infinity;
  /** It does not fall below that without being measured. */
  #latencyMsFloor = LATENCY_MS_MIN;
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

  /** How long reads have taken of late. */
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

  ready(upstream: Upstream): void {
    if (upstream.fenceTerm === null) this.#readerBackoff.noteSuccess();
    if (this.node.isReadable) this.#probe(upstream, this.#nowMs());
    this.#options.events.ready();
  }

  answered(upstream: Upstream, request: ProxyRequest, text: string): void {
    const refusal = refusalOf(text);
    if (refusal !== null) this.#noteRefusal(upstream, request, refusal);
    else if (!upstream.isProven && upstream.fenceTerm !== null) {
      upstream.isProven = true;
      this.#writerBackoff.noteSuccess();
    }
    this.#options.events.answered(upstream, request, text);
  }

  #noteRefusal(
    upstream: Upstream,
    request: ProxyRequest,
    refusal: "moved" | "down" | "again",
  ): void {
    if (upstream.fenceTerm === null) {
      const nowMs = this.#nowMs();
      this.#pause(nowMs);
      return this.distrust(upstream, nowMs);
    }
    upstream.isSpent = true;
    upstream.isAccepting = false;
    // A leader that could not confirm a read in time may lead on, and execute what stands behind it.
    if (refusal === "moved" || request.isWrite) upstream.isOver = true;
  }

  probed(upstream: Upstream, text: string): void {
    const isReadable = this.#noteProbe(upstream, refusalOf(text) !== null, this.#nowMs());
    if (isReadable) this.#options.events.readable();
  }

  /** Fits the connections to what the node has said by now. */
  follow(nowMs: number): void {
    const { isResponsive, isReadable } = this.node;
    if (isResponsive && !this.#wasResponsive) this.#renew(nowMs);
    if (isReadable !== this.#wasReadable) {
      for (const upstream of this.readers.values()) {
        upstream.isProven = upstream.isConfirmed = false;
        if (isReadable) this.#probe(upstream, nowMs);
      }
    }
    this.#wasResponsive = isResponsive;
    this.#wasReadable = isReadable;
  }

  /**
   * Learns from the answer to the proxy's own read.
   *
   * @returns whether clients' reads can follow that could not before
   */
  #noteProbe(upstream: Upstream, isRefused: boolean, nowMs: number): boolean {
    const { isProven, isConfirmed } = upstream;
    upstream.isConfirmed = !isRefused;
    if (isRefused || !this.node.isReadable) {
      upstream.isProven = false;
      upstream.probeNotBeforeMs = nowMs + PROBE_PAUSE_MS;
      return false;
    }
    if (!isConfirmed) {
      this.#probe(upstream, nowMs);
      return false;
    }
    this.#measured(Math.max(LATENCY_MS_MIN, nowMs - upstream.probedMs), nowMs);
    upstream.isProven = true;
    return !isProven;
  }

  closed(upstream: Upstream, reason: string): void {
    const nowMs = this.#nowMs();
    upstream.isAccepting = false;
    this.#former.delete(upstream);
    const upstreams = this.#among(upstream);
    if (upstreams.get(upstream.protocol) === upstream) {
      upstreams.delete(upstream.protocol);
      this.#backoffOf(upstream).noteFailure(nowMs);
    }
    const isUnanswered = upstream.oldestSentMs !== Infinity;
    if (upstream.isDedicated && isUnanswered) this.#pause(nowMs);
    this.#options.events.closed(upstream, reason);
  }

  /** The node has just refused something that is not bound to its leadership. */
  #pause(nowMs: number): void {
    this.pausedUntilMs = nowMs + REFUSAL_PAUSE_MS;
  }

  settled(upstream: Upstream): void {
    const nowMs = this.#nowMs();
    this.#noteLatency(upstream, nowMs);
    this.#options.events.settled(upstream, nowMs);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  /** Answers have come in: learns from the last how long the node takes for a read. */
  #noteLatency(upstream: Upstream, nowMs: number): void {
    const { answeredSentMs, fenceTerm } = upstream;
    upstream.answeredSentMs = NaN;
    if (fenceTerm !== null || upstream.isDedicated || Number.isNaN(answeredSentMs)) return;
    const latencyMs = Math.max(LATENCY_MS_MIN, nowMs - answeredSentMs);
    const weight = nowMs - this.#measuredMs > LATENCY_AGE_MS_MAX ? 1 : LATENCY_WEIGHT;
    this.#measured(this.#latencyMs + weight * (latencyMs - this.#latencyMs), nowMs);
  }

  #measured(latencyMs: number, nowMs: number): void {
    this.#latencyMs = latencyMs;
    this.#latencyMsFloor = latencyMs / 2;
    this.#measuredMs = nowMs;
  }

  /**
   * Called regularly: asks again what was refused, and measures again what nobody has asked of late,
   * so that a slow node is not avoided for ever. Of nodes that are about as fast, one that was not
   * asked is the next.
   *
   * @param areReadsAsked whether clients read at all
   */
  tick(nowMs: number, elapsedMs: number, areReadsAsked: boolean): void {
    if (nowMs - this.#measuredMs >= elapsedMs) {
      const fallenMs = this.#latencyMs * 0.5 ** (elapsedMs / 1000);
      this.#latencyMs = Math.max(LATENCY_MS_MIN, this.#latencyMsFloor, fallenMs);
    }
    if (!this.node.isReadable) return;
    const isOld = areReadsAsked && nowMs - this.#measuredMs > LATENCY_AGE_MS_MAX;
    for (const upstream of this.readers.values()) {
      if (!upstream.isProven || isOld) this.#probe(upstream, nowMs);
    }
  }

  /** Reads have waited here for too long: others are to be asked until this one answers again. */
  distrust(upstream: Upstream, nowMs: number): void {
    upstream.isProven = upstream.isConfirmed = false;
    this.#probe(upstream, nowMs);
  }

  #probe(upstream: Upstream, nowMs: number): void {
    if (!this.#isReader(upstream) || !upstream.isReady || upstream.isProbing) return;
    if (nowMs >= upstream.probeNotBeforeMs) upstream.probe(nowMs);
  }

  /**
   * The node answers after it was silent. What is under way may be stuck, since the kernel waits longer
   * and longer before it sends again what the network has swallowed: new requests get connections of
   * their own, and the old ones some time to show that they work.
   */
  #renew(nowMs: number): void {
    for (const upstream of this.upstreams) {
      if (!upstream.isReady || upstream.underWay === 0) continue;
      upstream.replacedMs ??= nowMs;
      upstream.isSpent = true;
      const upstreams = this.#among(upstream);
      if (upstreams.get(upstream.protocol) !== upstream) continue;
      upstreams.delete(upstream.protocol);
      this.#former.add(upstream);
      this.#backoffOf(upstream).noteSuccess();
    }
  }

  #among(upstream: Upstream): Map<Protocol, Upstream> {
    return upstream.fenceTerm === null ? this.readers : this.writers;
  }

  #isReader(upstream: Upstream): boolean {
    return this.readers.get(upstream.protocol) === upstream;
  }

  #enterTerm(term: number): void {
    this.#term = term;
    this.#writerBackoff.noteSuccess();
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
    const { network, clock, limits, readBatching } = this.#options;
    const isReader = fenceTerm === null && !isDedicated;
    const { node, address } = this;
    return new Upstream({
      node,
      address,
      protocol,
      fenceTerm,
      isDedicated,
      batching: isReader ? readBatching(protocol) : new Batching(clock),
      network,
      clock,
      limits,
      events: this,
    });
  }

  #backoffOf(upstream: Upstream): Backoff {
    return upstream.fenceTerm === null ? this.#readerBackoff : this.#writerBackoff;
  }
}
