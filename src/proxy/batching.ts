import type { Clock } from "../node/clock.ts";
import {
  type Asker,
  FULL_BATCH_BYTES,
  type Gathered,
  Gathering,
  LONG_WAY_MS,
} from "../node/gathering.ts";

/** Batches under way on one connection when the way to the node is long. */
const UNDER_WAY_MAX = 16;

/** A connection whose requests leave in batches. */
export interface BatchSender {
  /** Requests that have not left, and their length. */
  readonly openCount: number;
  readonly openBytes: number;
  /** It can send. */
  readonly isReady: boolean;
  /** Batches that are not answered whole. */
  readonly batchesUnderWay: number;
  /** When the newest of them left. */
  readonly newestLeftMs: number;
  /** Sends what is open, as one batch. */
  sendOpen(): void;
}

/**
 * Decides when the requests of a connection leave, or those of several to which the same clients'
 * requests go. A batch costs a node the same however little is in it, so what three nodes could do
 * goes to one of them, and what comes next to another, as long as it is not too much for one.
 */
export class Batching {
  readonly #clock: Clock;
  readonly #requestsMax: number;
  readonly #gathering: Gathering;
  readonly #senders = new Set<BatchSender>();

  /** @param requestsMax so many are enough for a batch */
  constructor(clock: Clock, requestsMax = Infinity) {
    this.#clock = clock;
    this.#requestsMax = requestsMax;
    this.#gathering = new Gathering(clock, UNDER_WAY_MAX, () => this.flush());
  }

  /** @returns whether `flush` is to be called soon, a request of this client having been added */
  added(sender: BatchSender, client: Asker): boolean {
    this.#senders.add(sender);
    this.#gathering.asked(client);
    return this.#gathering.mayBeDue(this.#gathered(sender));
  }

  /** Whether a sender has enough for a batch. */
  isFull({ openCount, openBytes }: BatchSender): boolean {
    return openCount >= this.#requestsMax || openBytes >= FULL_BATCH_BYTES;
  }

  /** Sends what is to leave by now. */
  flush(): void {
    for (const sender of this.#senders) {
      if (sender.openCount === 0 || !sender.isReady) continue;
      if (this.#gathering.isDue(this.#gathered(sender))) sender.sendOpen();
    }
  }

  /** A batch was answered, these requests with it. */
  answered(requests: readonly { readonly client: Asker }[]): void {
    this.#gathering.answered(requests);
    this.flush();
  }

  /** The connection has ended. */
  ended(sender: BatchSender): void {
    this.#senders.delete(sender);
    this.flush();
  }

  /** A node that keeps its answers to itself for long holds up its own connection alone. */
  #gathered(sender: BatchSender): Gathered {
    const isFull = this.isFull(sender);
    if (isFull || this.#senders.size === 1) {
      const { batchesUnderWay, newestLeftMs } = sender;
      return { isFull, underWayCount: batchesUnderWay, newestSinceMs: newestLeftMs };
    }
    const longAgoMs = this.#clock.monotonicMs() - LONG_WAY_MS;
    let underWayCount = 0;
    let newestSinceMs = -Infinity;
    for (const one of this.#senders) {
      if (one.batchesUnderWay === 0 || (one !== sender && one.newestLeftMs <= longAgoMs)) continue;
      underWayCount += one.batchesUnderWay;
      newestSinceMs = Math.max(newestSinceMs, one.newestLeftMs);
    }
    return { isFull, underWayCount, newestSinceMs };
  }
}
