import { assert } from "../base/assert.ts";
import { latin1, writeLatin1 } from "../base/latin1.ts";
import { HASHED_KEY_LENGTH_MAX } from "./key_hash.ts";

/** Longer keys and values are better off as strings of their own. */
export const RECORD_KEY_BYTES_MAX = HASHED_KEY_LENGTH_MAX;
export const RECORD_VALUE_BYTES_MAX = 4096;

/** Records begin at multiples of this, and a place is counted in it: so it stays a small integer. */
const UNIT_BYTES = 8;
const WORDS_PER_UNIT = 2;
const HEADER_UNITS = 1;
/** A record begins with its position; the next word holds the lengths and a flag. */
const STATE_WORD = 1;
const VALUE_LENGTH_BITS = 13;
const VALUE_LENGTH_MASK = 2 ** VALUE_LENGTH_BITS - 1;
const KEY_LENGTH_MASK = 2 ** 9 - 1;
const DEAD_FLAG = 2 ** 22;

const SEGMENT_UNITS_BITS = 15;
const SEGMENT_UNITS_MAX = 2 ** SEGMENT_UNITS_BITS;
/**
 * A small state takes little. A quarter of such a segment is still more than the largest record, so
 * that emptying one always wins more than is left unused at another's end.
 */
const SEGMENT_UNITS_MIN = 2 ** 12;
/** When more than one unit of so many belongs to nobody any more, some are won back. */
const DEAD_SHARE = 4;

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
 * Short keys with short values, in memory of our own. As objects of V8 each would take several times
 * its length, be moved twice when it is new, be visited at every later collection, and stand in
 * several places; here a key that is looked up and its value mostly are in two neighbouring cache
 * lines.
 *
 * A record is known by its place, in units from the arena's beginning. A value of a length much like
 * its predecessor's is written over it. Any other needs a new record, at the end; what it leaves
 * behind is won back by moving all that is left of the segment with the most dead units. So at most
 * about a quarter is dead, whatever the lengths of values are and in which order they come.
 * Design: the log-structured memory of RAMCloud (Rumble et al., FAST '14).
 */
export class RecordArena {
  readonly #moved: (from: number, to: number) => void;
  readonly #segments: (Segment | null)[] = [];
  readonly #freeIndexes: number[] = [];
  #head: Segment | null = null;
  #allocatedUnits = 0;
  #deadUnits = 0;

  /** @param moved is told of each record that stands at another place now, in the middle of `remove` */
  constructor(moved: (from: number, to: number) => void) {
    this.#moved = moved;
  }

  /** How much memory it holds, dead or not. */
  get allocatedBytes(): number {
    return this.#allocatedUnits * UNIT_BYTES;
  }

  /** Makes a record; tells where. Key and value are as short as they must be. */
  add(position: number, key: string, value: string): number {
    const units = unitsFor(key.length + value.length);
    const segment = this.#segmentWith(units);
    const unit = segment.filledUnits;
    segment.filledUnits += units;
    segment.words[unit * WORDS_PER_UNIT] = position;
    segment.words[unit * WORDS_PER_UNIT + STATE_WORD] = stateOf(key.length, value.length);
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
    return this.#segmentOf(place).words[unitOf(place) * WORDS_PER_UNIT] as number;
  }

  setPositionAt(place: number, position: number): void {
    this.#segmentOf(place).words[unitOf(place) * WORDS_PER_UNIT] = position;
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
      segment.words[unit * WORDS_PER_UNIT + STATE_WORD] = state - before + length;
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
    this.#deadUnits += units;
    this.#winBack();
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
    const { words, filledUnits } = segment;
    for (let unit = 0; unit < filledUnits;) {
      const state = words[unit * WORDS_PER_UNIT + STATE_WORD] as number;
      const units = unitsOf(state);
      if ((state & DEAD_FLAG) === 0) {
        this.#moved(placeOf(segment, unit), this.#copyToEnd(segment, unit, units));
      }
      unit += units;
    }
    this.#segments[segment.index] = null;
    this.#freeIndexes.push(segment.index);
    this.#allocatedUnits -= segment.units;
    this.#deadUnits -= segment.deadUnits;
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
