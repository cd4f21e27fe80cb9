import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { Raft } from "../raft/mod.ts";
import type { NodeId } from "../raft/types.ts";
import type { Batch } from "./log/entry.ts";

/** Bytes of entries not yet durable on this node, above which a leader holds new writes. */
export const UNDURABLE_BYTES_MAX = 64 * 1024 * 1024;
/** Minimum time in milliseconds for which a leader's disk may lag before it gives up leadership. */
const LAG_MS_MIN = 1_000;
/** The disk may lag for this many election timeouts, if that is longer. */
const LAG_ELECTIONS = 4;

export interface OwnDiskOptions {
  readonly raft: Pick<
    Raft<Batch>,
    "role" | "commitIndex" | "durableIndex" | "transferringTo" | "transfer" | "stepDown"
  >;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly electionMs: number;
  /** Bytes of entries whose write is in flight. */
  readonly undurableBytes: () => number;
  /** The best member to lead instead; `null` when none is reachable. */
  readonly successor: () => NodeId | null;
}

/** A committed entry that a leader's disk has not synced yet. */
interface Mark {
  readonly index: number;
  /** Monotonic time at which it was noted. */
  readonly sinceMs: number;
  /** A handover was attempted since then. */
  hasOffered: boolean;
}

/**
 * Keeps a node whose own disk hangs from leading. The others commit without it, and clients notice
 * nothing. But this node keeps everything written in memory, and one more failure stops the
 * cluster.
 */
export class OwnDisk {
  readonly #options: OwnDiskOptions;
  readonly #lagMsMax: number;
  /** `null` while this node does not lead, or all that is committed is durable here. */
  #mark: Mark | null = null;

  constructor(options: OwnDiskOptions) {
    this.#options = options;
    this.#lagMsMax = Math.max(LAG_MS_MIN, LAG_ELECTIONS * options.electionMs);
  }

  /** Whether new writes wait for the disk. */
  get holdsWrites(): boolean {
    return this.#options.undurableBytes() > UNDURABLE_BYTES_MAX;
  }

  /** Hands over when this leader's disk lags for too long, or steps down when nobody takes over. */
  tick(): void {
    const { raft, clock, logger, successor } = this.#options;
    if (raft.role !== "leader") {
      this.#mark = null;
      return;
    }
    const { durableIndex, commitIndex } = raft;
    const nowMs = clock.monotonicMs();
    if (this.#mark !== null && durableIndex >= this.#mark.index) this.#mark = null;
    if (durableIndex >= commitIndex) return;
    this.#mark ??= { index: commitIndex, sinceMs: nowMs, hasOffered: false };
    const lateMs = nowMs - this.#mark.sinceMs;
    if (lateMs <= this.#lagMsMax || raft.transferringTo !== null) return;
    const to = this.#mark.hasOffered ? null : successor();
    const what = to === null ? "steps down" : `hands over to ${to}`;
    logger.warn(`its disk has not finished a sync for ${Math.round(lateMs)} ms: ${what}`);
    this.#mark.hasOffered = true;
    if (to === null || !raft.transfer(to)) raft.stepDown();
  }
}
