import { assert } from "../base/errors.ts";
import { type Random, randomInteger } from "../base/random.ts";
import type { NodeId } from "./types.ts";

/** A read that the leader's own driver or a follower has asked for. */
export interface ReadRequest {
  readonly from: NodeId;
  readonly readId: number;
}

/** A read whose index is known, though leadership may still have to be confirmed. */
export interface IndexedRead extends ReadRequest {
  readonly index: number;
}

interface Round {
  readonly round: number;
  readonly reads: readonly IndexedRead[];
  readonly openedTick: number;
}

/**
 * The reads that wait at the leader (thesis §6.4). A read gets the commit index of its arrival or,
 * if the leader has not yet committed an entry of its own term, that of this first commit. It then
 * joins the next round of heartbeats, and is answered when a majority has answered that round or a
 * later one: this proves that the leader still led after the read arrived. A round is sent to as
 * many voters as a majority needs, and to all other peers if it takes long.
 */
export class ReadRounds {
  /** Reads that wait for the first commit of the leader's term. */
  #early: ReadRequest[] = [];
  /** Reads that wait for the next round. */
  #fresh: IndexedRead[] = [];
  readonly #rounds: Round[] = [];
  #round = 0;

  /** The newest round opened; 0 before the first. */
  get round(): number {
    return this.#round;
  }

  /** The tick at which the oldest unanswered round was opened; `Infinity` if there is none. */
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

  /**
   * The leader has committed an entry of its own term: reads that waited for it join the next
   * round.
   */
  noteCommit(commitIndex: number): void {
    for (const read of this.#early) this.#fresh.push({ ...read, index: commitIndex });
    this.#early = [];
  }

  /** Opens a round for all reads since the last one. */
  openRound(tick: number): void {
    assert(this.hasFresh(), "a round serves at least one read");
    this.#round++;
    this.#rounds.push({ round: this.#round, reads: this.#fresh, openedTick: tick });
    this.#fresh = [];
  }

  /** Removes and returns the reads that are answered once a majority has answered `round`. */
  confirm(round: number): readonly IndexedRead[] {
    const confirmed: IndexedRead[] = [];
    while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round) {
      for (const read of this.#rounds[0].reads) confirmed.push(read);
      this.#rounds.shift();
    }
    return confirmed;
  }

  /** All reads without an answer, for a leader that steps down. */
  abandon(): readonly ReadRequest[] {
    return [...this.#rounds.flatMap((round) => round.reads), ...this.#fresh, ...this.#early];
  }
}

/**
 * The reads for which a follower has asked the leader. On the wire each has an id of its own. The
 * ids begin at a random number in each run of the node, so that a late answer to a request from
 * before a restart is not taken for the answer to a newer one.
 */
export class ForwardedReads {
  readonly #asked = new Map<number, { readonly readId: number; readonly tick: number }>();
  #nextWireId: number;

  constructor(random: Random) {
    this.#nextWireId = randomInteger(random, 2 ** 32) * 2 ** 20;
  }

  /** Notes a request, and returns its id on the wire. */
  ask(readId: number, tick: number): number {
    const wireId = this.#nextWireId++;
    this.#asked.set(wireId, { readId, tick });
    return wireId;
  }

  /**
   * Removes the answered request, and returns the driver's id for it; `null` if nobody waits for it
   * any more.
   */
  take(wireId: number): number | null {
    const asked = this.#asked.get(wireId);
    if (asked === undefined) return null;
    this.#asked.delete(wireId);
    return asked.readId;
  }

  /**
   * Removes the requests made at or before `tick`, all by default, and returns the driver's ids for
   * them.
   */
  giveUp(tick = Infinity): readonly number[] {
    const readIds: number[] = [];
    for (const [wireId, asked] of this.#asked) {
      if (asked.tick > tick) break;
      this.#asked.delete(wireId);
      readIds.push(asked.readId);
    }
    return readIds;
  }
}
