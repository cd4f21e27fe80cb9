import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BlobPeers, BlobSpace, BlobStorage } from "./blobs.ts";
import type { Downloads } from "./download.ts";
import type { FileMetadata, FileNode, FileNodes } from "./file_metadata.ts";
import { HEALER_LIMITS, type HealerLimits } from "./healer_limits.ts";
import type { LayoutCache } from "./layout.ts";
import { Loop } from "./loop.ts";
import { NodeWatch } from "./node_watch.ts";
import { OwnCopies } from "./own_copies.ts";
import { Pulls, type PullStatus } from "./pulls.ts";
import type { Reports } from "./reports.ts";
import { Scrubber, type ScrubPlace, type ScrubStatus } from "./scrubber.ts";
import { unlessAborted } from "./waits.ts";

/** How often the space on the disk is looked at, in milliseconds. */
const SPACE_MS = 10_000;
/** A change of the space by this part of the capacity is announced. */
const SPACE_CHANGE = 0.1;

/** How a node presents itself to the others. */
export interface OwnNode {
  readonly id: string;
  /** Of its files port, as `host:port`. */
  readonly address: string;
  /** Its share of the files relative to nodes with as large a disk. 0: it takes none. */
  readonly weight: number;
}

export interface HealerOptions {
  readonly node: OwnNode;
  readonly metadata: FileMetadata;
  readonly layout: LayoutCache;
  readonly local: BlobStorage;
  readonly peers: BlobPeers;
  readonly downloads: Downloads;
  readonly reports: Reports;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether this node leads at the moment. */
  readonly isLeader: () => boolean;
  /** The ids of the members of Raft's configuration; `null` if this node does not know them. */
  readonly members: () => readonly string[] | null;
  readonly scrubPlace: ScrubPlace;
  /** @default HEALER_LIMITS */
  readonly limits?: Partial<HealerLimits>;
}

export interface HealerStatus {
  readonly pulls: PullStatus;
  readonly scrub: ScrubStatus;
  /** Number of looks at what there is to do. */
  readonly sweeps: number;
  readonly lastSweepMs: number;
}

/**
 * Keeps this node's copies as the log wants them, and announces the node. While this node leads, it
 * also watches the others. Everything may stop at any time, and begins again after a restart.
 */
export class Healer {
  readonly #options: HealerOptions;
  readonly #limits: HealerLimits;
  readonly #pulls: Pulls;
  readonly #copies: OwnCopies;
  readonly #watch: NodeWatch;
  readonly #scrubber: Scrubber;
  readonly #loop: Loop;
  /** What the last sweep has seen of the layout and the holders. */
  #sweptState = "";
  #hasMore = false;
  #nextSweepMs = -Infinity;
  #sweptMs = -Infinity;
  #scannedMs = -Infinity;
  /** Whether the disk was compared with the log since the start. */
  #isChecked = false;
  #isAnnounced = false;
  #space: BlobSpace | null = null;
  #spaceMs = -Infinity;
  #announced: BlobSpace | null = null;
  #sweeps = 0;
  #lastSweepMs = 0;

