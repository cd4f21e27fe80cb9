import { type RingId, ringIds } from "./ring_id.ts";

/** A node that holds files. */
export interface RingMember {
  readonly id: string;
  /** Its share of the files relative to the other members. 0: it holds none. */
  readonly weight: number;
}

/**
 * Number of points that a member of weight 1 has on the ring. The more points, the more even the
 * shares: with 256, those of 5 equal members differ from a fifth by 6 % (standard deviation).
 */
const POINTS_PER_WEIGHT = 256;
/** Maximum weight of a member. The time to build a ring grows by up to 1 ms for each unit of weight. */
export const WEIGHT_MAX = 64;

/**
 * A hash ring: which members hold a file. Each member stands at many points of the ring, derived
 * from its id alone. The holders of a file are the first distinct members at or after the file's id.
 * So a member that joins, leaves or changes its weight moves no file between two others.
 *
 * As every node knows all members, it finds the holders in one local step. Chord (Stoica et al.,
 * SIGCOMM 2001) gives each node a logarithmic number of the others and needs as many hops.
 */
export class Ring {
  /** In the order of their ids. */
  readonly members: readonly RingMember[];
  /** The points in ascending order. */
  readonly #points: Float64Array;
  /** By point: the index of its member. */
  readonly #owners: Uint16Array;
  /** Successors found so far, by their number and then by the index of the first point. */
  readonly #known = new Map<number, (readonly string[] | undefined)[]>();

  /**
   * @param members with weights from 0 to `WEIGHT_MAX`
   * @throws {RangeError} when two ids are equal, or a weight is out of range
   */
  constructor(members: readonly RingMember[]) {
    this.members = members.toSorted((one, other) => one.id < other.id ? -1 : 1);
    const ids = new Set(members.map(({ id }) => id));
    if (ids.size < members.length) throw new RangeError("Cannot place two members of the same id");
    const owners = new Map<RingId, number>();
    this.members.forEach(({ id, weight }, index) => {
      // Of two members at one point the later id wins, whatever order they were given in.
      for (const point of ringIds(`node ${id}`, pointCount(weight))) owners.set(point, index);
    });
    this.#points = Float64Array.from(owners.keys()).sort();
    this.#owners = Uint16Array.from(this.#points, (point) => owners.get(point) ?? 0);
  }

  /** The points in ascending order. Between two of them, all ids have the same successors. */
  get points(): Float64Array {
    return this.#points;
  }

  /**
   * The first distinct members at or after an id: the responsible one first.
   *
   * @returns `count` ids, or fewer if there are fewer members that hold files
   */
  successors(id: RingId, count: number): readonly string[] {
    if (!Number.isInteger(count) || count < 0) {
      throw new RangeError(`Cannot find ${count} members: expected an integer of at least 0`);
    }
    if (this.#points.length === 0 || count === 0) return [];
    let known = this.#known.get(count);
    if (known === undefined) {
      known = [];
      this.#known.set(count, known);
    }
    const at = this.#indexAtOrAfter(id);
    return known[at] ??= this.#distinctFrom(at, count);
  }

  /** Index of the first point at or after an id, and of the first point after the last one. */
  #indexAtOrAfter(id: RingId): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#points[middle] ?? 0) < id) low = middle + 1;
      else high = middle;
    }
    return low === this.#points.length ? 0 : low;
  }

  #distinctFrom(start: number, count: number): readonly string[] {
    const found = new Set<string>();
    const length = this.#points.length;
    for (let step = 0; step < length && found.size < count; step++) {
      const owner = this.members[this.#owners[(start + step) % length] ?? 0];
      if (owner !== undefined) found.add(owner.id);
    }
    return [...found];
  }
}

function pointCount(weight: number): number {
  if (!(weight >= 0 && weight <= WEIGHT_MAX)) {
    throw new RangeError(`Cannot place a member of weight ${weight}: expected 0 to ${WEIGHT_MAX}`);
  }
  return weight === 0 ? 0 : Math.max(1, Math.round(weight * POINTS_PER_WEIGHT));
}
