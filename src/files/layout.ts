import type { Clock } from "../platform/clock.ts";
import { Ring } from "../ring/ring.ts";
import { ringId } from "../ring/ring_id.ts";
import type { FileMetadata, FileNode, FileNodes } from "./file_metadata.ts";

/** Time in milliseconds for which a layout is used without asking again. */
const FRESH_MS = 1_000;

/** The nodes of a committed layout, and their places on the ring. */
export class Layout {
  readonly nodes: FileNodes;
  readonly #ring: Ring;
  readonly #byId: ReadonlyMap<string, FileNode>;

  /** @param before its ring is used again if the revision is the same */
  constructor(nodes: FileNodes, before: Layout | null = null) {
    this.nodes = nodes;
    this.#byId = new Map(nodes.nodes.map((node) => [node.id, node]));
    this.#ring = before?.nodes.revision === nodes.revision
      ? before.#ring
      : new Ring(nodes.nodes.map(({ id, ringWeight }) => ({ id, weight: ringWeight })));
  }

  node(id: string): FileNode | null {
    return this.#byId.get(id) ?? null;
  }

  /** All nodes that take files, in the order of the ring from the file's id on. */
  candidates(name: string): readonly FileNode[] {
    const ids = this.#ring.successors(ringId(`file ${name}`), this.nodes.nodes.length);
    return ids.flatMap((id) => this.node(id) ?? []);
  }
}

/** The layout as of at most a second ago. */
export class LayoutCache {
  readonly #metadata: FileMetadata;
  readonly #clock: Clock;
  #layout: Layout | null = null;
  #readMs = -Infinity;
  #reading: Promise<Layout> | null = null;

  constructor(metadata: FileMetadata, clock: Clock) {
    this.#metadata = metadata;
    this.#clock = clock;
  }

  /** The layout, an older one if the cluster does not answer. @throws {FileError} */
  async get(): Promise<Layout> {
    const isFresh = this.#clock.monotonicMs() - this.#readMs < FRESH_MS;
    if (this.#layout !== null && isFresh) return this.#layout;
    try {
      return await this.refresh();
    } catch (error) {
      if (this.#layout === null) throw error;
      return this.#layout;
    }
  }

  /** The id of the node with this address of its files port, as far as it is known. */
  nodeAt(address: string): string | null {
    return this.#layout?.nodes.nodes.find((node) => node.address === address)?.id ?? null;
  }

  /** Asks the cluster. @throws {FileError} */
  refresh(): Promise<Layout> {
    return this.#reading ??= this.#read().finally(() => this.#reading = null);
  }

  async #read(): Promise<Layout> {
    const nodes = await this.#metadata.nodes();
    this.#layout = new Layout(nodes, this.#layout);
    this.#readMs = this.#clock.monotonicMs();
    return this.#layout;
  }
}
