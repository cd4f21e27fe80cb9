import { assert } from "../base/assert.ts";
import {
  heldTooLong,
  type ProxyRequest,
  READ_OVERTAKEN,
  refusalOf,
  WRITE_LOST,
  WRITE_OVERTAKEN,
} from "./proxy_request.ts";
import { RequestList } from "./request_list.ts";
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
 * What a node refused or lost is repeated, but only when nothing of this client is under way any
 * more, and only what nothing later has overtaken: a write is never repeated after a later write of
 * the same client may have been executed, nor a read after a later write to one of its keys.
 */
export class ClientQueue {
  readonly #totals: WaitingTotals;
  /** Not sent yet. */
  readonly #waiting = new RequestList();
  /** Sent, in the order in which the node answers. */
  readonly #underWay = new RequestList();
  /** Refused or lost, with all that came behind them. Executed writes among them mark their place. */
  readonly #repeating = new RequestList();
  /** The connection that everything under way is on. */
  upstream: Upstream | null = null;
  writesUnderWay = 0;
  isClosed = false;
  /** The list of clients that this one stands on, if any; and its place there. */
  listedOn: object | null = null;
  nextListed: ClientQueue | null = null;
  /** Since when nobody could take its first waiting request; meaningful while held. */
  heldSinceMs = 0;

  constructor(totals: WaitingTotals) {
    this.#totals = totals;
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
  answered(request: ProxyRequest, text: string): void {
    this.#takeUnderWay(request);
    if (refusalOf(text) !== null) this.#repeat(request, text);
    else if (this.#repeating.size === 0) request.settle(text);
    else if (request.isWrite) this.#settleAndMark(request, text);
    else this.#repeat(request, text);
  }

  /** The oldest request under way was lost with its connection. */
  lost(request: ProxyRequest, isExecuted: "maybe" | "no"): void {
    this.#takeUnderWay(request);
    if (!request.isWrite || isExecuted === "no") this.#repeat(request, null);
    else if (this.#repeating.size === 0) request.settle(WRITE_LOST);
    else this.#settleAndMark(request, WRITE_LOST);
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
    const overtaking = new WritesBehind();
    for (const request of repeated.reverse()) {
      if (request.isSettled) overtaking.add(request);
      else if (overtaking.overtakes(request)) {
        request.settle(request.kept ?? (request.isWrite ? WRITE_OVERTAKEN : READ_OVERTAKEN));
      } else if (nowMs - request.arrivedMs > holdMsMax) {
        request.settle(heldTooLong(nowMs - request.arrivedMs));
      } else {
        request.kept = null;
        request.wasRepeated = true;
        this.#waiting.unshift(request);
        this.#count(request, 1);
      }
    }
  }

  /** The client is gone. What is under way keeps its place on the connection; the rest is dropped. */
  close(): void {
    this.isClosed = true;
    for (const request of this.#waiting.drain()) this.#count(request, -1);
    this.#repeating.drain();
  }

  #takeUnderWay(request: ProxyRequest): void {
    assert(this.#underWay.shift() === request, "a reply is not the oldest request's");
    if (request.isWrite) this.writesUnderWay--;
    if (this.isIdle) this.upstream = null;
  }

  #count(request: ProxyRequest, sign: 1 | -1): void {
    this.#totals.requests += sign;
    this.#totals.bytes += sign * request.bytes;
  }

  #repeat(request: ProxyRequest, kept: string | null): void {
    if (this.isClosed) return;
    request.kept = kept;
    this.#repeating.push(request);
  }

  #settleAndMark(request: ProxyRequest, text: string): void {
    request.settle(text);
    this.#repeating.push(request);
  }
}

/** Writes that were or may have been executed, seen from what stands before them. */
class WritesBehind {
  readonly #keys = new Set<string>();
  #touchesAll = false;
  #isEmpty = true;

  add(write: ProxyRequest): void {
    this.#isEmpty = false;
    const keys = write.keys();
    if (keys.length === 0) this.#touchesAll = true;
    for (const key of keys) this.#keys.add(key);
  }

  overtakes(request: ProxyRequest): boolean {
    if (this.#isEmpty || request.isWrite) return !this.#isEmpty;
    const keys = request.keys();
    return this.#touchesAll || keys.length === 0 || keys.some((key) => this.#keys.has(key));
  }
}
