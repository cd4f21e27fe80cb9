import { assert } from "../base/errors.ts";
import { LinkedList, type Listed } from "../base/linked_list.ts";
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

/** What waits in all queues together. */
export interface WaitingTotals {
  requests: number;
  bytes: number;
}

/**
 * The order of one client's requests. All that are under way are on one connection to one node,
 * which answers in order; so program order holds without waiting for each answer.
 *
 * What a node refused or lost is repeated, in order, once nothing of this client is under way any
 * more. Why that keeps the order and executes nothing twice:
 *
 * 1. Writes go over fenced connections. A node that refuses a write on one refuses all that stands
 *    behind it, and what it takes it executes in order. So of the writes on one connection a
 *    beginning is executed, and no more.
 * 2. Each connection gets the client's writes in order, from the oldest that is not answered on. By 1,
 *    when a write is executed for the first time, all before it have been, there or on an earlier
 *    connection, or were answered.
 * 3. A write with a stamp is executed once, however many copies of it are on their way: copies that
 *    nobody waits for may arrive late, and change nothing.
 *
 * A write whose session is gone may be refused alone, against 1. It is not repeated when a later one
 * may have been executed; and when it may have been executed itself, nobody can say. The same holds
 * for a write without a stamp whose answer is lost.
 *
 * A read may be repeated only as long as no later write to its keys can have been executed. So such a
 * write is not sent before the read is answered (`mustWait`).
 */
export class ClientQueue implements RequestOwner, Listed<ClientQueue> {
  readonly #totals: WaitingTotals;
  readonly #proceed: (client: ClientQueue) => void;
  /** Not sent yet. */
  readonly #waiting = new LinkedList<ProxyRequest>();
  /** Sent, in the order in which the node answers. */
  readonly #underWay = new LinkedList<ProxyRequest>();
  /** Refused or lost, with all that came behind them. Executed writes among them mark their place. */
  readonly #repeating = new LinkedList<ProxyRequest>();
  /** The connection that everything under way is on. */
  upstream: Upstream | null = null;
  answeredWith: RequestOwner["answeredWith"] = null;
  writesUnderWay = 0;
  readonly #reads = new ReadsUnderWay();
  isClosed = false;
  /** The list of waiting clients that this one stands on, and the client after it. */
  list: object | null = null;
  next: ClientQueue | null = null;
  /** Since when nobody could take its first waiting request; meaningful while held. */
  heldSinceMs = 0;

