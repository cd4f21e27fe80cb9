import type { Ring } from "./ring.ts";
import type { RingId } from "./ring_id.ts";

/** What changes for all ids of one arc of the ring. */
export interface ArcMove {
  /** Start of the arc, exclusive. */
  readonly after: RingId;
  /** End of the arc, inclusive. An arc that ends at or before its start crosses 0. */
  readonly upTo: RingId;
  /** The members that hold the arc's files before the change. */
  readonly holders: readonly string[];
  /** The members that need a copy and have none. */
  readonly gains: readonly string[];
  /** The members whose copy can go, once all of `gains` have theirs. */
  readonly losses: readonly string[];
}

/**
 * Finds the moves of copies between two memberships, and no others: an id appears in them only if
 * its holders change, and a copy moves only to a member that lacks it.
 *
 * The nodes do not need it: `FILE WORK` has each find its own part of these moves from the committed
 * layout, blob by blob, also when that has changed once more before all are made. The plan says what
 * they add up to, for the whole ring at once, and the tests hold the ring to it.
 *
 * @param copies number of copies of each file
 * @returns disjoint arcs, in ascending order
 */
export function planMoves(before: Ring, after: Ring, copies: number): readonly ArcMove[] {
  const ends = Float64Array.from(new Set([...before.points, ...after.points])).sort();
  const moves: ArcMove[] = [];
  let end = ends.at(-1) ?? 0;
  for (const upTo of ends) {
    const arc = { after: end, upTo };
    end = upTo;
    const holders = before.successors(upTo, copies);
    const wanted = after.successors(upTo, copies);
    const gains = wanted.filter((id) => !holders.includes(id));
    const losses = holders.filter((id) => !wanted.includes(id));
    if (gains.length === 0 && losses.length === 0) continue;
    moves.push({ ...arc, holders, gains, losses });
  }
  return moves;
}

/** Whether an id is on the arc of a move. */
export function isOnArc({ after, upTo }: ArcMove, id: RingId): boolean {
  if (after < upTo) return id > after && id <= upTo;
  return id > after || id <= upTo;
}
