import type { NodeId } from "../raft/types.ts";

/** With whom a node exchanges nothing, on purpose: plain data, for another thread of its process. */
export interface CutOff {
  /** Whether it plays dead to everybody, not only to nodes. */
  readonly isPaused: boolean;
  /** The nodes from which it is isolated; `null`: all. */
  readonly peers: readonly NodeId[] | null;
}

/** What one thread knows of the faults of its node, which are in another one. */
export class CutOffView {
  readonly #watchers = new Set<() => void>();
  #now: CutOff = { isPaused: false, peers: [] };

  /** Takes over what the node says. */
  update(now: CutOff): void {
    this.#now = now;
    for (const changed of [...this.#watchers]) changed();
  }

  /** Calls `changed` after each change. */
  watch(changed: () => void): void {
    this.#watchers.add(changed);
  }

  /** Whether nobody is cut off; a shortcut for callers on the hot path. */
  get isEmpty(): boolean {
    return !this.#now.isPaused && this.#now.peers?.length === 0;
  }

  get isPaused(): boolean {
    return this.#now.isPaused;
  }

  /** @param node `null` for one whose id is not known: it counts only where all nodes do */
  isIsolated(node: NodeId | null): boolean {
    const { peers } = this.#now;
    return peers === null || (node !== null && peers.includes(node));
  }
}