  /** @param proceed is called when nothing is under way any more and requests are left to send */
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
    return this.#underWay.size === 0;
  }

  /** Something waits, or is to be repeated. */
  get hasMore(): boolean {
    return this.#waiting.size > 0 || this.#repeating.size > 0;
  }

  /** The next request may follow those under way: none of them has to be repeated. */
  get mayPipeline(): boolean {
    return this.#repeating.size === 0;
  }

  /** Whether the request must not be sent before what is under way is answered. */
  mustWait(request: ProxyRequest): boolean {
    return request.isWrite && this.#reads.touch(request);
  }

  add(request: ProxyRequest): void {
    this.#waiting.push(request);
    this.#count(request, 1);
  }

  /** Takes the first waiting request, to be sent on this connection. */
  send(upstream: Upstream): ProxyRequest {
    const request = this.dropFirst();
    assert(this.isIdle || this.upstream === upstream, "a client's requests are on two connections");
    this.#underWay.push(request);
    this.upstream = upstream;
    if (request.isWrite) this.writesUnderWay++;
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

  /** A node answered the oldest request under way. */
  takeAnswer(request: ProxyRequest, text: string): void {
    this.#takeUnderWay(request);
    if (refusalOf(text) !== null) this.#repeat(request, text);
    else if (request.isRepeatable && doubtOf(text) !== null) this.#doubted(request, text);
    else if (this.#repeating.size === 0) request.settle(text);
    else if (request.isWrite) this.#settleAndMark(request, text);
    else this.#repeat(request, null);
    if (this.hasMore && this.isIdle) this.proceed();
  }

  /** The oldest request under way was lost with its connection. */
  takeLoss(request: ProxyRequest, isExecuted: "maybe" | "no"): void {
    this.#takeUnderWay(request);
    if (!request.isWrite && request.isSuspect) request.settle(READ_LOST);
    else if (!request.isWrite || isExecuted === "no") this.#repeat(request, null);
    else if (request.isRepeatable && !request.isSuspect) this.#repeatUncertain(request);
    else this.#settleInPlace(request, WRITE_LOST);
  }

  proceed(): void {
    this.#proceed(this);
  }

  /**
   * Once nothing is under way: puts what is to be repeated back before what waits.
   *
   * @param holdMsMax what has been repeated for longer is answered instead
   */
  settleRepeating(nowMs: number, holdMsMax: number): void {
    assert(this.isIdle, "requests are repeated while others are under way");
    if (this.#repeating.size === 0) return;
    const repeated = this.#repeating.drain();
    let isOvertaken = false;
    for (const request of repeated.reverse()) {
      const repeatedMs = nowMs - (request.firstSentMs ?? nowMs);
      if (request.isSettled) isOvertaken = true;
      else if (isOvertaken && request.isWrite && !request.isUncertain) {
        request.settle(request.kept ?? WRITE_OVERTAKEN);
      } else if (repeatedMs > holdMsMax) {
        request.giveUp(repeatedMs);
      } else {
        request.kept = null;
        this.#waiting.unshift(request);
        this.#count(request, 1);
      }
      if (request.isUncertain) isOvertaken = true;
    }
  }

  /** The client is gone. What is under way keeps its place on the connection; the rest is dropped. */
  close(): void {
    this.isClosed = true;
    for (const request of this.#waiting.drain()) {
      this.#count(request, -1);
      request.drop();
    }
    for (const request of this.#repeating.drain()) request.drop();
  }

  #takeUnderWay(request: ProxyRequest): void {
    assert(this.#underWay.shift() === request, "a reply is not the oldest request's");
    if (request.isWrite) this.writesUnderWay--;
    else if (this.upstream?.fenceTerm !== null) this.#reads.remove(request);
    if (this.isIdle) this.upstream = null;
  }

  #count(request: ProxyRequest, sign: 1 | -1): void {
    this.#totals.requests += sign;
    this.#totals.bytes += sign * request.bytes;
  }

  #doubted(request: ProxyRequest, text: string): void {
    if (doubtOf(text) === "unknown") return this.#repeatUncertain(request);
    if (request.isUncertain) return this.#settleInPlace(request, WRITE_LOST);
    // The client's own session: it is for the client to know.
    if (request.session === null) return this.#settleInPlace(request, text);
    request.unstamp();
    this.#repeat(request, null);
  }

  #repeatUncertain(request: ProxyRequest): void {
    request.isUncertain = true;
    this.#repeat(request, null);
  }

  #repeat(request: ProxyRequest, kept: string | null): void {
    if (this.isClosed) return request.drop();
    request.firstSentMs ??= request.sentMs;
    request.kept = kept;
    this.#repeating.push(request);
  }

  #settleInPlace(request: ProxyRequest, text: string): void {
    if (this.#repeating.size === 0) request.settle(text);
    else this.#settleAndMark(request, text);
  }

  #settleAndMark(request: ProxyRequest, text: string): void {
    request.settle(text);
    this.#repeating.push(request);
  }
}

/** What the reads touch that a client has under way among its writes. */
class ReadsUnderWay {
  /** How many reads each key has. */
  readonly #keys = new Map<string, number>();
  #count = 0;
  /** Of those that read more than keys that they name, or very many. */
  #wideCount = 0;

  add(read: ProxyRequest): void {
    this.#change(read, 1);
  }

  remove(read: ProxyRequest): void {
    this.#change(read, -1);
  }

  touch(write: ProxyRequest): boolean {
    if (this.#count === 0) return false;
    if (this.#wideCount > 0 || write.isWide) return true;
    return write.keys.some((key) => this.#keys.has(key));
  }

  #change(read: ProxyRequest, sign: 1 | -1): void {
    this.#count += sign;
    if (read.isWide) {
      this.#wideCount += sign;
      return;
    }
    for (const key of read.keys) {
      const count = (this.#keys.get(key) ?? 0) + sign;
      if (count === 0) this.#keys.delete(key);
      else this.#keys.set(key, count);
    }
  }
}
