import { Ring } from "../ring/ring.ts";
import type { RingId } from "../ring/ring_id.ts";
import { compareBytes } from "./sorted_tree.ts";

/** A node that holds files, as it announced itself. Never changes: a change is a new object. */
export interface FileNode {
  readonly id: string;
  /** Where it serves contents to other nodes, `HOST:PORT`. */
  readonly address: string;
  /** Its share of the files relative to other nodes with disks of the same size. */
  readonly weight: number;
  /** Size of its disk, in bytes. */
  readonly capacityBytes: number;
  readonly freeBytes: number;
  /** Whether it was silent for too long. */
  readonly isOut: boolean;
  /** Whether its files shall move away. */
  readonly isDraining: boolean;
}

export type FileNodeState = "up" | "out" | "draining";

export function stateOfNode({ isOut, isDraining }: FileNode): FileNodeState {
  return isOut ? "out" : isDraining ? "draining" : "up";
}

/** Steps of a node's weight on the ring: a change of capacity by less moves no files. */
const WEIGHT_STEPS = 8;

/**
 * What decides where copies belong: the weights of the nodes that are up, and which nodes are
 * available.
 */
export class FilePlacement {
  /** Number of nodes that hold copies. */
  readonly placeable: number;
  readonly #weights: ReadonlyMap<string, number>;
  readonly #out: ReadonlySet<string>;
  #ring: Ring | null = null;

  /** @param nodes in the order of their ids */
  constructor(nodes: readonly FileNode[]) {
    const up = nodes.filter((node) => stateOfNode(node) === "up");
    const largest = Math.max(0, ...up.map(({ capacityBytes }) => capacityBytes));
    this.#weights = new Map(up.map((node) => [node.id, ringWeight(node, largest)]));
    this.#out = new Set(nodes.filter(({ isOut }) => isOut).map(({ id }) => id));
    this.placeable = [...this.#weights.values()].filter((weight) => weight > 0).length;
  }

  /** Takes up to a millisecond for each unit of weight, the first time. */
  get ring(): Ring {
    return this.#ring ??= new Ring([...this.#weights].map(([id, weight]) => ({ id, weight })));
  }

  /** The weight of a node on the ring; 0 if it is not up. */
  weightOf(id: string): number {
    return this.#weights.get(id) ?? 0;
  }

  isOut(id: string): boolean {
    return this.#out.has(id);
  }

  /** The nodes that should hold a file, the responsible one first. */
  wanted({ ringId, copies }: { readonly ringId: RingId; readonly copies: number }) {
    return this.ring.successors(ringId, copies);
  }

  /** Number of copies that a file can have now. */
  copiesOf({ copies }: { readonly copies: number }): number {
    return Math.min(copies, this.placeable);
  }

  equals(other: FilePlacement): boolean {
    const [one, two] = [this, other].map((placement) =>
      JSON.stringify([[...placement.#weights], [...placement.#out]])
    );
    return one === two;
  }
}

function ringWeight({ weight, capacityBytes }: FileNode, largest: number): number {
  if (weight === 0) return 0;
  const scaled = largest === 0 ? weight : weight * (capacityBytes / largest);
  return Math.max(1, Math.round(scaled * WEIGHT_STEPS)) / WEIGHT_STEPS;
}

/** The nodes that hold files. Never changes: a change is a new layout. */
export class FileLayout {
  static readonly EMPTY = new FileLayout([], 0);
  /** In the order of their ids. */
  readonly nodes: readonly FileNode[];
  /** Counts the changes, besides those of free space. */
  readonly revision: number;
  /** The same object as long as all copies belong where they do. */
  readonly placement: FilePlacement;

  /** @param nodes in the order of their ids */
  constructor(nodes: readonly FileNode[], revision: number, before: FilePlacement | null = null) {
    this.nodes = nodes;
    this.revision = revision;
    const placement = new FilePlacement(nodes);
    this.placement = before?.equals(placement) ? before : placement;
  }

  find(id: string): FileNode | undefined {
    return this.nodes.find((node) => node.id === id);
  }

  /** The layout with a node that is new, or replaces the one of its id. */
  with(node: FileNode): FileLayout {
    const before = this.find(node.id);
    const nodes = [...this.nodes.filter(({ id }) => id !== node.id), node]
      .sort((one, other) => compareBytes(one.id, other.id));
    const isSame = before !== undefined &&
      JSON.stringify({ ...before, freeBytes: 0 }) === JSON.stringify({ ...node, freeBytes: 0 });
    return new FileLayout(nodes, this.revision + (isSame ? 0 : 1), this.placement);
  }

  without(id: string): FileLayout {
    const nodes = this.nodes.filter((node) => node.id !== id);
    return new FileLayout(nodes, this.revision + 1, this.placement);
  }
}
