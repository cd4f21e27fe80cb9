import { assert } from "../base/errors.ts";
import { latin1, writeLatin1 } from "../base/bytes.ts";
import { HASHED_KEY_LENGTH_MAX } from "./key_table.ts";

/** Of a segment that is a part of a slab. */
export const SEGMENT_BYTES = 2 ** 18;
/**
 * 40 MiB: the C library gives memory of more than 32 MiB back to the system as soon as it is free,
 * while smaller pieces may stay with the process for good. Pages that were never written cost nothing.
 */
export const SLAB_SEGMENTS = 160;
/** With so many free segments in all slabs together, one of them is emptied. */
const FREE_SEGMENTS_MAX = SLAB_SEGMENTS * 5 / 4;

/** A large piece of memory, of which each segment is a part. */
class Slab {
  readonly #buffer = new ArrayBuffer(SLAB_SEGMENTS * SEGMENT_BYTES);
  readonly #free = Array.from({ length: SLAB_SEGMENTS }, (_, at) => SLAB_SEGMENTS - 1 - at);

  get used(): number {
    return SLAB_SEGMENTS - this.#free.length;
  }

  get isFull(): boolean {
    return this.#free.length === 0;
  }

  take(): SegmentPlace {
    const at = this.#free.pop();
    assert(at !== undefined, "Cannot take a segment: the slab is full");
    return new SegmentPlace(this, at, this.#buffer, at * SEGMENT_BYTES, SEGMENT_BYTES);
  }

  giveBack(at: number): void {
    this.#free.push(at);
  }

  /** Gives the memory back at once, not when garbage is collected. */
  release(): void {
    this.#buffer.transfer(0);
  }
}

/** The memory of one segment. */
export class SegmentPlace {
  /** `null`: it is a piece of memory of its own. */
  readonly slab: Slab | null;
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;

  constructor(slab: Slab | null, at: number, buffer: ArrayBuffer, from: number, length: number) {
    this.slab = slab;
    this.at = at;
    this.bytes = new Uint8Array(buffer, from, length);
    this.words = new Uint32Array(buffer, from, length / Uint32Array.BYTES_PER_ELEMENT);
  }
}

/**
 * The memory for segments. Small states have pieces of their own, as large as they need; large ones
 * take parts of slabs, the fullest first. A slab that is empty goes back to the system, and one that
 * could be is pointed out (`isScarce`), so that its segments are emptied.
 */
export class SegmentMemory {
  #slabs: Slab[] = [];
  /** The slab that is being emptied: nothing more is taken from it. */
  #scarce: Slab | null = null;
  #usedSegments = 0;

  /** How much memory the slabs take, used or not, pages that were never written among it. */
  get slabBytes(): number {
    return this.#slabs.length * SLAB_SEGMENTS * SEGMENT_BYTES;
  }

  /** Memory of its own, for a segment of any size. */
  takeAlone(bytes: number): SegmentPlace {
    return new SegmentPlace(null, 0, new ArrayBuffer(bytes), 0, bytes);
  }

