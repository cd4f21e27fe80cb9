import { LinkedList } from "../base/queues.ts";
import type { ClientQueue, WaitingTotals } from "./client_queue.ts";
import type { ProxyLimits } from "./limits.ts";
import type { ProxyRequest } from "./proxy_request.ts";

/** How often and how long requests were held, for `INFO`. */
export interface HoldStatistics {
  readonly heldNow: number;
  /** Number of periods in which at least one request was held, including a current one. */
  readonly count: number;
  readonly totalMs: number;
  readonly longestMs: number;
  /** Number of requests answered with an error because a limit of holding was reached. */
  readonly refused: number;
}

/** The clients whose next request no node can take at present, in order of arrival. */
export class HoldQueue {
  /** The waiting requests of all clients, whether held or waiting for their turn. */
  readonly totals: WaitingTotals = { requests: 0, bytes: 0 };
  readonly #limits: ProxyLimits;
  readonly #clients = new LinkedList<ClientQueue>();
  /** Since when at least one request has been held; `null` while none is. */
  #sinceMs: number | null = null;
  #count = 0;
  #totalMs = 0;
  #longestMs = 0;
  #refused = 0;

  constructor(limits: ProxyLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#clients.size === 0;
  }

  /** Whether the waiting bytes have reached their bound, so that clients must not be read. */
  get isFull(): boolean {
    return this.totals.bytes > 0 && this.totals.bytes >= this.#limits.holdBytesMax;
  }

  holds(client: ClientQueue): boolean {
    return this.#clients.has(client);
  }

  hold(client: ClientQueue, nowMs: number): void {
    this.#clients.push(client);
    client.heldSinceMs = nowMs;
    if (this.#sinceMs !== null) return;
    this.#sinceMs = nowMs;
    this.#count++;
  }

  /**
   * Lets every client try again, in order.
   *
   * @param send sends a client's requests, or holds the client again
   */
  retry(nowMs: number, send: (client: ClientQueue) => void): void {
    for (let left = this.#clients.size; left > 0; left--) {
      const client = this.#clients.shift();
      if (client === null) break;
      const { first, heldSinceMs } = client;
      send(client);
      if (this.holds(client) && client.first === first) client.heldSinceMs = heldSinceMs;
    }
    if (this.isEmpty) this.#ended(nowMs);
  }

  /**
   * Gives up requests that were held for too long.
   *
   * @param leaderlessSinceMs when the last leader was lost; `Infinity` while one is known
   */
  expire(nowMs: number, leaderlessSinceMs: number): void {
    for (const client of this.#clients) {
      const sinceMs = Math.min(client.heldSinceMs, leaderlessSinceMs);
      for (let request = client.first; request !== null; request = client.first) {
        const heldMs = nowMs - this.#heldFrom(request, sinceMs);
        if (heldMs <= this.#limits.holdMsMax) break;
        client.dropFirst().giveUp(heldMs, leaderlessSinceMs === Infinity);
        this.#refused++;
      }
    }
  }

  /** The limit that one more request of this many bytes exceeds; `null` while there is room. */
  limitFor(bytes: number): string | null {
    const { holdRequestsMax, holdBytesMax } = this.#limits;
    const { totals } = this;
    if (totals.requests >= holdRequestsMax) {
      return `${holdRequestsMax} requests are held already (--hold-requests-max)`;
    }
    if (totals.bytes + bytes > holdBytesMax) {
      return `more than ${holdBytesMax} bytes would be held (--hold-bytes-max)`;
    }
    return null;
  }

  /** Counts a request that was refused on arrival. */
  countRefusal(): void {
    this.#refused++;
  }

  statistics(nowMs: number): HoldStatistics {
    let heldNow = 0;
    for (const client of this.#clients) heldNow += client.waitingCount;
    const presentMs = this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
    return {
      heldNow,
      count: this.#count,
      totalMs: this.#totalMs + presentMs,
      longestMs: Math.max(this.#longestMs, presentMs),
      refused: this.#refused,
    };
  }

  /** Forgets past periods. A current one is counted as if it had begun now. */
  resetStatistics(nowMs: number): void {
    if (this.#sinceMs !== null) this.#sinceMs = nowMs;
    this.#count = this.#sinceMs === null ? 0 : 1;
    this.#totalMs = 0;
    this.#longestMs = 0;
    this.#refused = 0;
  }

  #heldFrom(request: ProxyRequest, sinceMs: number): number {
    return request.firstSentMs ?? Math.max(request.sentMs, sinceMs);
  }

  #ended(nowMs: number): void {
    if (this.#sinceMs === null) return;
    const heldMs = nowMs - this.#sinceMs;
    this.#sinceMs = null;
    this.#totalMs += heldMs;
    this.#longestMs = Math.max(this.#longestMs, heldMs);
  }
}
