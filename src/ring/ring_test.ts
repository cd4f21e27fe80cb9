import { assert, assertEquals, assertThrows } from "@std/assert";
import { seededRandom } from "../base/random.ts";
import { Ring, type RingMember, WEIGHT_MAX } from "./ring.ts";
import { ID_COUNT, ringId } from "./ring_id.ts";

const FILES = 10_000;

function members(...weights: number[]): RingMember[] {
  return weights.map((weight, at) => ({ id: `n${at + 1}`, weight }));
}

function equal(count: number): RingMember[] {
  return members(...Array.from({ length: count }, () => 1));
}

/** By member: the sum of `size` over the files it holds, as a multiple of its share. */
function loads(ring: Ring, copies: number, size: (file: number) => number): Map<string, number> {
  const held = new Map(ring.members.map(({ id }) => [id, 0]));
  let sum = 0;
  for (let file = 0; file < FILES; file++) {
    for (const id of ring.successors(ringId(`file ${file}.mp3`), copies)) {
      held.set(id, (held.get(id) ?? 0) + size(file));
      sum += size(file);
    }
  }
  const weight = ring.members.reduce((all, member) => all + member.weight, 0);
  return new Map(ring.members.map((member) => {
    return [member.id, (held.get(member.id) ?? 0) / (sum * member.weight / weight)];
  }));
}

/** The first distinct members at or after an id, found without any order. */
function naiveSuccessors(ring: Ring, id: number, count: number): string[] {
  const distance = ({ id: member }: RingMember) => {
    const own = new Ring(ring.members.filter((other) => other.id === member));
    return Math.min(...[...own.points].map((point) => (point - id + ID_COUNT) % ID_COUNT));
  };
  const byDistance = ring.members
    .filter(({ weight }) => weight > 0)
    .map((member) => ({ id: member.id, distance: distance(member) }))
    .sort((a, b) => a.distance - b.distance);
  return byDistance.slice(0, count).map((member) => member.id);
}

Deno.test("no node of five holds more than 1.25 times its share, by number and by bytes", () => {
  const random = seededRandom(1);
  const sizes = Array.from({ length: FILES }, () => 10 ** (6 * random()));
  const ring = new Ring(equal(5));
  for (const copies of [1, 2, 3]) {
    for (const size of [() => 1, (file: number) => sizes[file] ?? 0]) {
      for (const [id, load] of loads(ring, copies, size)) {
        assert(load < 1.25, `${id} holds ${load.toFixed(2)} times its share of ${copies} copies`);
      }
    }
  }
});

Deno.test("load is even whatever the nodes are called", () => {
  for (let cluster = 0; cluster < 20; cluster++) {
    const named = equal(5).map(({ id, weight }) => ({ id: `${id}.cluster${cluster}`, weight }));
    for (const load of loads(new Ring(named), 3, () => 1).values()) assert(load < 1.25, `${load}`);
  }
});

Deno.test("a member holds files by its weight", () => {
  const ring = new Ring(members(1, 2, 4, 8, 0));
  for (const [id, load] of loads(ring, 1, () => 1)) {
    if (id === "n5") assertEquals(load, NaN);
    else assert(load > 0.75 && load < 1.25, `${id} holds ${load.toFixed(2)} times its share`);
  }
});

Deno.test("the successors are those of a search without any order", () => {
  const random = seededRandom(2);
  for (const weights of [[1], [1, 1], [1, 0.5, 2, 0, 1], [0.001, 1, 1, 1]]) {
    const ring = new Ring(members(...weights));
    const edges = [...ring.points].slice(0, 5).flatMap((point) => [point - 1, point, point + 1]);
    const ids = [
      0,
      ID_COUNT - 1,
      ...edges,
      ...Array.from(
        { length: 20 },
        () => Math.floor(random() * ID_COUNT),
      ),
    ];
    for (const id of ids) {
      for (const count of [1, 2, 3, 9]) {
        assertEquals(ring.successors(id, count), naiveSuccessors(ring, id, count), `${id}`);
      }
    }
  }
});

Deno.test("the order in which the members are given decides nothing", () => {
  const [forth, back] = [new Ring(equal(5)), new Ring(equal(5).reverse())];
  for (let file = 0; file < 1_000; file++) {
    const id = ringId(`${file}`);
    assertEquals(forth.successors(id, 3), back.successors(id, 3));
  }
});

Deno.test("more copies only add holders", () => {
  const ring = new Ring(equal(7));
  for (let file = 0; file < 1_000; file++) {
    const id = ringId(`${file}`);
    assertEquals(ring.successors(id, 5).slice(0, 3), ring.successors(id, 3));
  }
});

Deno.test("a ring without members that hold files has no successors", () => {
  assertEquals(new Ring([]).successors(5, 3), []);
  assertEquals(new Ring(members(0, 0)).successors(5, 3), []);
  assertEquals(new Ring(equal(3)).successors(5, 0), []);
});

Deno.test("equal ids, and counts that are no counts, are refused", () => {
  const twice = [...equal(2), ...equal(1)];
  assertThrows(() => new Ring(twice), RangeError, "Cannot place two members of the same id");
  const ring = new Ring(equal(3));
  for (const count of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => ring.successors(0, count), RangeError, `Cannot find ${count} members`);
  }
});

Deno.test("a weight that is no weight is refused", () => {
  for (const weight of [-1, NaN, Infinity, WEIGHT_MAX + 1]) {
    assertThrows(() => new Ring(members(1, weight)), RangeError, "Cannot place a member of weight");
  }
});