  /** A part of a slab. */
  take(): SegmentPlace {
    let fullest: Slab | null = null;
    for (const slab of this.#slabs) {
      if (slab.isFull || slab === this.#scarce) continue;
      if (fullest === null || slab.used > fullest.used) fullest = slab;
    }
    if (fullest === null) {
      fullest = new Slab();
      this.#slabs.push(fullest);
    }
    this.#usedSegments++;
    return fullest.take();
  }

  giveBack({ slab, at, bytes }: SegmentPlace): void {
    if (slab === null) {
      const { buffer } = bytes;
      if (buffer instanceof ArrayBuffer) buffer.transfer(0);
      return;
    }
    slab.giveBack(at);
    this.#usedSegments--;
    if (slab.used > 0) return;
    this.#slabs = this.#slabs.filter((one) => one !== slab);
    if (slab === this.#scarce) this.#scarce = null;
    slab.release();
  }

  /** Whether there is a slab that should be emptied. */
  mayBeScarce(isSmall: boolean): boolean {
    if (this.#slabs.length === 0) return false;
    this.#scarce ??= this.#findScarce(isSmall);
    return this.#scarce !== null;
  }

  /**
   * Whether the segment is a part of a slab that should be emptied.
   *
   * @param isSmall the state needs no slab for what it holds
   */
  isScarce({ slab }: SegmentPlace, isSmall: boolean): boolean {
    return slab !== null && this.mayBeScarce(isSmall) && slab === this.#scarce;
  }

  #findScarce(isSmall: boolean): Slab | null {
    let emptiest: Slab | null = null;
    for (const slab of this.#slabs) {
      if (emptiest === null || slab.used < emptiest.used) emptiest = slab;
    }
    if (emptiest === null || isSmall) return emptiest;
    const free = this.#slabs.length * SLAB_SEGMENTS - this.#usedSegments;
    return free > FREE_SEGMENTS_MAX ? emptiest : null;
  }
}

/** Longer keys and values are better off as strings of their own. */
export const RECORD_KEY_BYTES_MAX = HASHED_KEY_LENGTH_MAX;
export const RECORD_VALUE_BYTES_MAX = 4096;

/** Positions are below this. */
export const POSITIONS_MAX = 2 ** 24;

/** Records begin at multiples of this, and a place is counted in it: so it stays a small integer. */
const UNIT_BYTES = 8;
const WORDS_PER_UNIT = 2;
const HEADER_UNITS = 1;
/**
 * A record begins with its position; the next word holds the lengths and a flag. The bits that are
 * left over in both words hold the stamp: its lower bits in the first, its upper in the second.
 */
const STATE_WORD = 1;
const POSITION_BITS = 24;
const POSITION_MASK = POSITIONS_MAX - 1;
const VALUE_LENGTH_BITS = 13;
const VALUE_LENGTH_MASK = 2 ** VALUE_LENGTH_BITS - 1;
const KEY_LENGTH_MASK = 2 ** 9 - 1;
const DEAD_FLAG = 2 ** 22;
const STATE_BITS = 23;
const STATE_MASK = 2 ** STATE_BITS - 1;
const LOWER_STAMP_BITS = 32 - POSITION_BITS;

const SEGMENT_UNITS_BITS = 15;
const SEGMENT_UNITS_MAX = 2 ** SEGMENT_UNITS_BITS;
/**
 * A small state takes little. A quarter of such a segment is still more than the largest record, so
 * that emptying one always wins more than is left unused at another's end.
 */
const SEGMENT_UNITS_MIN = 2 ** 12;
/** When more than one unit of so many belongs to nobody any more, some are won back. */
const DEAD_SHARE = 4;
/** A state of so many units needs no slabs. */
const SMALL_UNITS = 2 ** 20;

/**
 * What one change does at most to win memory back: to move a record costs its units and a few more.
 * So it takes half a millisecond at most, and still keeps up with what a change leaves behind.
 */
const STEP_COST_MIN = 64;
const STEP_COST_MAX = 4096;
const STEP_COST_PER_UNIT = 10;
const COST_PER_RECORD = 4;

/** A stretch of memory that is filled from its beginning and emptied as a whole. */
class Segment {
  readonly index: number;
  readonly place: SegmentPlace;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly units: number;
  filledUnits = 0;
  deadUnits = 0;

  constructor(index: number, place: SegmentPlace) {
    this.index = index;
    this.place = place;
    this.units = place.bytes.length / UNIT_BYTES;
    this.bytes = place.bytes;
    this.words = place.words;
  }
}

/** A segment on its way out, whose records before `unit` have left. */
interface Emptying {
  readonly segment: Segment;
  unit: number;
}

/**
 * Short keys with short values, in memory of our own. As objects of V8 each would take several times
 * its length, be moved twice when it is new, be visited at every later collection, and stand in
 * several places; here a key that is looked up and its value mostly are in two neighbouring cache
 * lines.
 *
 * A record is known by its place, in units from the arena's beginning. A value of a length much like
 * its predecessor's is written over it. Any other needs a new record, at the end; what it leaves
 * behind is won back by moving all that is left of the segment with the most dead units, a few records
 * with each change. So about a quarter is dead at most, whatever the lengths of values are and in
 * which order they come; and memory that is not needed goes back to the system.
 * Design: the log-structured memory of RAMCloud (Rumble et al., FAST '14).
 */
export class RecordArena {
  readonly #moved: (from: number, to: number) => void;
  readonly #segments: (Segment | null)[] = [];
  readonly #freeIndexes: number[] = [];
  #head: Segment | null = null;
  readonly #memory = new SegmentMemory();
  #emptying: Emptying | null = null;
  #allocatedUnits = 0;
  /** Without those of the segment that is being emptied. */
  #deadUnits = 0;

  /** @param moved is told of each record that stands at another place now, in the middle of `remove` */
  constructor(moved: (from: number, to: number) => void) {
    this.#moved = moved;
  }

  /** How much memory it holds, dead or not. */
  get allocatedBytes(): number {
    return this.#allocatedUnits * UNIT_BYTES;
  }

  /** How much memory it has reserved in large pieces, pages that were never written among it. */
  get slabBytes(): number {
    return this.#memory.slabBytes;
  }

  /**
   * Makes a record; tells where. Key and value are as short as they must be.
   *
   * @param stamp a number of `STAMP_BITS` that the record keeps
   */
  add(position: number, key: string, value: string, stamp: number): number {
    assert(position < POSITIONS_MAX, "Cannot add a record: its position is too high");
    const units = unitsFor(key.length + value.length);
    const segment = this.#segmentWith(units);
    const unit = segment.filledUnits;
    segment.filledUnits += units;
    segment.words[unit * WORDS_PER_UNIT] = position | stamp << POSITION_BITS;
    segment.words[unit * WORDS_PER_UNIT + STATE_WORD] = stateOf(key.length, value.length) |
      stamp >>> LOWER_STAMP_BITS << STATE_BITS;
    const valueAt = writeLatin1(segment.bytes, bytesFrom(unit), key);
    writeLatin1(segment.bytes, valueAt, value);
    return placeOf(segment, unit);
  }

  hasKey(place: number, key: string): boolean {
    const { bytes, words } = this.#segmentOf(place);
    const unit = unitOf(place);
    const { length } = key;
    if (keyLengthOf(words[unit * WORDS_PER_UNIT + STATE_WORD] as number) !== length) return false;
    const from = bytesFrom(unit);
    for (let at = 0; at < length; at++) {
      if (bytes[from + at] !== key.charCodeAt(at)) return false;
    }
    return true;
  }

  keyAt(place: number): string {
    const from = bytesFrom(unitOf(place));
    return latin1(this.#segmentOf(place).bytes, from, from + keyLengthOf(this.#stateAt(place)));
  }

  valueAt(place: number): string {
    const state = this.#stateAt(place);
    const from = bytesFrom(unitOf(place)) + keyLengthOf(state);
    return latin1(this.#segmentOf(place).bytes, from, from + valueLengthOf(state));
  }

  valueLengthAt(place: number): number {
    return valueLengthOf(this.#stateAt(place));
  }

  /** The number that was given to the record. */
  positionAt(place: number): number {
    const word = this.#segmentOf(place).words[unitOf(place) * WORDS_PER_UNIT] as number;
    return word & POSITION_MASK;
  }

  setPositionAt(place: number, position: number): void {
    const { words } = this.#segmentOf(place);
    const at = unitOf(place) * WORDS_PER_UNIT;
    words[at] = (words[at] as number) & ~POSITION_MASK | position;
  }

  stampAt(place: number): number {
    const { words } = this.#segmentOf(place);
    const at = unitOf(place) * WORDS_PER_UNIT;
    const upper = (words[at + STATE_WORD] as number) >>> STATE_BITS;
    return upper << LOWER_STAMP_BITS | (words[at] as number) >>> POSITION_BITS;
  }

  setStampAt(place: number, stamp: number): void {
    const { words } = this.#segmentOf(place);
    const at = unitOf(place) * WORDS_PER_UNIT;
    const state = (words[at + STATE_WORD] as number) & STATE_MASK;
    words[at] = (words[at] as number) & POSITION_MASK | stamp << POSITION_BITS;
    words[at + STATE_WORD] = state | stamp >>> LOWER_STAMP_BITS << STATE_BITS;
  }

  /** Writes another value into a record, if it takes just as many units; tells whether it does. */
  overwrite(place: number, value: string): boolean {
    const segment = this.#segmentOf(place);
    const unit = unitOf(place);
    const state = segment.words[unit * WORDS_PER_UNIT + STATE_WORD] as number;
    const keyLength = keyLengthOf(state);
    const before = valueLengthOf(state);
    const { length } = value;
    if (length !== before) {
      if (length > RECORD_VALUE_BYTES_MAX) return false;
      if (unitsFor(keyLength + length) !== unitsFor(keyLength + before)) return false;
      segment.words[unit * WORDS_PER_UNIT + STATE_WORD] = state & ~VALUE_LENGTH_MASK | length;
    }
    writeLatin1(segment.bytes, bytesFrom(unit) + keyLength, value);
    return true;
  }

  /** Takes a record away; others may move. */
  remove(place: number): void {
    const segment = this.#segmentOf(place);
    const stateWord = unitOf(place) * WORDS_PER_UNIT + STATE_WORD;
    const state = segment.words[stateWord] as number;
    segment.words[stateWord] = state | DEAD_FLAG;
    const units = unitsOf(state);
    segment.deadUnits += units;
    if (segment !== this.#emptying?.segment) this.#deadUnits += units;
    this.#winBack(Math.min(STEP_COST_MAX, STEP_COST_MIN + units * STEP_COST_PER_UNIT));
  }

  /** Wins back some memory where there is some to be won; others may move. */
  tidy(): void {
    this.#winBack(STEP_COST_MAX);
  }

  #segmentOf(place: number): Segment {
    const segment = this.#segments[place >> SEGMENT_UNITS_BITS];
    // The message is the same for all, so that nothing is put together when there is no need for it.
    assert(
      segment !== undefined && segment !== null,
      "Cannot find a record: its place is not there",
    );
    return segment;
  }

  #stateAt(place: number): number {
    return this.#segmentOf(place).words[unitOf(place) * WORDS_PER_UNIT + STATE_WORD] as number;
  }

  /** The newest segment, or a new one, with room for so many units at its end. */
  #segmentWith(units: number): Segment {
    const segment = this.#head;
    return segment === null || segment.filledUnits + units > segment.units
      ? this.#newSegment()
      : segment;
  }

  #newSegment(): Segment {
    if (this.#head !== null) { // what is left of it can never be used
      const left = this.#head.units - this.#head.filledUnits;
      this.#head.deadUnits += left;
      this.#deadUnits += left;
    }
    const index = this.#freeIndexes.pop() ?? this.#segments.length;
    this.#head = new Segment(index, this.#newPlace());
    this.#segments[index] = this.#head;
    this.#allocatedUnits += this.#head.units;
    return this.#head;
  }

  #newPlace(): SegmentPlace {
    if (this.#allocatedUnits >= SMALL_UNITS) return this.#memory.take();
    const units = Math.min(SEGMENT_UNITS_MAX, SEGMENT_UNITS_MIN + this.#allocatedUnits);
    return this.#memory.takeAlone(units * UNIT_BYTES);
  }

  /** Goes on emptying segments as long as there is reason to, and for no more than this cost. */
  #winBack(costMax: number): void {
    let cost = 0;
    while (cost < costMax) {
      this.#emptying ??= this.#nextToEmpty();
      if (this.#emptying === null) return;
      cost += this.#moveOne(this.#emptying);
    }
  }

  /** The segment with the most dead units when too many are dead; or one whose slab is scarce. */
  #nextToEmpty(): Emptying | null {
    const isSmall = this.#allocatedUnits < SMALL_UNITS / 2;
    const hasDead = this.#deadUnits * DEAD_SHARE > this.#allocatedUnits;
    if (!hasDead && !this.#memory.mayBeScarce(isSmall)) return null;
    let worst: Segment | null = null;
    for (const segment of this.#segments) {
      if (segment === null) continue;
      if (!hasDead && !this.#memory.isScarce(segment.place, isSmall)) continue;
      if (worst === null || segment.deadUnits > worst.deadUnits) worst = segment;
    }
    if (worst === null) return null;
    if (worst === this.#head) this.#head = null;
    this.#deadUnits -= worst.deadUnits;
    return { segment: worst, unit: 0 };
  }

  /** Moves the next record to the end; after the last gives the segment back. Tells what it cost. */
  #moveOne(emptying: Emptying): number {
    const { segment, unit } = emptying;
    if (unit >= segment.filledUnits) {
      this.#giveBack(segment);
      return COST_PER_RECORD;
    }
    const state = segment.words[unit * WORDS_PER_UNIT + STATE_WORD] as number;
    const units = unitsOf(state);
    emptying.unit += units;
    if ((state & DEAD_FLAG) !== 0) return 1;
    this.#moved(placeOf(segment, unit), this.#copyToEnd(segment, unit, units));
    return COST_PER_RECORD + units;
  }

  #giveBack(segment: Segment): void {
    this.#emptying = null;
    this.#segments[segment.index] = null;
    this.#freeIndexes.push(segment.index);
    this.#allocatedUnits -= segment.units;
    this.#memory.giveBack(segment.place);
  }

  #copyToEnd({ words }: Segment, from: number, units: number): number {
    const target = this.#segmentWith(units);
    const to = target.filledUnits;
    target.filledUnits += units;
    for (let word = 0; word < units * WORDS_PER_UNIT; word++) {
      target.words[to * WORDS_PER_UNIT + word] = words[from * WORDS_PER_UNIT + word] as number;
    }
    return placeOf(target, to);
  }
}

/** Where in its segment a place is. */
function unitOf(place: number): number {
  return place & (SEGMENT_UNITS_MAX - 1);
}

function placeOf({ index }: Segment, unit: number): number {
  return index * SEGMENT_UNITS_MAX + unit;
}

/** Where in its segment the bytes of a record begin: those of the key, and then the value's. */
function bytesFrom(unit: number): number {
  return (unit + HEADER_UNITS) * UNIT_BYTES;
}

function stateOf(keyLength: number, valueLength: number): number {
  return keyLength << VALUE_LENGTH_BITS | valueLength;
}

function keyLengthOf(state: number): number {
  return state >>> VALUE_LENGTH_BITS & KEY_LENGTH_MASK;
}

function valueLengthOf(state: number): number {
  return state & VALUE_LENGTH_MASK;
}

function unitsOf(state: number): number {
  return unitsFor(keyLengthOf(state) + valueLengthOf(state));
}

/** How many units a record with so many bytes takes. */
function unitsFor(length: number): number {
  return HEADER_UNITS + (length + UNIT_BYTES - 1 >>> 3);
}
