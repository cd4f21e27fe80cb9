import type { Mutant } from "../mutant.ts";

const MOVES = "src/ring/moves_test.ts";
const RING = "src/ring/ring_test.ts";

/** Where files are placed. */
export const ringMutants: readonly Mutant[] = [
  {
    name: "ring-id-keeps-too-many-bits",
    bug: "ids have 53 bits, so that two of them may add up to a number that is not exact",
    file: "src/ring/ring_id.ts",
    find: "* 2 ** 20 + (hash.getUint32(offset + 4) >>> 12)",
    replace: "* 2 ** 21 + (hash.getUint32(offset + 4) >>> 11)",
    killers: ["src/ring/ring_id_test.ts"],
  },
  {
    name: "ring-responsible-after-the-point",
    bug: "the node that stands at a file's id itself does not count as the first one",
    file: "src/ring/ring.ts",
    find: "(this.#points[middle] ?? 0) < id",
    replace: "(this.#points[middle] ?? 0) <= id",
    killers: [RING],
  },
  {
    name: "ring-ends-at-the-last-point",
    bug: "files after the last point of the ring have no holders but the last node",
    file: "src/ring/ring.ts",
    find: "return low === this.#points.length ? 0 : low;",
    replace: "return Math.min(low, this.#points.length - 1);",
    killers: [RING],
  },
  {
    name: "ring-copies-on-one-node",
    bug: "two copies of a file lie on one node",
    file: "src/ring/ring.ts",
    find: "step < length && found.size < count",
    replace: "step < count && found.size < length",
    killers: [RING],
  },
  {
    name: "ring-forgets-the-count",
    bug: "a file with five copies gets as many holders as one with three that was asked for before",
    file: "src/ring/ring.ts",
    find: "this.#known.set(count, known);",
    replace: "for (let other = 1; other < 9; other++) this.#known.set(other, known);",
    killers: [RING],
  },
  {
    name: "ring-of-few-points",
    bug: "some nodes hold far more than their share",
    file: "src/ring/ring.ts",
    find: "const POINTS_PER_WEIGHT = 256;",
    replace: "const POINTS_PER_WEIGHT = 16;",
    killers: [RING],
  },
  {
    name: "moves-forget-the-old-points",
    bug: "after a leave, files between two points of the node that left stay with too few copies",
    file: "src/ring/moves.ts",
    find: "[...before.points, ...after.points]",
    replace: "[...after.points]",
    killers: [MOVES],
  },
  {
    name: "moves-copy-what-is-there",
    bug: "a node gets a copy that it has already",
    file: "src/ring/moves.ts",
    find: "wanted.filter((id) => !holders.includes(id))",
    replace: "wanted.filter((id, at) => id !== holders[at])",
    killers: [MOVES],
  },
  {
    name: "moves-forget-the-arc-across-0",
    bug: "files whose ids lie between the last and the first point never move",
    file: "src/ring/moves.ts",
    find: "return id > after || id <= upTo;",
    replace: "return id > after && id <= upTo;",
    killers: [MOVES],
  },
];
