import type { Clock } from "../../platform/clock.ts";

/** The next batch waits for the clients answered last, but not for the slowest one in N of them. */
const CLIENTS_PER_ABSENTEE = 16;
/** Maximum duration of that wait, in milliseconds. */
const WAIT_MS = 2;
/** Maximum number of batches sent without waiting after a wait that brought nothing. */
const SKIPS_MAX = 64;
/** Time in milliseconds after which a batch in flight no longer delays the next one. */
export const SLOW_BATCH_MS = 4;
/** Size in bytes at which a batch is sent without waiting, even if others are in flight. */
export const FULL_BATCH_BYTES = 256 * 1024;

/** What a pacer must know about the requests of its kind. */
export interface BatchStatus {
  /** Whether the collected requests fill a batch. */
  readonly isFull: boolean;
  /** Number of batches in flight. */
  readonly batchesInFlight: number;
  /** When the newest batch in flight was sent; meaningless if there is none. */
  readonly newestSentMs: number;
}

/** A client of one or several pacers. */
export interface PacedClient {
  /**
   * For `BatchPacer` only: the clients answered together with this one; `null` once this one has
   * asked again.
   */
  answeredWith: Answered | null;
}

/** Clients that were answered together. */
interface Answered {
  /** Number of them that the next batch still waits for. */
  missing: number;
}

/**
 * Decides when to send a batch of requests. Every batch costs all nodes the same, however small it
 * is. A client that waits for each reply asks again as soon as it has the reply. If every request
 * were sent at once, the clients would split into groups: while one group's batch is in flight, the
 * next group collects. There would be many small batches instead of one.
 *
 * So only one batch is in flight at a time, unless it takes longer than `SLOW_BATCH_MS`. The next
 * batch waits up to `WAIT_MS` for the clients that the last one answered. Clients that send at a
 * fixed rate do not ask again that soon. After such a wait in vain, the next batch does not wait.
 * Each further wait in vain doubles the number of batches that do not wait.
 *
 * Why the number doubles: at 3,000 requests a second over 50 connections, a fixed number of 4 made
 * the median latency of GET at the leader twice as long, and 16 made it a tenth longer. But with
 * 16, the batches of 50 clients that wait for their replies were a fifth smaller.
 */
export class BatchPacer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #batchesMax: number;
  /** The clients answered last. */
  #answered: Answered = { missing: 0 };
  /** Number of them that the next batch waited for at first; 0 when the wait is over. */
  #wanted = 0;
  /** Monotonic time at which that wait ends. */
  #untilMs = -Infinity;
  /** Number of batches sent without waiting after the last wait in vain. */
  #skips = 0;
  #skipsLeft = 0;
  #isWaking = false;

  /** @param wake called when `isDue` must be asked again */
  constructor(clock: Clock, batchesMax: number, wake: () => void) {
    this.#clock = clock;
    this.#batchesMax = batchesMax;
    this.#wake = wake;
  }

  /** Notes that these requests were answered. */
  noteAnswers(requests: readonly { readonly client: PacedClient }[]): void {
    this.#stopWaiting();
    if (this.#skipsLeft > 0) {
      this.#skipsLeft--;
      return;
    }
    const answered = { missing: 0 };
    let clients = 0;
    for (const { client } of requests) {
      if (client.answeredWith === answered) continue;
      noteArrival(client); // no other batch needs to wait for it
      client.answeredWith = answered;
      clients++;
    }
    this.#answered = answered;
    this.#wanted = answered.missing = clients - Math.floor(clients / CLIENTS_PER_ABSENTEE);
    this.#untilMs = this.#clock.monotonicMs() + WAIT_MS;
  }

  /** Notes a new request of a client. */
  noteRequest(client: PacedClient): void {
    noteArrival(client);
  }

  /**
   * Whether one more request may have made the batch due. If not, the caller need not ask `isDue`.
   */
  mayBeDue({ isFull, batchesInFlight }: BatchStatus): boolean {
    return !this.#isWaking || isFull ||
      (batchesInFlight === 0 && this.#answered.missing === 0);
  }

  /**
   * Whether to send the batch now. If not, ask again after the next answers; `wake` is called if it
   * may be due before that.
   */
  isDue({ isFull, batchesInFlight, newestSentMs }: BatchStatus): boolean {
    if (isFull) return batchesInFlight < this.#batchesMax;
    if (batchesInFlight === 0 && this.#answered.missing === 0) {
      if (this.#wanted > 0) this.#skips = 0;
      this.#wanted = 0;
      return true;
    }
    const nowMs = this.#clock.monotonicMs();
    const untilMs = batchesInFlight === 0 ? this.#untilMs : newestSentMs + SLOW_BATCH_MS;
    if (nowMs < untilMs) {
      this.#wakeIn(untilMs - nowMs);
      return false;
    }
    if (batchesInFlight > 0) return batchesInFlight < this.#batchesMax;
    if (this.#answered.missing > this.#wanted / 2) this.#noteVainWait();
    this.#stopWaiting();
    return true;
  }

  #stopWaiting(): void {
    this.#answered.missing = 0;
    this.#wanted = 0;
  }

  #noteVainWait(): void {
    this.#skips = Math.min(SKIPS_MAX, Math.max(1, 2 * this.#skips));
    this.#skipsLeft = this.#skips;
  }

  #wakeIn(delayMs: number): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    this.#clock.after(delayMs, () => {
      this.#isWaking = false;
      this.#wake();
    });
  }
}

/** The client has asked again: no batch needs to wait for it any more. */
function noteArrival(client: PacedClient): void {
  const { answeredWith } = client;
  if (answeredWith === null) return;
  if (answeredWith.missing > 0) answeredWith.missing--;
  client.answeredWith = null;
}
