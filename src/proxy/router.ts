import type { ClusterSecret } from "../access/peer_proof.ts";
import { type ByteString, textOf } from "../base/byte_string.ts";
import type { Logger } from "../base/logger.ts";
import { LinkedList } from "../base/queues.ts";
import type { Random } from "../base/random.ts";
import type { Command } from "../commands/command.ts";
import { checkRequest } from "../commands/table.ts";
import type { Clock } from "../platform/clock.ts";
import type { Network } from "../platform/network.ts";
import type { Protocol } from "../resp/encode.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { ClientQueue } from "./client_queue.ts";
import { HoldQueue } from "./hold_queue.ts";
import type { ProxyLimits } from "./limits.ts";
import {
  doubtOf,
  type EncodedReplySink,
  holdIsFull,
  ProxyRequest,
  type RequestOwner,
  tooManyWaits,
} from "./proxy_request.ts";
import type { Topology } from "./topology.ts";
import type { Upstream } from "./upstream.ts";
import { UpstreamPool, type UpstreamPoolEvents } from "./upstream_pool.ts";
import { type SessionLink, WriteSessions } from "./write_sessions.ts";

/** Maximum number of requests that a client sends in a row while others wait for a connection. */
const BURST = 64;

export interface RouterOptions {
  readonly topology: Topology;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: ProxyLimits;
  /** By which this process proves itself to nodes. @default none */
  readonly secret?: ClusterSecret | null;
}

/**
 * Decides where each request goes, and when. Writes go to the leader, over connections fenced to
 * its term, and are stamped, so that they can be sent again. Reads go to the node that answers
 * soonest. A client's requests in flight are all on one connection. A request that no node can take
 * is held, and tried again whenever something changes.
 */
