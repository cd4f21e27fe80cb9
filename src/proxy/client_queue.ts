import { assert } from "../base/errors.ts";
import { LinkedList, type Listed } from "../base/queues.ts";
import {
  doubtOf,
  type ProxyRequest,
  READ_LOST,
  refusalOf,
  type RequestOwner,
  WRITE_LOST,
  WRITE_OVERTAKEN,
} from "./proxy_request.ts";
import type { Upstream } from "./upstream.ts";

/** The requests waiting in all client queues, and their bytes. */
export interface WaitingTotals {
  requests: number;
  bytes: number;
}

/**
 * The order of one client's requests. All requests in flight are on one connection to one node,
 * which answers in order. So program order holds without waiting for each answer.
 *
 * Requests that a node refused or lost are sent again, in order, once none of this client's
 * requests is in flight. Why that keeps the order and executes nothing twice:
 *
 * 1. Writes go over fenced connections. A node that refuses a write on one also refuses all that
 *    follow it, and executes in order those that it accepts. So a prefix of the writes on one
 *    connection is executed, and no more.
 * 2. Each connection gets the client's writes in order, starting with the oldest unanswered one. By
 *    1, when a write is executed for the first time, all writes before it were executed, there or
 *    on an earlier connection, or were answered.
 * 3. A stamped write is executed once, however many copies of it are in flight. A copy that nobody
 *    waits for may arrive late, and changes nothing.
 *
 * There are two exceptions. A node may refuse one write alone, contrary to 1, because it no longer
 * knows the exactly-once session of its stamp; and 3 does not hold for a write without a stamp. Such
 * a write is not sent again if a later write may have been executed. If it may have been executed
 * itself, the client gets an error that says so.
 *
 * A read may be sent again only while no later write to its keys can have been executed. So such a
 * write is not sent until the read is answered (`mustWait`).
 */
export class ClientQueue implements RequestOwner, Listed<ClientQueue> {
  readonly #totals: WaitingTotals;
  readonly #proceed: (client: ClientQueue) => void;
  /** Requests not sent yet, and those to be sent again once `requeueRetries` has put them here. */
  readonly #waiting = new LinkedList<ProxyRequest>();
  /** Requests in flight, in the order in which the node answers. */
  readonly #inFlight = new LinkedList<ProxyRequest>();
  /**
   * Requests to be sent again: the first one that was refused or lost, and all after it. Settled
   * writes among them keep their places, to show which earlier requests they have overtaken.
   */
  readonly #retries = new LinkedList<ProxyRequest>();
  /** The connection of all requests in flight; `null` when there are none. */
  upstream: Upstream | null = null;
  answeredWith: RequestOwner["answeredWith"] = null;
  writesInFlight = 0;
  readonly #reads = new ReadsInFlight();
  isClosed = false;
  /** The list of waiting clients that this one is in, and the client after it. */
  list: object | null = null;
  next: ClientQueue | null = null;
  /** Since when no node has been able to take its first waiting request; valid while it is held. */
  heldSinceMs = 0;

  /** @param proceed called when no request is in flight any more and some are left to send */
  constructor(totals: WaitingTotals, proceed: (client: ClientQueue) => void) {
    this.#totals = totals;
    this.#proceed = proceed;
  }

  get first(): ProxyRequest | null {
    return this.#waiting.first;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0;
  }

  /** Whether requests wait to be sent, or to be sent again. */
  get hasMore(): boolean {
    return this.#waiting.size > 0 || this.#retries.size > 0;
  }

  /** Whether the next request may follow those in flight: none has to be sent again first. */
  get mayPipeline(): boolean {
    return this.#retries.size === 0;
  }

  /** Whether the request must not be sent until those in flight are answered. */
  mustWait(request: ProxyRequest): boolean {
    return request.isWrite && this.#reads.conflictWith(request);
  }

  add(request: ProxyRequest): void {
    this.#waiting.push(request);
    this.#count(request, 1);
  }

  /** Takes the first waiting request, to be sent on this connection. */
  send(upstream: Upstream): ProxyRequest {
    const request = this.dropFirst();
    assert(this.isIdle || this.upstream === upstream, "a client's requests are on two connections");
    this.#inFlight.push(request);
    this.upstream = upstream;
    if (request.isWrite) this.writesInFlight++;
    else if (upstream.fenceTerm !== null) this.#reads.add(request);
    return request;
  }

  /** Takes the first waiting request, which is answered without being sent. */
  dropFirst(): ProxyRequest {
    const request = this.#waiting.shift();
    assert(request !== null, "a client without a waiting request is asked for one");
    this.#count(request, -1);
    return request;
  }

