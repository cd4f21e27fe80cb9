import type { Random } from "../base/random.ts";
import { randomInteger } from "../base/random.ts";

/**
 * The reads that a follower has asked the leader for. On the wire each has an id of its own, drawn
 * from a range that is random for each life of the node: the late answer to a question from before
 * a restart must not pass for the answer to a newer one.
 */
export class ForwardedReads {
  readonly #asked = new Map<number, { readonly readId: number; readonly tick: number }>();
  #nextWireId: number;

  constructor(random: Random) {
    this.#nextWireId = randomInteger(random, 2 ** 32) * 2 ** 20;
  }

  /** Notes a question asked now; the result is its id on the wire. */
  ask(readId: number, tick: number): number {
    const wireId = this.#nextWireId++;
    this.#asked.set(wireId, { readId, tick });
    return wireId;
  }

  /** The driver's id of the question that was answered; `null` when nobody waits for it any more. */
  answered(wireId: number): number | null {
    const asked = this.#asked.get(wireId);
    if (asked === undefined) return null;
    this.#asked.delete(wireId);
    return asked.readId;
  }

  /** Gives up what was asked at or before `tick`, all by default. */
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
