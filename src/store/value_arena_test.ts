import { assert, assertEquals } from "@std/assert";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { ARENA_VALUE_BYTES_MAX, type Tenant, ValueArena } from "./value_arena.ts";

/** Tenants as a keyspace has them, each with the value that the arena should hold. */
class Tenants {
  readonly list: (Tenant & { valueBytes: number; position: number; value: string })[] = [];
  readonly arena = new ValueArena(this.list);
  /** What the values take, without what is dead. */
  bytes = 0;

  add(value: string): void {
    const tenant = { valueBytes: value.length, position: this.list.length, place: -1, value };
    this.arena.add(tenant, value);
    this.list.push(tenant);
    this.bytes += blockBytes(value.length);
  }

  change(position: number, value: string): void {
    const tenant = this.list[position];
    assert(tenant !== undefined);
    if (!this.arena.overwrite(tenant, value)) {
      this.arena.remove(tenant);
      this.arena.add(tenant, value);
    }
    this.bytes += blockBytes(value.length) - blockBytes(tenant.valueBytes);
    tenant.value = value;
    tenant.valueBytes = value.length;
  }

  /** Lets the last one take the place of one that goes. */
  remove(position: number): void {
    const tenant = this.list[position];
    assert(tenant !== undefined);
    this.arena.remove(tenant);
    this.bytes -= blockBytes(tenant.valueBytes);
    const last = this.list.pop();
    if (last === undefined || last === tenant) return;
    this.list[position] = last;
    last.position = position;
    this.arena.moved(last);
  }

  check(): void {
    for (const { place, valueBytes, value } of this.list) {
      assertEquals(this.arena.read(place, valueBytes), value);
    }
  }
}

/** What a value takes. */
function blockBytes(valueBytes: number): number {
  return 8 + Math.ceil(valueBytes / 8) * 8;
}

/** A value of bytes by chance, of at most so many. */
function randomValue(random: Random, bytesMax: number): string {
  const unit = String.fromCharCode(...Array.from({ length: 7 }, () => randomInteger(random, 256)));
  const length = randomInteger(random, bytesMax + 1);
  return unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
}

Deno.test("an arena holds what it was given, whoever comes, changes and goes", () => {
  for (const [seed, bytesMax] of [0, 3, 40, 900, ARENA_VALUE_BYTES_MAX].entries()) {
    const random = seededRandom(seed);
    const tenants = new Tenants();
    for (let step = 1; step <= 30_000; step++) {
      const isGrowing = randomInteger(random, 30_000) > step;
      const { length } = tenants.list;
      const choice = randomInteger(random, 4);
      if (choice === 0 || length === 0) tenants.add(randomValue(random, bytesMax));
      else if (choice === 1 && !isGrowing) tenants.remove(randomInteger(random, length));
      else tenants.change(randomInteger(random, length), randomValue(random, bytesMax));
      if (step % 1_000 === 0) tenants.check();
    }
  }
});

Deno.test("at most a quarter of an arena is dead, and the end of a segment", () => {
  const random = seededRandom(7);
  const tenants = new Tenants();
  const bound = () => (tenants.bytes + 2 * 2 ** 18) / (1 - 1 / 4);
  // One length after the other, as someone would who wants the room of each to be lost.
  for (let bytesMax = 16; bytesMax <= ARENA_VALUE_BYTES_MAX; bytesMax *= 2) {
    while (tenants.bytes < 2 ** 22) tenants.add(randomValue(random, bytesMax));
    assert(tenants.arena.allocatedBytes <= bound(), `${bytesMax}: ${tenants.arena.allocatedBytes}`);
    for (let position = 0; position < tenants.list.length; position++) {
      tenants.change(position, randomValue(random, bytesMax));
    }
    assert(tenants.arena.allocatedBytes <= bound(), `${bytesMax}: ${tenants.arena.allocatedBytes}`);
    while (tenants.bytes > 2 ** 16) tenants.remove(randomInteger(random, tenants.list.length));
    assert(tenants.arena.allocatedBytes <= bound(), `${bytesMax}: ${tenants.arena.allocatedBytes}`);
    tenants.check();
  }
  while (tenants.list.length > 0) tenants.remove(0);
  assert(tenants.arena.allocatedBytes <= 2 ** 18 + 2 ** 15, `${tenants.arena.allocatedBytes}`);
});

Deno.test("an arena that nobody uses takes nothing, one with a value little", () => {
  const tenants = new Tenants();
  assertEquals(tenants.arena.allocatedBytes, 0);
  tenants.add("v");
  assertEquals(tenants.arena.allocatedBytes, 2 ** 15);
  for (let times = 0; times < 100_000; times++) tenants.change(0, "v".repeat(times % 100));
  assert(tenants.arena.allocatedBytes <= 2 ** 18, `${tenants.arena.allocatedBytes}`);
});

Deno.test("a value that is written over takes its predecessor's room", () => {
  const tenants = new Tenants();
  for (let position = 0; position < 1_000; position++) tenants.add("v".repeat(64));
  const places = tenants.list.map(({ place }) => place);
  for (let times = 0; times < 10; times++) {
    for (let position = 0; position < 1_000; position++) {
      tenants.change(position, String.fromCharCode(250 + times % 6).repeat(57 + times % 8));
    }
  }
  assertEquals(tenants.list.map(({ place }) => place), places);
  tenants.check();
});
