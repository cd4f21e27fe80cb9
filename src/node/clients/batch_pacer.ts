import type { Clock } from "../../platform/clock.ts";

/** Of the clients that were just answered, so many are waited for. */
const SHARE = 15 / 16;
/** How long they are waited for. */
const WAIT_MS = 2;
/** After waits in vain, so many batches at most go without one. */
const SKIPS_MAX = 64;
/** A batch that has been under way for so long is not waited for: the way to a majority is long. */
export const LONG_WAY_MS = 4;
/** So much goes without waiting for more, beside what is under way. */
export const FULL_BATCH_BYTES = 256 * 1024;

/** What is there of one kind of request. */
export interface BatchStatus {
  /** What has been collected for the next batch is enough for one. */
  readonly isFull: boolean;
  /** Batches under way. */
  readonly underWayCount: number;
  /** When the newest of these left; meaningful when there is one. */
  readonly newestSinceMs: number;
}

/** Someone who asks and is answered, of one `BatchPacer` or of several. */
export interface Asker {
  /** For `BatchPacer` alone: those with whom it was answered last; `null` since it asked again. */
  answeredWith: Answered | null;
}

/** The clients who were answered together. */
interface Answered {
  /** So many of them are still waited for. */
  missing: number;
}

/**
 * Decides when a batch of requests has gathered. Every batch costs all nodes the same, however
 * little is in it; and clients that wait for each answer ask again as soon as they have it. With a
 * batch for whatever is there, they part into groups, each on its way while the others collect: many
 * small batches instead of one. So one batch is under way at a time, unless it stays away for long,
 * and the next one waits a moment for those whom the last one has answered. Where they do not come
 * back so soon, since they ask at times of their own, the wait is given up for a while, longer and
 * longer.
 */
export class BatchPacer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #underWayMax: number;
  /** Who was answered last. */
  #answered: Answered = { missing: 0 };
  /** So many of them were waited for at first. */
  #wanted = 0;
  #untilMs = -Infinity;
  #skips = 0;
  #skipsLeft = 0;
  #isWaking = false;

  /** @param wake has `isDue` asked again */
  constructor(clock: Clock, underWayMax: number, wake: () => void) {
    this.#clock = clock;
    this.#underWayMax = underWayMax;
    this.#wake = wake;
  }

  /** These requests were answered. */
  noteAnswers(requests: readonly { readonly client: Asker }[]): void {
    this.#stopWaiting();
    if (this.#skipsLeft > 0) {
      this.#skipsLeft--;
      return;
    }
    const answered = { missing: 0 };
    let clients = 0;
    for (const { client } of requests) {
      if (client.answeredWith === answered) continue;
      noteArrival(client); // nobody else needs to wait for it
      client.answeredWith = answered;
      clients++;
    }
    this.#answered = answered;
    this.#wanted = answered.missing = Math.floor(clients * SHARE);
    this.#untilMs = this.#clock.monotonicMs() + WAIT_MS;
  }

  /** A client has asked for something. */
  noteRequest(client: Asker): void {
    noteArrival(client);
  }

  /** Whether one request more may have made the batch due: if not, there is no need to ask. */
  mayBeDue({ isFull, underWayCount }: BatchStatus): boolean {
    return !this.#isWaking || isFull ||
      (underWayCount === 0 && this.#answered.missing === 0);
  }

  /** Whether the batch goes now. If not, `wake` is called when it is to be asked again. */
  isDue({ isFull, underWayCount, newestSinceMs }: BatchStatus): boolean {
    if (isFull) return underWayCount < this.#underWayMax;
    if (underWayCount === 0 && this.#answered.missing === 0) {
      if (this.#wanted > 0) this.#skips = 0;
      this.#wanted = 0;
      return true;
    }
    const nowMs = this.#clock.monotonicMs();
    const untilMs = underWayCount === 0 ? this.#untilMs : newestSinceMs + LONG_WAY_MS;
    if (nowMs < untilMs) {
      this.#wakeIn(untilMs - nowMs);
      return false;
    }
    if (underWayCount > 0) return underWayCount < this.#underWayMax;
    if (this.#answered.missing > this.#wanted / 2) this.#wasInVain();
    this.#stopWaiting();
    return true;
  }

  #stopWaiting(): void {
    this.#answered.missing = 0;
    this.#wanted = 0;
  }

  #wasInVain(): void {
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

/** The client does not keep those waiting with whom it was answered. */
function noteArrival(client: Asker): void {
  const { answeredWith } = client;
  if (answeredWith === null) return;
  if (answeredWith.missing > 0) answeredWith.missing--;
  client.answeredWith = null;
}
