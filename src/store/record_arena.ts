import { latin1, writeLatin1 } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { HASHED_KEY_LENGTH_MAX } from "./key_table.ts";

/** Size of a segment that is a part of a slab. */
const SEGMENT_BYTES = 2 ** 18;
/**
 * Number of segments in a slab, which make 40 MiB: the C library returns freed memory of more than
 * 32 MiB to the system at once, and may keep smaller pieces for good. Pages that were never written
 * take no memory.
 */
const SLAB_SEGMENTS = 160;
/** Number of free segments in all slabs beyond which one slab is emptied. */
const FREE_SEGMENTS_MAX = SLAB_SEGMENTS * 5 / 4;

/** A large piece of memory that is divided into segments. */
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

  /** Frees the memory at once, not at the next garbage collection. */
  release(): void {
    this.#buffer.transfer(0);
  }
}

/** The memory of one segment. */
export class SegmentPlace {
  /** `null`: the segment has a buffer of its own. */
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
 * Allocates memory for segments. The segments of a small state have buffers of their own, as large
 * as needed. Those of a large state are parts of slabs, and the fullest slab is used first. A slab
 * without segments is freed. When enough segments are free, one slab is chosen whose segments
 * should be emptied (`isScarce`).
 */
class SegmentMemory {
  #slabs: Slab[] = [];
  /** The slab that is being emptied: no segment is allocated in it. */
  #scarce: Slab | null = null;
  #usedSegments = 0;

  /** Size of all slabs in bytes, including free segments and pages that were never written. */
  get slabBytes(): number {
    return this.#slabs.length * SLAB_SEGMENTS * SEGMENT_BYTES;
  }

  /** Allocates a buffer for one segment of any size. */
  takeAlone(bytes: number): SegmentPlace {
    return new SegmentPlace(null, 0, new ArrayBuffer(bytes), 0, bytes);
  }

  /** Allocates a segment in a slab. */
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

