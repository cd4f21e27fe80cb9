import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BlobPeers } from "./blobs.ts";
import type { FileMetadata, FileNode } from "./file_metadata.ts";
import type { HealerLimits } from "./healer_limits.ts";
import type { LayoutCache } from "./layout.ts";
import { Loop } from "./loop.ts";
import { unlessAborted, within } from "./waits.ts";

/** How often the leader looks at the other nodes, in milliseconds. */
const WATCH_MS = 1_000;

/** Time in milliseconds after which a question counts as not answered. */
const PING_MS_MAX = 5_000;

export interface NodeWatchOptions {
  readonly node: string;
  readonly metadata: FileMetadata;
  readonly layout: LayoutCache;
  readonly peers: BlobPeers;
  /** Whether this node leads at the moment. */
  readonly isLeader: () => boolean;
  /** The members of Raft's configuration; `null` if this node does not know them. */
  readonly members: () => readonly string[] | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HealerLimits;
}

/** The leader's watch over the files services of the other nodes. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #loop: Loop;
  #wasLeader = false;
  /** By node: when it last answered, or when this watch began. */
  readonly #heardMs = new Map<string, number>();
  readonly #asking = new Set<string>();
  /** By node: since when it has not been a member. */
  readonly #strangerMs = new Map<string, number>();

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    const { clock, logger } = options;
    this.#loop = new Loop({ name: "watching nodes", clock, logger, work: (s) => this.#watch(s) });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #watch(signal: AbortSignal): Promise<number> {
    const { isLeader, layout } = this.#options;
    if (!isLeader()) {
      this.#wasLeader = false;
      return WATCH_MS;
    }
    if (!this.#wasLeader) {
      // What an earlier leader saw is not known here.
      this.#heardMs.clear();
      this.#strangerMs.clear();
      this.#wasLeader = true;
    }
    const { nodes } = (await unlessAborted(layout.refresh(), signal)).nodes;
    await this.#watchSilence(nodes, signal);
    await this.#watchMembers(nodes, signal);
    return WATCH_MS;
  }

  async #watchSilence(nodes: readonly FileNode[], signal: AbortSignal): Promise<void> {
    const { node, metadata, clock, logger, limits, isLeader } = this.#options;
    const nowMs = clock.monotonicMs();
    const watched = nodes.filter(({ id, state }) => id !== node && state !== "out");
    for (const id of this.#heardMs.keys()) {
      if (!watched.some((one) => one.id === id)) this.#heardMs.delete(id);
    }
    for (const one of watched) {
      if (!this.#heardMs.has(one.id)) this.#heardMs.set(one.id, nowMs);
      this.#ask(one);
    }
    const isSilent = (id: string) => nowMs - (this.#heardMs.get(id) ?? nowMs) >= limits.outGraceMs;
    const silent = watched.filter(({ id }) => isSilent(id));
    // If most are silent, it is this node that cannot reach them.
    if (2 * silent.length >= watched.length + 1) return;
    for (const { id } of silent) {
      if (!isLeader()) return;
      logger.warn(`node ${id} has been silent for ${limits.outGraceMs} ms: others take its files`);
      await unlessAborted(metadata.out(id), signal);
      this.#heardMs.delete(id);
    }
  }

  /** Asks a node for a sign of life, unless the question before is still open. */
  #ask({ id, address }: FileNode): void {
    const { peers, clock } = this.#options;
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    const ping = within(clock, PING_MS_MAX, peers.ping(address), "A sign of life");
    ping.catch(() => false).then((isAlive) => {
      this.#asking.delete(id);
      if (isAlive && this.#heardMs.has(id)) this.#heardMs.set(id, clock.monotonicMs());
    });
  }

  async #watchMembers(nodes: readonly FileNode[], signal: AbortSignal): Promise<void> {
    const { node, metadata, members, clock, logger, limits, isLeader } = this.#options;
    const known = members();
    // A leader that does not find itself has an old configuration, or none.
    if (known === null || !known.includes(node)) return this.#strangerMs.clear();
    const nowMs = clock.monotonicMs();
    for (const { id } of nodes) {
      if (known.includes(id)) {
        this.#strangerMs.delete(id);
        continue;
      }
      const sinceMs = this.#strangerMs.get(id) ?? nowMs;
      this.#strangerMs.set(id, sinceMs);
      if (nowMs - sinceMs < limits.forgetMs || !isLeader()) continue;
      logger.info(`node ${id} is no member of the cluster: it leaves the layout of files`);
      await unlessAborted(metadata.forget(id), signal);
    }
  }
}
