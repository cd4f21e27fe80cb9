import { assert } from "../base/errors.ts";
import type { ProgressState } from "./types.ts";

/** Limits on what is in flight to one peer. */
export interface ProgressLimits {
  /** Maximum number of append requests. */
  readonly inflightMax: number;
  /** Bytes of their entries at or above which no further one is sent. */
  readonly inflightBytesMax: number;
}

interface Inflight {
  readonly lastIndex: number;
  readonly sizeBytes: number;
  readonly sentTick: number;
}

/**
 * What the leader knows of one peer's log, and what is in flight to it.
 *
 * - `probe`: the leader does not know where the logs diverge, and sends one append at a time.
 * - `replicate`: the logs match up to what was sent, and appends follow each other without waiting
 *   for replies.
 * - `snapshot`: the peer needs entries that the leader has compacted, and gets nothing but a
 *   snapshot.
 *
 * Invariant: `0 <= match < next`.
 */
export class Progress {
  /** The peer's log is known to match the leader's up to here, durably. */
  match = 0;
  /** Index of the next entry to send. */
  next: number;
  state: ProgressState = "probe";
  /** The tick at which the peer last answered in this term. */
  heardTick: number;
  /** The newest round of leadership confirmation that the peer has answered. */
  ackedRound = 0;
  /** The newest round that was sent to the peer. */
  askedRound = 0;
  /** The highest commit index that a message has carried to the peer. */
  commitSent = 0;
  heartbeatDue = false;
  /** Whether to send an empty append, to find out whether what is in flight was lost. */
  checkDue = false;

  readonly #limits: ProgressLimits;
  readonly #inflights: Inflight[] = [];
  #inflightBytes = 0;
  /** The tick at which the unanswered probe was sent; `null` when no probe is in flight. */
  #probeTick: number | null = null;
  #checkTick = 0;
  #snapshotIndex = 0;
  /** The tick at which the driver was asked for a snapshot; `null` when it is to be asked again. */
  #snapshotTick: number | null = null;

  /**
   * @param next first guess of the next entry that the peer needs: the one after the leader's last
   * (Raft paper §5.3)
   */
  constructor(limits: ProgressLimits, next: number, tick: number) {
    this.#limits = limits;
    this.next = next;
    this.heardTick = tick;
  }

  /** Bytes of the entries that were sent and not yet answered. */
  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  /** Whether entries may be sent now, given the end of the leader's log. */
  canSend(lastIndex: number): boolean {
    if (this.next > lastIndex || this.state === "snapshot") return false;
    if (this.state === "probe") return this.#probeTick === null;
    return this.#inflights.length < this.#limits.inflightMax &&
      this.#inflightBytes < this.#limits.inflightBytesMax;
  }

  /** Whether the driver is to be asked for a snapshot now, given the start of the leader's log. */
  needsSnapshot(firstIndex: number): boolean {
    return this.state === "snapshot" ? this.#snapshotTick === null : this.next < firstIndex;
  }

  /** The driver was asked for a snapshot up to `index` or a newer one. */
  noteSnapshotWanted(index: number, tick: number): void {
    this.state = "snapshot";
    this.#forgetInflights();
    this.#snapshotIndex = index;
    this.#snapshotTick = tick;
  }

  /** Entries from `next` to `lastIndex` were sent. A probe may have none. */
  noteSent(lastIndex: number, sizeBytes: number, tick: number): void {
    if (this.state === "probe") {
      this.#probeTick = tick;
      return;
    }
    assert(lastIndex >= this.next, "entries are sent once");
    this.next = lastIndex + 1;
    this.#inflights.push({ lastIndex, sizeBytes, sentTick: tick });
    this.#inflightBytes += sizeBytes;
  }

  /** The peer has all entries up to `index`. Returns whether that is news. */
  accept(index: number): boolean {
    const isNews = index > this.match;
    if (isNews) this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.#freeTo(index);
    if (this.state === "probe" && index >= this.match) this.#replicate();
    if (this.state === "snapshot" && index >= this.#snapshotIndex) this.#replicate();
    this.#assertInvariant();
    return isNews;
  }

  /**
   * The peer lacks the leader's entry at `index`, and may match up to `hint`. Backs up to there,
   * unless the refusal is stale.
   */
  refuse(index: number, hint: number): void {
    if (this.state === "snapshot") return;
    if (index <= this.match || index >= this.next) return;
    if (this.state === "probe" && index !== this.next - 1) return;
    this.#probe(Math.max(this.match, Math.min(index - 1, hint)) + 1);
  }

  /** What is in flight may be lost with the connection. */
  noteUnreachable(): void {
    if (this.state === "replicate") this.#probe(this.match + 1);
    // The driver is asked again once the peer answers.
    this.#snapshotTick = this.#snapshotTick === null ? null : -Infinity;
  }

  /**
   * The peer has just shown that it is alive. An append without an answer for `retryTicks` may be
   * lost: a probe is sent again, and a replicating peer is asked what it has. The driver is asked
   * for a snapshot again after `snapshotRetryTicks`.
   */
  noteAlive(tick: number, retryTicks: number, snapshotRetryTicks: number): void {
    if (this.state === "snapshot") {
      const isOverdue = tick - (this.#snapshotTick ?? tick) >= snapshotRetryTicks;
      if (isOverdue) this.#snapshotTick = null;
      return;
    }
    if (this.state === "probe") {
      if (this.#probeTick !== null && tick - this.#probeTick >= retryTicks) this.#probeTick = null;
      return;
    }
    const oldest = this.#inflights[0];
    if (oldest === undefined || tick - Math.max(oldest.sentTick, this.#checkTick) < retryTicks) {
      return;
    }
    this.#checkTick = tick;
    this.checkDue = true;
  }

  #replicate(): void {
    this.state = "replicate";
    this.next = this.match + 1;
    this.#forgetInflights();
  }

  #probe(next: number): void {
    this.state = "probe";
    this.next = next;
    this.#forgetInflights();
    this.#assertInvariant();
  }

  #forgetInflights(): void {
    this.#inflights.length = 0;
    this.#inflightBytes = 0;
    this.#probeTick = null;
    this.checkDue = false;
  }

  #freeTo(index: number): void {
    let freed = 0;
    for (const inflight of this.#inflights) {
      if (inflight.lastIndex > index) break;
      this.#inflightBytes -= inflight.sizeBytes;
      freed++;
    }
    this.#inflights.splice(0, freed);
  }

  #assertInvariant(): void {
    assert(0 <= this.match && this.match < this.next, "0 <= match < next");
  }
}

/** Number of voters that form a majority of `voterCount`. */
export function majority(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1;
}

/** The highest value that a majority has reached, given those of all voters, which it sorts. */
export function reachedByMajority(values: number[]): number {
  values.sort((a, b) => b - a);
  const value = values[majority(values.length) - 1];
  assert(value !== undefined, "a cluster has at least one member");
  return value;
}
