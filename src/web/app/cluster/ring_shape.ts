import { Ring } from "../../../ring/ring.ts";
import { ID_COUNT } from "../../../ring/ring_id.ts";

/** A part of a circle, as shares of a whole turn from the top, clockwise. */
export interface Arc {
  readonly from: number;
  readonly to: number;
}

export interface RingNode {
  readonly id: string;
  readonly weight: number;
}

/** By node: the parts of the ring whose files it is responsible for. */
export function arcsOf(nodes: readonly RingNode[]): Map<string, Arc[]> {
  const ring = new Ring(nodes);
  const arcs = new Map<string, Arc[]>(nodes.map(({ id }) => [id, []]));
  const points = [...ring.points];
  const last = points.at(-1);
  if (last === undefined) return arcs;
  let from = last / ID_COUNT - 1;
  for (const point of points) {
    const [owner = ""] = ring.successors(point, 1);
    const to = point / ID_COUNT;
    const own = arcs.get(owner) ?? [];
    const before = own.at(-1);
    if (before !== undefined && before.to === from) {
      own[own.length - 1] = { from: before.from, to };
    } else own.push({ from, to });
    from = to;
  }
  return arcs;
}

/** One arc for each node, in the given order, as long as its share. */
export function sharesOf(nodes: readonly RingNode[]): Map<string, Arc> {
  const total = nodes.reduce((sum, { weight }) => sum + weight, 0);
  let from = 0;
  return new Map(nodes.map(({ id, weight }) => {
    const to = from + (total === 0 ? 1 / nodes.length : weight / total);
    const arc = { from, to };
    from = to;
    return [id, arc];
  }));
}

/** Where an id of 13 hex digits stands, as a share of a whole turn. */
export function turnOf(id: string): number {
  return Number.parseInt(id, 16) / ID_COUNT;
}

/** The point of a circle around (0, 0), at a share of a turn from the top. */
export function pointAt(
  turn: number,
  radius: number,
): readonly [x: number, y: number] {
  const angle = (turn - 0.25) * 2 * Math.PI;
  return [round(Math.cos(angle) * radius), round(Math.sin(angle) * radius)];
}

/** The path of arcs, for a stroke. @param gap is left out at the end of each, as a share of a turn */
export function pathOf(arcs: readonly Arc[], radius: number, gap = 0): string {
  return arcs.map(({ from, to }) => {
    const end = Math.max(from, Math.min(to, from + 0.99999) - gap);
    const [x1, y1] = pointAt(from, radius);
    const [x2, y2] = pointAt(end, radius);
    return `M${x1} ${y1}A${radius} ${radius} 0 ${end - from > 0.5 ? 1 : 0} 1 ${x2} ${y2}`;
  }).join("");
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
