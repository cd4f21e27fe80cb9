import { assert } from "../base/assert.ts";
import type { NodeId } from "./types.ts";

/** A read that the leader was asked for, by its own driver or by a follower. */
export interface ReadRequest {
  readonly from: NodeId;
  readonly readId: number;
}

/** A read whose index is settled, though leadership may still have to be confirmed. */
export interface IndexedRead extends ReadRequest {
  readonly index: number;
}

interface Round {
  readonly round: number;
  readonly reads: readonly IndexedRead[];
  readonly openedTick: number;
}

/**
 * The leader's reads on their way to an answer (thesis §6.4). A read gets the commit index of its
 * arrival, or, before the leader has committed an entry of its own term, of the moment when that
 * happens; then it joins the next round of heartbeats, and is answered when a majority has
 * answered that round or a later one, which proves that the leader still led after the read came. A
 * round is sent to no more voters than make a majority, and to the others if it takes long.
 */
export class ReadRounds {
  #early: ReadRequest[] = [];
  #fresh: IndexedRead[] = [];
  readonly #rounds: Round[] = [];
  #round = 0;

  /** The newest round opened; 0 before the first. */
  get round(): number {
    return this.#round;
  }

  /** When the oldest round that waits for its answers was opened; `Infinity`: none waits. */
  get oldestTick(): number {
    return this.#rounds[0]?.openedTick ?? Infinity;
  }

  hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** @param commitIndex `null` while no entry of the leader's own term is committed */
  add(read: ReadRequest, commitIndex: number | null): void {
    if (commitIndex === null) this.#early.push(read);
    else this.#fresh.push({ ...read, index: commitIndex });
  }

  /** The leader has committed an entry of its own term: the reads that waited for it may go on. */
  opened(commitIndex: number): void {
    for (const read of this.#early) this.#fresh.push({ ...read, index: commitIndex });
    this.#early = [];
  }

  /** Begins a round for all reads that came since the last one. */
  openRound(tick: number): void {
    assert(this.hasFresh(), "a round serves at least one read");
    this.#round++;
    this.#rounds.push({ round: this.#round, reads: this.#fresh, openedTick: tick });
    this.#fresh = [];
  }

  /** Takes out the reads that are answered when a majority has answered `round`. */
  confirm(round: number): readonly IndexedRead[] {
    const confirmed: IndexedRead[] = [];
    while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round) {
      for (const read of this.#rounds[0].reads) confirmed.push(read);
      this.#rounds.shift();
    }
    return confirmed;
  }

  /** All reads without an answer, for the leader that steps down. */
  abandon(): readonly ReadRequest[] {
    return [...this.#rounds.flatMap((round) => round.reads), ...this.#fresh, ...this.#early];
  }
}