export class Router implements UpstreamPoolEvents, SessionLink {
  readonly hold: HoldQueue;
  readonly pool: UpstreamPool;
  readonly #room = new RoomQueue();
  readonly #options: RouterOptions;
  readonly #sessions: WriteSessions;
  /** The client for requests of the proxy itself. */
  readonly #own: ClientQueue;
  #leaderlessSinceMs: number;
  #isStopped = false;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.hold = new HoldQueue(options.limits);
    this.pool = new UpstreamPool({ ...options, events: this });
    this.#own = this.openClient();
    this.#sessions = new WriteSessions({
      link: this,
      logger: options.logger,
      opened: () => this.#retryHeld(),
    });
    this.#leaderlessSinceMs = options.clock.monotonicMs();
  }

  openClient(): ClientQueue {
    return new ClientQueue(this.hold.totals, this.#proceed);
  }

  closeClient(client: ClientQueue): void {
    client.close();
    if (client.upstream?.isDedicated) client.upstream.destroy("the client is gone");
  }

  /** Opens connections for this version of RESP in advance, since a client uses it. */
  openConnectionsFor(protocol: Protocol): void {
    this.pool.openConnectionsFor(protocol);
  }

  /**
   * Accepts a read, a write or a `WAIT`. The sink gets the answer, perhaps before this returns.
   *
   * @param nowMs when the request was read, or when the pause that held it ended, so that the clock
   *   is not read for each request
   */
  submit(
    client: ClientQueue,
    command: Command,
    text: RequestText,
    sink: EncodedReplySink,
    nowMs: number,
  ): void {
    const request = new ProxyRequest(client, command, text, sink, nowMs);
    this.openConnectionsFor(request.protocol);
    const limit = this.hold.limitFor(request.bytes);
    if (limit !== null && !this.#couldSend(client, request, nowMs)) {
      this.hold.countRefusal();
      return request.settle(holdIsFull(limit, this.#isLeaderKnown));
    }
    client.add(request);
    this.#sendWaiting(client, nowMs);
  }

  /** To be called when nodes have come, gone, or changed their roles. */
  topologyChanged(): void {
    if (this.#isStopped) return;
    const nowMs = this.#nowMs();
    this.#leaderlessSinceMs = this.#isLeaderKnown
      ? Infinity
      : Math.min(this.#leaderlessSinceMs, nowMs);
    this.pool.update();
    this.#sessions.maintain(nowMs);
    this.#retryHeld();
  }

  /** To be called about every 20 ms. @param elapsedMs since the last call */
  tick(elapsedMs: number): void {
    const nowMs = this.#nowMs();
    this.pool.tick(nowMs, elapsedMs);
    this.#sessions.maintain(nowMs);
    this.hold.expire(nowMs, this.#leaderlessSinceMs);
    this.#retryHeld();
  }

  stop(): void {
    this.#isStopped = true;
    this.pool.stop();
  }

  // `SessionLink`: what the write sessions ask for.

  get isOpen(): boolean {
    return !this.#isStopped && this.pool.writer(2) !== null;
  }

  ask(args: readonly string[], answered: (text: string) => void): void {
    const command = checkRequest(args);
    const sink: EncodedReplySink = { protocol: 2, settleEncoded: answered };
    this.submit(this.#own, command, RequestText.of(args), sink, this.#nowMs());
  }

  /** Makes a read of the proxy's own. `answered` gets the reply as it came over the wire, once. */
  read(args: readonly string[], answered: (text: string) => void): void {
    const client = this.openClient();
    const settleEncoded = (text: string, rest: readonly ByteString[] = []) => {
      this.closeClient(client);
      answered(text + rest.map(textOf).join(""));
    };
    const sink: EncodedReplySink = { protocol: 2, settleEncoded };
    this.submit(client, checkRequest(args), RequestText.of(args), sink, this.#nowMs());
  }

  // `UpstreamPoolEvents`: what happens on the connections.

  onLinkReady(): void {
    if (this.#isStopped) return;
    this.pool.update();
    this.#sessions.maintain(this.#nowMs());
    this.#retryHeld();
  }

  onLinkAnswer(upstream: Upstream, request: ProxyRequest, text: string): void {
    if (request.isStamped && doubtOf(text) !== null) this.#noteDoubt(upstream, request, text);
    request.client.takeAnswer(request, text);
    if (upstream.isDedicated) upstream.destroy("its request is answered");
  }

  onReadable(): void {
    this.pool.update();
    this.#retryHeld();
  }

  onLinkDelivered(upstream: Upstream, nowMs: number): void {
    let client = this.#room.first(upstream);
    for (; client !== null; client = this.#room.first(upstream)) {
      const request = client.first;
      if (request !== null && upstream.isAccepting && upstream.isFullFor(request.bytes)) return;
      this.#room.shift(upstream);
      this.#sendWaiting(client, nowMs, BURST, upstream);
    }
    if (!upstream.isAccepting && upstream.requestsInFlight === 0) {
      upstream.destroy("its term is over");
    }
  }

  onLinkClose(upstream: Upstream, reason: string): void {
    this.pool.forget(upstream);
    if (upstream.isNodesFault) {
      this.#options.logger.warn(`node ${upstream.node.label} ${reason}`);
    }
    const clients = new Set<RequestOwner>();
    const isSuperseded = this.pool.isSuperseded(upstream);
    for (const { request, wasWritten } of upstream.takeLost()) {
      const wasDropped = upstream.isBroken || (isSuperseded && request.isHeavy);
      if (wasWritten && wasDropped) request.losses++;
      request.client.takeLoss(
        request,
        wasWritten && !upstream.executesNothingMore ? "maybe" : "no",
      );
      clients.add(request.client);
    }
    for (const client of clients) client.proceed();
    this.onRetired(upstream);
  }

  onTakenBack(requests: readonly ProxyRequest[]): void {
    const clients = new Set<RequestOwner>();
    for (const request of requests) {
      request.client.takeLoss(request, "no");
      clients.add(request.client);
    }
    for (const client of clients) client.proceed();
  }

  onRetired(upstream: Upstream): void {
    const nowMs = this.#nowMs();
    for (let left = this.#room.countOf(upstream); left > 0; left--) {
      const client = this.#room.shift(upstream);
      if (client !== null) this.#sendWaiting(client, nowMs);
    }
  }

  // Where requests go.

  get #isLeaderKnown(): boolean {
    return this.#options.topology.leader !== null;
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  /**
   * Sends the requests that the client may send now.
   *
   * @param burstMax number of requests after which it waits for its next turn
   * @param turnOn the connection on which it is this client's turn, if it waited for room there
   */
  #sendWaiting(
    client: ClientQueue,
    nowMs: number,
    burstMax = Infinity,
    turnOn: Upstream | null = null,
  ): void {
    if (client.list !== null || this.#isStopped) return;
    for (let sent = 0;; sent++) {
      const request = client.first;
      if (request === null) return;
      const upstream = this.#connectionFor(client, request, nowMs);
      // The client proceeds when all its requests in flight are answered or lost (`#proceed`).
      if (upstream === "later") return;
      if (upstream === null) {
        if (!this.#refusesToWait(request)) return this.hold.hold(client, nowMs);
        client.dropFirst().settle(tooManyWaits(this.#options.limits.waitsMax));
        continue;
      }
      // A client that comes later waits after those that wait for room, however small its request.
      const isBehind = upstream !== turnOn && this.#hasToWait(this.#room.first(upstream), upstream);
      if (isBehind || sent >= burstMax || upstream.isFullFor(request.bytes)) {
        return this.#room.push(upstream, client);
      }
      if (request.wantsStamp) this.#stamp(request, nowMs);
      client.send(upstream);
      request.sentMs = nowMs;
      upstream.send(request);
    }
  }

  #hasToWait(client: ClientQueue | null, upstream: Upstream): boolean {
    const request = client?.first ?? null;
    return request !== null && upstream.isFullFor(request.bytes);
  }

  /**
   * The connection for the request. `later`: it must wait until those in flight are answered.
   * `null`: no connection can take it now.
   */
  #connectionFor(
    client: ClientQueue,
    request: ProxyRequest,
    nowMs: number,
  ): Upstream | "later" | null {
    if (!client.mayPipeline) return "later";
    const current = client.upstream;
    if (current !== null) {
      const suits = current.isAccepting && current.protocol === request.protocol &&
        !current.isDedicated && request.kind !== "wait" &&
        (current.fenceTerm !== null || !request.isWrite);
      return suits && this.#isStampable(request, nowMs) && !client.mustWait(request)
        ? current
        : "later";
    }
    if (request.kind === "read") return this.pool.reader(request.protocol, nowMs);
    if (request.kind === "wait") {
      return this.#refusesToWait(request) ? null : this.pool.dedicated(request.protocol, nowMs);
    }
    return this.#isStampable(request, nowMs) ? this.pool.writer(request.protocol) : null;
  }

  /** Whether the request needs a dedicated connection, and their number has reached its bound. */
  #refusesToWait({ kind, command }: ProxyRequest): boolean {
    return kind === "wait" && this.pool.isOutOfDedicated(command.name === "wait");
  }

  /** Whether the request needs no stamp, gets one now, or has to go without. */
  #isStampable(request: ProxyRequest, nowMs: number): boolean {
    return !request.wantsStamp || this.#sessions.isUnavailable ||
      this.#sessions.take(nowMs) !== null;
  }

  #stamp(request: ProxyRequest, nowMs: number): void {
    const session = this.#sessions.take(nowMs);
    if (session !== null) request.stamp(this.#sessions, session, nowMs);
  }

  /** Whether the request would be sent at once, or in its turn, instead of being held. */
  #couldSend(client: ClientQueue, request: ProxyRequest, nowMs: number): boolean {
    if (this.hold.isEmpty && this.#isLeaderKnown) return true;
    if (client.list !== null || client.first !== null || request.kind === "wait") return false;
    const upstream = this.#connectionFor(client, request, nowMs);
    return upstream !== null && upstream !== "later";
  }

  /** Sends the remaining requests of a client that has none in flight any more. */
  readonly #proceed = (client: ClientQueue): void => {
    const nowMs = this.#nowMs();
    client.requeueRetries(nowMs, this.#options.limits.holdMsMax, this.#isLeaderKnown);
    this.#sendWaiting(client, nowMs);
  };

  #retryHeld(): void {
    const nowMs = this.#nowMs();
    this.hold.retry(nowMs, (client) => this.#sendWaiting(client, nowMs, BURST));
  }

  /** Handles an answer that leaves open whether the write was executed. */
  #noteDoubt(upstream: Upstream, { session }: ProxyRequest, text: string): void {
    if (text.startsWith("-NOSESSION ") && session !== null) {
      this.#sessions.forget(session, this.#nowMs());
    }
    if (doubtOf(text) !== "unknown") return;
    upstream.isDraining = true;
    upstream.isAccepting = false;
  }
}

/** The clients whose next request waits for room on a connection, in order for each connection. */
class RoomQueue {
  /** Nearly always empty: a connection has room for thousands of requests. */
  readonly #clients = new Map<Upstream, LinkedList<ClientQueue>>();

  first(upstream: Upstream): ClientQueue | null {
    return this.#clients.size === 0 ? null : this.#clients.get(upstream)?.first ?? null;
  }

  countOf(upstream: Upstream): number {
    return this.#clients.get(upstream)?.size ?? 0;
  }

  push(upstream: Upstream, client: ClientQueue): void {
    let clients = this.#clients.get(upstream);
    if (clients === undefined) {
      clients = new LinkedList();
      this.#clients.set(upstream, clients);
    }
    clients.push(client);
  }

  shift(upstream: Upstream): ClientQueue | null {
    const clients = this.#clients.get(upstream);
    if (clients === undefined) return null;
    const client = clients.shift();
    if (clients.size === 0) this.#clients.delete(upstream);
    return client;
  }
}