  /** Whether some slab should be emptied. */
  mayBeScarce(isSmall: boolean): boolean {
    if (this.#slabs.length === 0) return false;
    this.#scarce ??= this.#findScarce(isSmall);
    return this.#scarce !== null;
  }

  /**
   * Whether the segment is in the slab that should be emptied.
   *
   * @param isSmall whether the state is so small that it needs no slab
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

/** Longest key and longest value of a record, in bytes. Longer ones are objects of V8. */
export const RECORD_KEY_BYTES_MAX = HASHED_KEY_LENGTH_MAX;
export const RECORD_VALUE_BYTES_MAX = 4096;

/** All positions are below this. */
export const POSITIONS_MAX = 2 ** 24;

/**
 * Records are aligned to units. A place is counted in units, so that V8 stores it as a small
 * integer.
 */
const UNIT_BYTES = 8;
const WORDS_PER_UNIT = 2;
const HEADER_UNITS = 1;
/**
 * The first word of a record holds its position. The second holds both lengths and the dead flag.
 * The other bits of both words hold the stamp: the lower ones in the first word, the upper in the
 * second.
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
 * Size of the first segment. A quarter of it is larger than the largest record, so that emptying a
 * segment always frees more than is left unused at the end of another one.
 */
const SEGMENT_UNITS_MIN = 2 ** 12;
/** Segments are emptied while more than one in this many units is dead. */
const DEAD_SHARE = 4;
/** Number of units below which a state needs no slabs. */
const SMALL_UNITS = 2 ** 20;

/**
 * Maximum work of one change to free memory, in units moved, `COST_PER_RECORD` added for each
 * record. It takes at most half a millisecond, and keeps up with the units that changes leave dead.
 */
const STEP_COST_MIN = 64;
const STEP_COST_MAX = 4096;
const STEP_COST_PER_UNIT = 10;
const COST_PER_RECORD = 4;

/** Memory that is filled from its beginning and freed as a whole. */
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

/** A segment that is being emptied. Its records before `unit` have moved. */
interface Emptying {
  readonly segment: Segment;
  unit: number;
}

/**
 * Short keys with short values, in array buffers outside V8's heap. As an object of V8 each would
 * take several times its length, be moved twice while it is young, be visited by every later
 * garbage collection, and lie in several places. Here a key and its value mostly lie in two
 * neighbouring cache lines.
 *
 * A record is identified by its place, counted in units from the beginning of the arena. A new
 * value that needs as many units as the old one overwrites it. Any other value needs a new record
 * at the end, and the old record is dead. Dead records are freed by moving the live ones out of the
 * segment with the most dead units, a few records with each change. So at most about a quarter of
 * the units is dead, whatever the lengths and the order of the values, and unused memory is
 * returned to the system. Design: the log-structured memory of RAMCloud (Rumble et al., FAST '14).
 */
export class RecordArena {
  readonly #moved: (from: number, to: number) => void;
  readonly #segments: (Segment | null)[] = [];
  readonly #freeIndexes: number[] = [];
  #head: Segment | null = null;
  readonly #memory = new SegmentMemory();
  #emptying: Emptying | null = null;
  #allocatedUnits = 0;
  /** Number of dead units, without those of the segment that is being emptied. */
  #deadUnits = 0;

  /** @param moved is called for each record that has moved, within `remove` and `tidy` */
  constructor(moved: (from: number, to: number) => void) {
    this.#moved = moved;
  }

  /** Memory of all segments in bytes, including free and dead units. */
  get allocatedBytes(): number {
    return this.#allocatedUnits * UNIT_BYTES;
  }

  /** Size of all slabs in bytes, including pages that were never written. */
  get slabBytes(): number {
    return this.#memory.slabBytes;
  }

  /**
   * Adds a record and returns its place. Key and value must be short enough.
   *
   * @param stamp a number of `STAMP_BITS` bits that the record keeps
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

  /** The position that was stored in the record. */
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

  /** Overwrites the value if the new one needs as many units. Returns whether it did. */
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

  /** Removes a record. Others may move. */
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

  /** Frees a bounded amount of dead memory, if there is enough. Records may move. */
  tidy(): void {
    this.#winBack(STEP_COST_MAX);
  }

  #segmentOf(place: number): Segment {
    const segment = this.#segments[place >> SEGMENT_UNITS_BITS];
    // A constant message: building one would cost time even when the assertion holds.
    assert(
      segment !== undefined && segment !== null,
      "Cannot find a record: its place is not there",
    );
    return segment;
  }

  #stateAt(place: number): number {
    return this.#segmentOf(place).words[unitOf(place) * WORDS_PER_UNIT + STATE_WORD] as number;
  }

  /** The newest segment if it has room for the units at its end, else a new one. */
  #segmentWith(units: number): Segment {
    const segment = this.#head;
    return segment === null || segment.filledUnits + units > segment.units
      ? this.#newSegment()
      : segment;
  }

  #newSegment(): Segment {
    if (this.#head !== null) { // the rest of it stays unused
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

  /** Continues to empty segments while too much is dead, up to this cost. */
  #winBack(costMax: number): void {
    let cost = 0;
    while (cost < costMax) {
      this.#emptying ??= this.#nextToEmpty();
      if (this.#emptying === null) return;
      cost += this.#moveOne(this.#emptying);
    }
  }

  /**
   * The segment with the most dead units if too many are dead, else one of the slab to be emptied.
   */
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

  /** Moves the next record to the end, or frees the segment after the last. Returns the cost. */
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

/** The unit of a place within its segment. */
function unitOf(place: number): number {
  return place & (SEGMENT_UNITS_MAX - 1);
}

function placeOf({ index }: Segment, unit: number): number {
  return index * SEGMENT_UNITS_MAX + unit;
}

/** The offset in the segment at which the bytes of a record begin: the key, and then the value. */
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

/** Number of units of a record with this many bytes of key and value. */
function unitsFor(length: number): number {
  return HEADER_UNITS + (length + UNIT_BYTES - 1 >>> 3);
}