  /** A node has answered the oldest request in flight. */
  takeAnswer(request: ProxyRequest, text: string): void {
    this.#takeInFlight(request);
    if (refusalOf(text) !== null) this.#retry(request, text);
    else if (request.isStamped && doubtOf(text) !== null) this.#doubted(request, text);
    else if (this.#retries.size === 0) request.settle(text);
    else if (request.isWrite) this.#settleAndMark(request, text);
    else this.#retry(request, null);
    if (this.hasMore && this.isIdle) this.proceed();
  }

  /** The oldest request in flight is lost with its connection, or taken back. */
  takeLoss(request: ProxyRequest, isExecuted: "maybe" | "no"): void {
    this.#takeInFlight(request);
    if (!request.isWrite && request.isSuspect) request.settle(READ_LOST);
    else if (!request.isWrite || isExecuted === "no") this.#retry(request, null);
    else if (request.isStamped && !request.isSuspect) this.#retryUncertain(request);
    else this.#settleInPlace(request, WRITE_LOST);
  }

  proceed(): void {
    this.#proceed(this);
  }

  /**
   * Puts the requests to be sent again in front of the waiting ones. Nothing may be in flight.
   *
   * @param holdMsMax time in ms after its first sending at which a request is given up instead
   */
  requeueRetries(nowMs: number, holdMsMax: number, isLeaderKnown: boolean): void {
    assert(this.isIdle, "requests are sent again while others are in flight");
    if (this.#retries.size === 0) return;
    const retries = this.#retries.drain();
    let isOvertaken = false;
    for (const request of retries.reverse()) {
      const retriedMs = nowMs - (request.firstSentMs ?? nowMs);
      if (request.isSettled) isOvertaken = true;
      else if (isOvertaken && request.isWrite && !request.isUncertain) {
        request.settle(request.kept ?? WRITE_OVERTAKEN);
      } else if (retriedMs > holdMsMax) {
        request.giveUp(retriedMs, isLeaderKnown);
      } else {
        request.kept = null;
        this.#waiting.unshift(request);
        this.#count(request, 1);
      }
      if (request.isUncertain) isOvertaken = true;
    }
  }

  /**
   * The client is gone. Requests in flight keep their places on the connection; others are dropped.
   */
  close(): void {
    this.isClosed = true;
    for (const request of this.#waiting.drain()) {
      this.#count(request, -1);
      request.drop();
    }
    for (const request of this.#retries.drain()) request.drop();
  }

  #takeInFlight(request: ProxyRequest): void {
    assert(this.#inFlight.shift() === request, "a reply is not the oldest request's");
    if (request.isWrite) this.writesInFlight--;
    else if (this.upstream?.fenceTerm !== null) this.#reads.remove(request);
    if (this.isIdle) this.upstream = null;
  }

  #count(request: ProxyRequest, sign: 1 | -1): void {
    this.#totals.requests += sign;
    this.#totals.bytes += sign * request.bytes;
  }

  #doubted(request: ProxyRequest, text: string): void {
    if (doubtOf(text) === "unknown") return this.#retryUncertain(request);
    if (request.isUncertain) return this.#settleInPlace(request, WRITE_LOST);
    // The client stamped it with a session of its own, so the client gets the answer.
    if (request.session === null) return this.#settleInPlace(request, text);
    request.unstamp();
    this.#retry(request, null);
  }

  #retryUncertain(request: ProxyRequest): void {
    request.isUncertain = true;
    this.#retry(request, null);
  }

  #retry(request: ProxyRequest, kept: string | null): void {
    if (this.isClosed) return request.drop();
    request.firstSentMs ??= request.sentMs;
    request.kept = kept;
    this.#retries.push(request);
  }

  #settleInPlace(request: ProxyRequest, text: string): void {
    if (this.#retries.size === 0) request.settle(text);
    else this.#settleAndMark(request, text);
  }

  #settleAndMark(request: ProxyRequest, text: string): void {
    request.settle(text);
    this.#retries.push(request);
  }
}

/** The keys of a client's reads in flight on a connection that also carries its writes. */
class ReadsInFlight {
  /** Number of reads in flight by key. */
  readonly #keys = new Map<string, number>();
  #count = 0;
  /** Number of reads in flight that read keys they do not name, or too many to list. */
  #unknownKeysCount = 0;

  add(read: ProxyRequest): void {
    this.#change(read, 1);
  }

  remove(read: ProxyRequest): void {
    this.#change(read, -1);
  }

  /** Whether the write may change a key that a read in flight reads. */
  conflictWith(write: ProxyRequest): boolean {
    if (this.#count === 0) return false;
    if (this.#unknownKeysCount > 0 || write.hasUnknownKeys) return true;
    return write.keys.some((key) => this.#keys.has(key));
  }

  #change(read: ProxyRequest, sign: 1 | -1): void {
    this.#count += sign;
    if (read.hasUnknownKeys) {
      this.#unknownKeysCount += sign;
      return;
    }
    for (const key of read.keys) {
      const count = (this.#keys.get(key) ?? 0) + sign;
      if (count === 0) this.#keys.delete(key);
      else this.#keys.set(key, count);
    }
  }
}
