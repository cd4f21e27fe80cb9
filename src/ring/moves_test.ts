import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../base/random.ts";
import { type ArcMove, isOnArc, planMoves } from "./moves.ts";
import { Ring, type RingMember } from "./ring.ts";
import { ID_COUNT, ringId } from "./ring_id.ts";

const COPIES = 3;

function ringOf(weights: Readonly<Record<string, number>>): Ring {
  return new Ring(Object.entries(weights).map(([id, weight]) => ({ id, weight })));
}

function equalRing(count: number): Ring {
  const members: RingMember[] = [];
  for (let at = 1; at <= count; at++) members.push({ id: `n${at}`, weight: 1 });
  return new Ring(members);
}

/** What the plan says of one id. */
function moveOf(moves: readonly ArcMove[], id: number): ArcMove | null {
  const found = moves.filter((move) => isOnArc(move, id));
  assert(found.length <= 1, "arcs overlap");
  return found[0] ?? null;
}

/** Compares the plan with the holders before and after, id by id. */
function assertSameAsNaive(
  before: Ring,
  after: Ring,
  copies: number,
  ids: readonly number[],
): void {
  const moves = planMoves(before, after, copies);
  for (const id of ids) {
    const [old, now] = [before.successors(id, copies), after.successors(id, copies)];
    const gains = now.filter((member) => !old.includes(member));
    const losses = old.filter((member) => !now.includes(member));
    const move = moveOf(moves, id);
    assertEquals(move?.gains ?? [], gains, `${id}`);
    assertEquals(move?.losses ?? [], losses, `${id}`);
    if (move !== null) assertEquals(move.holders, old);
  }
}

/** The share of all copies that a plan moves, measured on the arcs themselves. */
function movedShare(moves: readonly ArcMove[], copies: number): number {
  const length = ({ after, upTo }: ArcMove) => (upTo - after + ID_COUNT) % ID_COUNT || ID_COUNT;
  const moved = moves.reduce((sum, move) => sum + length(move) * move.gains.length, 0);
  return moved / (ID_COUNT * copies);
}

Deno.test("the plan says of each id what a comparison of its holders says", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 40; round++) {
    const weights = () => {
      const pairs = Array.from(
        { length: 6 },
        (_, at) => [`n${at + 1}`, random() < 0.3 ? 0 : random() * 2],
      );
      return Object.fromEntries(pairs.filter(() => random() < 0.8)) as Record<string, number>;
    };
    const [before, after] = [ringOf(weights()), ringOf(weights())];
    const edges = [...before.points, ...after.points].slice(0, 50);
    const ids = [0, ID_COUNT - 1, ...edges.flatMap((point) => [point, (point + 1) % ID_COUNT])];
    for (let file = 0; file < 100; file++) ids.push(ringId(`${round} ${file}`));
    assertSameAsNaive(before, after, 1 + Math.floor(random() * 4), ids);
  }
});

Deno.test("a member that joins takes its share of the copies, and nobody else gets one", () => {
  for (const count of [3, 5, 9, 20]) {
    const moves = planMoves(equalRing(count), equalRing(count + 1), COPIES);
    for (const { gains, losses } of moves) {
      assertEquals(gains, [`n${count + 1}`]);
      assertEquals(losses.length, 1);
    }
    const share = movedShare(moves, COPIES);
    const due = 1 / (count + 1);
    assert(
      share > 0.8 * due && share < 1.2 * due,
      `${share.toFixed(3)} instead of ${due.toFixed(3)}`,
    );
  }
});

Deno.test("what a member held goes to others when it leaves, and nothing else moves", () => {
  const moves = planMoves(equalRing(6), equalRing(5), COPIES);
  for (const { holders, gains, losses } of moves) {
    assertEquals(losses, ["n6"]);
    assertEquals(gains.length, 1);
    assert(!holders.includes(gains[0] ?? ""));
  }
});

Deno.test("with as many copies as members, a join moves what it must and a leave nothing", () => {
  assertEquals(movedShare(planMoves(equalRing(2), equalRing(3), COPIES), COPIES), 1 / 3);
  assertEquals(
    planMoves(equalRing(3), equalRing(2), COPIES).filter(({ gains }) => gains.length > 0),
    [],
  );
});

Deno.test("a larger weight only gives the member more, a smaller one only takes from it", () => {
  const [light, heavy] = [ringOf({ a: 1, b: 1, c: 1, d: 1 }), ringOf({ a: 1, b: 1, c: 1, d: 2 })];
  for (const { gains } of planMoves(light, heavy, COPIES)) assertEquals(gains, ["d"]);
  for (const { losses } of planMoves(heavy, light, COPIES)) assertEquals(losses, ["d"]);
});

Deno.test("nothing moves between equal memberships, nor from or to an empty one without copies", () => {
  assertEquals(planMoves(equalRing(5), equalRing(5), COPIES), []);
  assertEquals(planMoves(equalRing(0), equalRing(0), COPIES), []);
  const [only] = planMoves(equalRing(0), equalRing(1), COPIES);
  assertEquals([only?.holders, only?.gains, only?.losses], [[], ["n1"], []]);
});

Deno.test("an arc across 0 has the ids on both sides of it", () => {
  const arc = { after: ID_COUNT - 10, upTo: 10, holders: [], gains: ["a"], losses: [] };
  const on = [ID_COUNT - 9, ID_COUNT - 1, 0, 10].map((id) => isOnArc(arc, id));
  const off = [11, ID_COUNT - 10, 5_000].map((id) => isOnArc(arc, id));
  assertEquals([on, off], [[true, true, true, true], [false, false, false]]);
});
