import { assert, assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { STAMP_BITS } from "./key_frequency.ts";
import {
  POSITIONS_MAX,
  RECORD_KEY_BYTES_MAX,
  RECORD_VALUE_BYTES_MAX,
  RecordArena,
} from "./record_arena.ts";

/** What the arena should hold at a place. */
interface Expected {
  place: number;
  position: number;
  readonly key: string;
  value: string;
  stamp: number;
}

/** Records as their owner knows them, in order of position. */
class Records {
  readonly list: Expected[] = [];
  readonly arena = new RecordArena((from, to) => this.#moved(from, to));
  /** What they take, without what is dead. */
  bytes = 0;
  /** How many records have moved. */
  moves = 0;

  add(key: string, value: string): void {
    const position = this.list.length;
    const stamp = (position * 7_919 + 1) % 2 ** STAMP_BITS;
    const place = this.arena.add(position, key, value, stamp);
    this.list.push({ place, position, key, value, stamp });
    this.bytes += recordBytes(key, value);
  }

  change(position: number, value: string): void {
    const record = this.at(position);
    const { key, place, stamp } = record;
    this.bytes += recordBytes(key, value) - recordBytes(key, record.value);
    if (!this.arena.overwrite(place, value)) {
      record.place = this.arena.add(position, key, value, stamp);
      this.arena.remove(place);
    }
    record.value = value;
  }

  setStamp(position: number, stamp: number): void {
    const record = this.at(position);
    record.stamp = stamp;
    this.arena.setStampAt(record.place, stamp);
  }

  /** Lets the last one take the place of one that goes. */
  remove(position: number): void {
    const record = this.at(position);
    const last = this.list.pop();
    if (last !== undefined && last !== record) {
      this.list[position] = last;
      last.position = position;
      this.arena.setPositionAt(last.place, position);
    }
    this.bytes -= recordBytes(record.key, record.value);
    this.arena.remove(record.place);
  }

  check(): void {
    for (const { place, position, key, value, stamp } of this.list) {
      assertEquals(this.arena.stampAt(place), stamp);
      assertEquals(this.arena.keyAt(place), key);
      assertEquals(this.arena.valueAt(place), value);
      assertEquals(this.arena.positionAt(place), position);
      assertEquals(this.arena.valueLengthAt(place), value.length);
      assert(this.arena.hasKey(place, key));
      assert(!this.arena.hasKey(place, key + "\0"));
      assert(key === "" || !this.arena.hasKey(place, lastChanged(key)));
    }
  }

  at(position: number): Expected {
    const record = this.list[position];
    assert(record !== undefined);
    return record;
  }

  #moved(from: number, to: number): void {
    const record = this.at(this.arena.positionAt(to));
    assertEquals(record.place, from);
    record.place = to;
    this.moves++;
  }
}

/** What a record takes. */
function recordBytes(key: string, value: string): number {
  return 8 + Math.ceil((key.length + value.length) / 8) * 8;
}

function lastChanged(key: string): string {
  return key.slice(0, -1) + String.fromCharCode(key.charCodeAt(key.length - 1) ^ 1);
}

/** A text of random bytes, up to the given length. */
function randomText(random: Random, bytesMax: number): string {
  const unit = String.fromCharCode(...Array.from({ length: 7 }, () => randomInteger(random, 256)));
  const length = randomInteger(random, bytesMax + 1);
  return unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
}

Deno.test("an arena holds what it was given, whoever comes, changes and goes", () => {
  for (const [seed, bytesMax] of [0, 3, 40, 900, RECORD_VALUE_BYTES_MAX].entries()) {
    const random = seededRandom(seed);
    const records = new Records();
    const keyBytesMax = Math.min(bytesMax, RECORD_KEY_BYTES_MAX);
    for (let step = 1; step <= 30_000; step++) {
      const isGrowing = randomInteger(random, 30_000) > step;
      const { length } = records.list;
      const choice = randomInteger(random, 5);
      if (choice === 0 || length === 0) {
        records.add(randomText(random, keyBytesMax), randomText(random, bytesMax));
      } else if (choice === 4) {
        records.setStamp(randomInteger(random, length), randomInteger(random, 2 ** STAMP_BITS));
      } else if (choice === 1 && !isGrowing) records.remove(randomInteger(random, length));
      else records.change(randomInteger(random, length), randomText(random, bytesMax));
      if (step % 1_000 === 0) records.check();
    }
  }
});

Deno.test("at most a quarter of an arena is dead, and the end of a segment", () => {
  const random = seededRandom(7);
  const records = new Records();
  const bound = () => (records.bytes + 2 * 2 ** 18) / (1 - 1 / 4);
  // One length after the other, as someone would who wants the room of each to be lost.
  for (let bytesMax = 16; bytesMax <= RECORD_VALUE_BYTES_MAX; bytesMax *= 2) {
    while (records.bytes < 2 ** 22) records.add("k", randomText(random, bytesMax));
    assert(records.arena.allocatedBytes <= bound(), `${bytesMax}: ${records.arena.allocatedBytes}`);
    for (let position = 0; position < records.list.length; position++) {
      records.change(position, randomText(random, bytesMax));
    }
    assert(records.arena.allocatedBytes <= bound(), `${bytesMax}: ${records.arena.allocatedBytes}`);
    while (records.bytes > 2 ** 16) records.remove(randomInteger(random, records.list.length));
    assert(records.arena.allocatedBytes <= bound(), `${bytesMax}: ${records.arena.allocatedBytes}`);
    records.check();
  }
  while (records.list.length > 0) records.remove(0);
  assert(records.arena.allocatedBytes <= 2 ** 18 + 2 ** 15, `${records.arena.allocatedBytes}`);
});

Deno.test("an arena that nobody uses takes nothing, one with a record little", () => {
  const records = new Records();
  assertEquals(records.arena.allocatedBytes, 0);
  records.add("k", "v");
  assertEquals(records.arena.allocatedBytes, 2 ** 15);
  for (let times = 0; times < 100_000; times++) records.change(0, "v".repeat(times % 100));
  assert(records.arena.allocatedBytes <= 2 ** 18, `${records.arena.allocatedBytes}`);
});

Deno.test("a value that is written over takes its predecessor's room", () => {
  const records = new Records();
  for (let position = 0; position < 1_000; position++) records.add("k", "v".repeat(63));
  const places = records.list.map(({ place }) => place);
  for (let times = 0; times < 10; times++) {
    for (let position = 0; position < 1_000; position++) {
      records.change(position, String.fromCharCode(250 + times % 6).repeat(56 + times % 8));
    }
  }
  assertEquals(records.list.map(({ place }) => place), places);
  records.check();
});

Deno.test("the longest key and value fit into one record, and no longer value over another", () => {
  const records = new Records();
  const longest = "v".repeat(RECORD_VALUE_BYTES_MAX);
  records.add("k".repeat(RECORD_KEY_BYTES_MAX), longest);
  records.add("", "");
  records.add("k", longest); // which leaves room in its last unit
  records.check();
  for (const { place } of records.list) assert(!records.arena.overwrite(place, longest + "v"));
  records.check();
});

Deno.test("no change moves more records than a few for each unit it leaves, whoever goes", () => {
  const random = seededRandom(3);
  const records = new Records();
  while (records.list.length < 200_000) records.add("key", "v".repeat(8));
  let most = 0;
  while (records.list.length > 2_000) {
    const before = records.moves;
    records.remove(randomInteger(random, records.list.length));
    most = Math.max(most, records.moves - before);
  }
  assert(most > 0 && most <= 24, `${most} records were moved at once`);
  // Long records that go between short ones leave much, and still the steps are small.
  while (records.list.length < 100_000) {
    records.add("key", records.list.length % 30 === 0 ? "v".repeat(4_000) : "v");
  }
  most = 0;
  for (let position = 0; position < records.list.length; position++) {
    if (records.at(position).value.length < 4_000) continue;
    const before = records.moves;
    records.change(position, "v");
    most = Math.max(most, records.moves - before);
  }
  assert(most > 24 && most <= 1_024, `${most} records were moved at once`);
  records.check();
});

Deno.test("the memory of a state that was large goes back to the system", () => {
  const random = seededRandom(5);
  const records = new Records();
  const fill = (bytes: number) => {
    while (records.bytes < bytes) records.add("k", "v".repeat(200));
  };
  fill(120_000_000);
  assert(records.arena.slabBytes >= 100_000_000);
  while (records.bytes > 50_000_000) records.remove(randomInteger(random, records.list.length));
  for (let times = 0; times < 2_000; times++) records.arena.tidy();
  assert(records.arena.slabBytes <= 3 * 42_000_000, `${records.arena.slabBytes} bytes`);
  while (records.bytes > 1_000_000) records.remove(randomInteger(random, records.list.length));
  for (let times = 0; times < 2_000; times++) records.arena.tidy();
  assertEquals(records.arena.slabBytes, 0);
  assert(records.arena.allocatedBytes <= 3_000_000, `${records.arena.allocatedBytes} bytes`);
  fill(60_000_000);
  while (records.list.length > 0) records.remove(records.list.length - 1);
  for (let times = 0; times < 2_000; times++) records.arena.tidy();
  assertEquals(records.arena.slabBytes, 0);
});

Deno.test("a record keeps the highest position and the highest stamp, one beside the other", () => {
  const arena = new RecordArena(() => {});
  const key = "k".repeat(RECORD_KEY_BYTES_MAX);
  const value = "v".repeat(RECORD_VALUE_BYTES_MAX);
  const highest = 2 ** STAMP_BITS - 1;
  const place = arena.add(POSITIONS_MAX - 1, key, value, highest);
  const all = () => [arena.positionAt(place), arena.stampAt(place), arena.valueLengthAt(place)];
  assertEquals(all(), [POSITIONS_MAX - 1, highest, value.length]);
  arena.setPositionAt(place, 0);
  assertEquals(all(), [0, highest, value.length]);
  arena.setPositionAt(place, POSITIONS_MAX - 1);
  arena.setStampAt(place, 0);
  assertEquals(all(), [POSITIONS_MAX - 1, 0, value.length]);
  arena.setStampAt(place, highest);
  assert(arena.overwrite(place, value.slice(1)));
  assertEquals(all(), [POSITIONS_MAX - 1, highest, value.length - 1]);
  assertEquals([arena.keyAt(place), arena.valueAt(place)], [key, value.slice(1)]);
  assertThrows(() => arena.add(POSITIONS_MAX, key, value, 0), AssertionFailure);
});
