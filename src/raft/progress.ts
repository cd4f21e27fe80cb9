import { assert } from "../base/assert.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

/** Limits of what may be under way to one peer. */
export interface ProgressLimits {
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
}

interface Inflight {
  readonly lastIndex: number;
  readonly sizeBytes: number;
  readonly sentTick: number;
}

/**
 * What the leader knows of one peer's log, and what it has under way to it.
 *
 * `probe`: where the logs part is not known; one append at a time. `replicate`: the logs match up
 * to what was sent; appends follow each other without waiting for replies. `snapshot`: it needs what
 * the leader's log no longer has; nothing is sent but a snapshot.
 *
 * Invariant: `0 <= match < next`.
 */
export class Progress {
  /** The peer's log is known to equal the leader's up to here, durably. */
  match = 0;
  /** The next entry to send. */
  next: number;
  state: ProgressState = "probe";
  /** When the peer last answered in this term. */
  heardTick: number;
  /** The newest round of leadership confirmation that the peer has answered. */
  ackedRound = 0;
  /** The newest round that the peer was asked about. */
  askedRound = 0;
  /** The highest commit index that some message has taken to the peer. */
  commitTold = 0;
  heartbeatDue = false;
  /** An empty append shall find out whether what is in flight got lost. */
  checkDue = false;

  readonly #limits: ProgressLimits;
  readonly #inflights: Inflight[] = [];
  #inflightBytes = 0;
  /** When the append that awaits its answer in `probe` went out; `null` when none did. */
  #probeTick: number | null = null;
  #checkTick = 0;
  #snapshotIndex = 0;
  /** When the driver was asked for a snapshot; `null` when it is to be asked again. */
  #snapshotTick: number | null = null;

  /** @param next the first guess of where the peer's log ends (Raft paper §5.3: behind the leader's last entry) */
  constructor(limits: ProgressLimits, next: number, tick: number) {
    this.#limits = limits;
    this.next = next;
    this.heardTick = tick;
  }

  /** Whether entries may be sent now to a peer of a leader whose log ends at `lastIndex`. */
  canSend(lastIndex: number): boolean {
    if (this.next > lastIndex || this.state === "snapshot") return false;
    if (this.state === "probe") return this.#probeTick === null;
    return this.#inflights.length < this.#limits.inflightMax &&
      this.#inflightBytes < this.#limits.inflightBytesMax;
  }

  /** Whether a snapshot is to be sent now by a leader whose log begins at `firstIndex`. */
  needsSnapshot(firstIndex: number): boolean {
    return this.state === "snapshot" ? this.#snapshotTick === null : this.next < firstIndex;
  }

  /** A snapshot up to `index`, or a newer one, is on its way. */
  snapshotSent(index: number, tick: number): void {
    this.state = "snapshot";
    this.#forgetInflights();
    this.#snapshotIndex = index;
    this.#snapshotTick = tick;
  }

  /** Entries from `next` to `lastIndex` were sent. */
  sent(lastIndex: number, sizeBytes: number, tick: number): void {
    assert(lastIndex >= this.next, "entries are sent once");
    if (this.state === "probe") {
      this.#probeTick = tick;
      return;
    }
    this.next = lastIndex + 1;
    this.#inflights.push({ lastIndex, sizeBytes, sentTick: tick });
    this.#inflightBytes += sizeBytes;
  }

  /** The peer has everything up to `index`. Tells whether that is news. */
  accepted(index: number): boolean {
    const isNews = index > this.match;
    if (isNews) this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.#freeTo(index);
    if (this.state === "probe" && index >= this.match) this.#replicate();
    if (this.state === "snapshot" && index >= this.#snapshotIndex) this.#replicate();
    this.#check();
    return isNews;
  }

  /**
   * The peer does not have the leader's entry at `index`; it may match up to `hint`. Goes back
   * there, unless the answer is an old one.
   */
  refused(index: number, hint: number): void {
    if (this.state === "snapshot") return;
    if (index <= this.match || index >= this.next) return;
    if (this.state === "probe" && index !== this.next - 1) return;
    this.#probe(Math.max(this.match, Math.min(index - 1, hint)) + 1);
  }

  /** What is in flight may be lost with the connection. */
  unreachable(): void {
    if (this.state === "replicate") this.#probe(this.match + 1);
    this.#snapshotTick = this.#snapshotTick === null ? null : -Infinity; // asked for when it is back
  }

  /**
   * The peer has just shown that it is alive: an append that has gone unanswered for `patience`
   * ticks may be lost, and is sent again (probe) or asked after (replicate); a snapshot likewise
   * after `snapshotPatience`.
   */
  alive(tick: number, patience: number, snapshotPatience: number): void {
    if (this.state === "snapshot") {
      const isOverdue = tick - (this.#snapshotTick ?? tick) >= snapshotPatience;
      if (isOverdue) this.#snapshotTick = null;
      return;
    }
    if (this.state === "probe") {
      if (this.#probeTick !== null && tick - this.#probeTick >= patience) this.#probeTick = null;
      return;
    }
    const oldest = this.#inflights[0];
    if (oldest === undefined || tick - Math.max(oldest.sentTick, this.#checkTick) < patience) {
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
    this.#check();
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

  #check(): void {
    assert(0 <= this.match && this.match < this.next, "0 <= match < next");
  }
}
