import { assert } from "../base/assert.ts";
import { latin1, writeLatin1 } from "../base/latin1.ts";

/** Longer values are better off as strings of their own. */
export const ARENA_VALUE_BYTES_MAX = 4096;

/** Blocks begin at multiples of this, and a place is counted in it: so it stays a small integer. */
const UNIT_BYTES = 8;
const WORDS_PER_UNIT = 2;
/** A block begins with its tenant's position and its own number of units, 4 bytes each. */
const HEADER_UNITS = 1;
const SEGMENT_UNITS_BITS = 15;
const SEGMENT_UNITS_MAX = 2 ** SEGMENT_UNITS_BITS;
/**
 * A small state takes little. A quarter of such a segment is still more than the largest block, so
 * that emptying one always wins more than is left unused at another's end.
 */
const SEGMENT_UNITS_MIN = 2 ** 12;
/** When more than one unit of so many belongs to nobody any more, some are won back. */
const DEAD_SHARE = 4;

const NOWHERE = -1;

/** Whose value a block holds. Only the arena changes the place. */
export interface Tenant {
  readonly valueBytes: number;
  /** Among all tenants. */
  readonly position: number;
  /** In units from the arena's beginning; -1: the tenant has no block. */
  place: number;
}

/** A stretch of memory that is filled from its beginning and emptied as a whole. */
class Segment {
  readonly index: number;
  readonly units: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  filledUnits = 0;
  deadUnits = 0;

  constructor(index: number, units: number) {
    this.index = index;
    this.units = units;
    const buffer = new ArrayBuffer(units * UNIT_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}

/**
 * Short byte strings in memory of our own: as strings of V8 each would be moved twice when it is new,
 * visited at every later collection, and collected when the next one takes its place.
 *
 * A value of a length much like its predecessor's is written over it. Any other goes to the end; what
 * it leaves behind is won back by moving all that is left of the segment with the most dead units. So
 * at most about a quarter is dead, whatever the lengths of values are and in which order they come.
 * Design: the log-structured memory of RAMCloud (Rumble et al., FAST '14).
 */
export class ValueArena {
  /** By position. */
  readonly #tenants: readonly Tenant[];
  readonly #segments: (Segment | null)[] = [];
  readonly #freeIndexes: number[] = [];
  #head: Segment | null = null;
  #allocatedUnits = 0;
  #deadUnits = 0;

  /** @param tenants by position: a list that its owner goes on changing */
  constructor(tenants: readonly Tenant[]) {
    this.#tenants = tenants;
  }

  /** How much memory it holds, dead or not. */
  get allocatedBytes(): number {
    return this.#allocatedUnits * UNIT_BYTES;
  }

  /** The value at that place. */
  read(place: number, length: number): string {
    const from = (unitOf(place) + HEADER_UNITS) * UNIT_BYTES;
    return latin1(this.#segmentOf(place).bytes, from, from + length);
  }

  /** Gives a tenant who has no block one with that value, of at most `ARENA_VALUE_BYTES_MAX`. */
  add(tenant: Tenant, value: string): void {
    writeValue(this.#newBlock(tenant, unitsFor(value.length)), tenant.place, value);
  }

  /** Writes another value over a tenant's, if it takes just as many units; tells whether it does. */
  overwrite(tenant: Tenant, value: string): boolean {
    if (unitsFor(value.length) !== unitsFor(tenant.valueBytes)) return false;
    writeValue(this.#segmentOf(tenant.place), tenant.place, value);
    return true;
  }

  /** Takes a tenant's block away. */
  remove(tenant: Tenant): void {
    const units = unitsFor(tenant.valueBytes);
    this.#segmentOf(tenant.place).deadUnits += units;
    this.#deadUnits += units;
    tenant.place = NOWHERE;
    this.#winBack();
  }

  /** Must be called when a tenant has got another position. */
  moved(tenant: Tenant): void {
    if (tenant.place === NOWHERE) return;
    this.#segmentOf(tenant.place).words[unitOf(tenant.place) * WORDS_PER_UNIT] = tenant.position;
  }

  #segmentOf(place: number): Segment {
    const segment = this.#segments[place >> SEGMENT_UNITS_BITS];
    assert(segment !== undefined && segment !== null, `Cannot find a value: place ${place}`);
    return segment;
  }

  /** Room for the tenant at the end of the newest segment, or in a new one. */
  #newBlock(tenant: Tenant, units: number): Segment {
    let segment = this.#head;
    if (segment === null || segment.filledUnits + units > segment.units) {
      segment = this.#newSegment();
    }
    const at = segment.filledUnits;
    segment.filledUnits += units;
    segment.words[at * WORDS_PER_UNIT] = tenant.position;
    segment.words[at * WORDS_PER_UNIT + 1] = units;
    tenant.place = segment.index * SEGMENT_UNITS_MAX + at;
    return segment;
  }

  #newSegment(): Segment {
    if (this.#head !== null) { // what is left of it can never be used
      const left = this.#head.units - this.#head.filledUnits;
      this.#head.deadUnits += left;
      this.#deadUnits += left;
    }
    const index = this.#freeIndexes.pop() ?? this.#segments.length;
    const units = Math.min(SEGMENT_UNITS_MAX, SEGMENT_UNITS_MIN + this.#allocatedUnits);
    this.#head = new Segment(index, units);
    this.#segments[index] = this.#head;
    this.#allocatedUnits += units;
    return this.#head;
  }

  /** Empties segments, those with the most dead units first, until few enough are dead. */
  #winBack(): void {
    while (this.#deadUnits * DEAD_SHARE > this.#allocatedUnits) {
      let worst: Segment | null = null;
      for (const segment of this.#segments) {
        if (segment === null) continue;
        if (worst === null || segment.deadUnits > worst.deadUnits) worst = segment;
      }
      if (worst === null) return;
      this.#empty(worst);
    }
  }

  /** Moves what is alive in a segment to the end, and gives the segment back. */
  #empty(segment: Segment): void {
    if (segment === this.#head) this.#head = null;
    const { index, words, filledUnits } = segment;
    for (let at = 0; at < filledUnits;) {
      const from = at * WORDS_PER_UNIT;
      const units = words[from + 1] ?? 0;
      const tenant = this.#tenants[words[from] ?? 0];
      if (tenant?.place === index * SEGMENT_UNITS_MAX + at) {
        const target = this.#newBlock(tenant, units);
        const to = unitOf(tenant.place) * WORDS_PER_UNIT;
        for (let word = WORDS_PER_UNIT; word < units * WORDS_PER_UNIT; word++) {
          target.words[to + word] = words[from + word] ?? 0;
        }
      }
      at += units;
    }
    this.#segments[index] = null;
    this.#freeIndexes.push(index);
    this.#allocatedUnits -= segment.units;
    this.#deadUnits -= segment.deadUnits;
  }
}

/** Where in its segment a place is. */
function unitOf(place: number): number {
  return place & (SEGMENT_UNITS_MAX - 1);
}

/** How many units a block for a value of that length takes. */
function unitsFor(length: number): number {
  return HEADER_UNITS + Math.ceil(length / UNIT_BYTES);
}

function writeValue(segment: Segment, place: number, value: string): void {
  writeLatin1(segment.bytes, (unitOf(place) + HEADER_UNITS) * UNIT_BYTES, value);
}