  constructor(options: HealerOptions) {
    this.#options = options;
    const limits = this.#limits = { ...HEALER_LIMITS, ...options.limits };
    const { node, local, downloads, reports, clock, logger } = options;
    this.#pulls = new Pulls({
      local,
      downloads,
      reports,
      clock,
      logger,
      bytesPerSecond: limits.repairBytesPerSecond,
      pullsMax: limits.pullsMax,
      onIdle: () => this.wake(),
    });
    this.#copies = new OwnCopies({ ...options, node: node.id, pulls: this.#pulls, limits });
    this.#watch = new NodeWatch({ ...options, node: node.id, limits });
    this.#scrubber = new Scrubber({
      local,
      reports,
      place: options.scrubPlace,
      clock,
      logger,
      limits,
      onCorrupt: () => this.wake(),
    });
    this.#loop = new Loop({ name: "repair", clock, logger, work: (signal) => this.#work(signal) });
  }

  get status(): HealerStatus {
    return {
      pulls: this.#pulls.status,
      scrub: this.#scrubber.status,
      sweeps: this.#sweeps,
      lastSweepMs: this.#lastSweepMs,
    };
  }

  start(): void {
    this.#pulls.start();
    this.#loop.start();
    this.#watch.start();
    this.#scrubber.start();
  }

  /** Has the next look begin soon. */
  wake(): void {
    this.#hasMore = true;
    this.#loop.wake();
  }

  /** Resolves when nothing is in progress any more. It waits for at most a chunk. */
  async stop(): Promise<void> {
    await Promise.all([
      this.#scrubber.stop(),
      this.#watch.stop(),
      this.#loop.stop(),
      this.#pulls.stop(),
    ]);
  }

  async #work(signal: AbortSignal): Promise<number> {
    const { layout, reports, node } = this.#options;
    await reports.send(signal);
    let { nodes } = await unlessAborted(layout.refresh(), signal);
    if (this.#isScanDue()) {
      await this.#scan(nodes, signal);
      await reports.send(signal);
      nodes = (await unlessAborted(layout.refresh(), signal)).nodes;
    }
    const own = nodes.nodes.find(({ id }) => id === node.id) ?? null;
    if (await this.#announceIfNeeded(own, signal)) {
      nodes = (await unlessAborted(layout.refresh(), signal)).nodes;
    }
    await this.#sweepIfNeeded(nodes, signal);
    return this.#limits.sweepMs;
  }

  #isScanDue(): boolean {
    return this.#options.clock.monotonicMs() - this.#scannedMs >= this.#limits.scanMs;
  }

  /**
   * Compares the disk with the log in both directions. It comes before the first announcement: when
   * a node comes back, others remove what it should hold, so it must not claim what it has lost.
   */
  async #scan(nodes: FileNodes, signal: AbortSignal): Promise<void> {
    const { node, layout, clock } = this.#options;
    const blobsIn = ({ nodes }: FileNodes) => nodes.find(({ id }) => id === node.id)?.blobs ?? 0;
    const recorded = await this.#copies.scan(signal);
    const counts = [blobsIn(nodes)];
    counts.push(blobsIn((await unlessAborted(layout.refresh(), signal)).nodes));
    // Uploads change the count. Only the first time, it is worth looking in vain.
    const expected = this.#isChecked ? Math.min(...counts) : Math.max(...counts);
    if (recorded < expected) await this.#copies.findMissing(signal);
    this.#isChecked = true;
    this.#scannedMs = clock.monotonicMs();
  }

  /** @returns whether the layout has changed */
  async #announceIfNeeded(own: FileNode | null, signal: AbortSignal): Promise<boolean> {
    const { node, members, metadata, local, clock, reports } = this.#options;
    if (members()?.includes(node.id) === false) return false;
    // What is lost must be known before this node counts again.
    if (!this.#isChecked || (own?.state !== "up" && reports.hasLost)) return false;
    const nowMs = clock.monotonicMs();
    if (this.#space === null || nowMs - this.#spaceMs >= SPACE_MS) {
      this.#space = await local.space();
      this.#spaceMs = nowMs;
    }
    const isKnown = own !== null && own.state !== "out" && own.address === node.address &&
      own.weight === node.weight;
    if (this.#isAnnounced && isKnown && !this.#hasSpaceChanged(this.#space)) return false;
    if (own?.state === "out" && this.#isAnnounced && !await this.#check(signal)) return false;
    const { capacityBytes, freeBytes } = this.#space;
    await unlessAborted(metadata.announce({ ...node, capacityBytes, freeBytes }), signal);
    this.#announced = this.#space;
    this.#isAnnounced = true;
    return true;
  }

  /** Compares disk and log before this node comes back. @returns whether nothing is missing */
  async #check(signal: AbortSignal): Promise<boolean> {
    const { layout, reports } = this.#options;
    await this.#scan((await unlessAborted(layout.refresh(), signal)).nodes, signal);
    await reports.send(signal);
    return !reports.hasLost;
  }

  #hasSpaceChanged(space: BlobSpace): boolean {
    if (this.#announced === null) return true;
    const { capacityBytes, freeBytes } = this.#announced;
    const changes = [space.capacityBytes - capacityBytes, space.freeBytes - freeBytes];
    return changes.some((change) => Math.abs(change) > SPACE_CHANGE * capacityBytes);
  }

  async #sweepIfNeeded(nodes: FileNodes, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    // Every change of holders changes the number of blobs of a node.
    const state = JSON.stringify([
      nodes.version,
      nodes.revision,
      nodes.nodes.map(({ blobs, bytes }) => [blobs, bytes]),
    ]);
    const isDue = state !== this.#sweptState || this.#hasMore ||
      startMs - this.#sweptMs >= this.#limits.idleSweepMs;
    if (!isDue || startMs < this.#nextSweepMs) return;
    this.#hasMore = false;
    try {
      if (await this.#copies.sweep(signal)) this.#hasMore = true;
      this.#sweptState = state;
    } finally {
      const endMs = clock.monotonicMs();
      this.#sweeps++;
      this.#lastSweepMs = endMs - startMs;
      this.#sweptMs = endMs;
      this.#nextSweepMs = endMs +
        Math.max(this.#limits.sweepMs, this.#limits.sweepFactor * this.#lastSweepMs);
    }
  }
}
