import type { Logger } from "../../base/logger.ts";
import type { NodeId } from "../../raft/types.ts";

/** The facts that decide whether a node lags. */
export interface LagFacts {
  readonly isLeader: boolean;
  /** Index of the last entry in the state. */
  readonly appliedIndex: number;
  /** The leader's commit index as last heard in this term; 0 before it was heard. */
  readonly leaderCommit: number;
  /** Whether a snapshot that is newer than the state is arriving. */
  readonly isReceiving: boolean;
}

/**
 * Decides whether this node lags too far behind the leader to serve reads. Lag is measured in time:
 * how long the node has known of a committed entry that it has not applied. A number of entries
 * says little, since an entry may be one small write or many MiB.
 *
 * A node that has just started counts as behind, because it cannot know yet how far the others are.
 */
export class CatchUp {
  readonly #lagMsMax: number;
  /**
   * A commit index that was not applied when it was heard, and the monotonic time at which it was.
   */
  #mark: { readonly index: number; readonly heardMs: number } | null = null;
  #behindSinceMs: number | null;

  /** @param lagMsMax maximum time between hearing of a committed entry and applying it */
  constructor(lagMsMax: number, nowMs: number) {
    this.#lagMsMax = lagMsMax;
    this.#behindSinceMs = nowMs;
  }

  /** Whether reads should go to other nodes. */
  get isBehind(): boolean {
    return this.#behindSinceMs !== null;
  }

  /** Whether to refuse reads, which might wait for long. */
  refusesReads(nowMs: number): boolean {
    return this.#behindSinceMs !== null && nowMs - this.#behindSinceMs > this.#lagMsMax;
  }

  /** Judges the lag anew. */
  note(nowMs: number, facts: LagFacts): void {
    const { isLeader, leaderCommit, isReceiving } = facts;
    if (isLeader) this.#caughtUp();
    else if (isReceiving || leaderCommit === 0) this.#fellBehind(nowMs);
    else this.#compare(nowMs, facts);
  }

  #compare(nowMs: number, { appliedIndex, leaderCommit }: LagFacts): void {
    if (appliedIndex >= leaderCommit) return this.#caughtUp();
    const mark = this.#mark;
    const isLate = mark !== null && nowMs - mark.heardMs > this.#lagMsMax;
    if (isLate) this.#behindSinceMs ??= nowMs;
    if (mark !== null && appliedIndex < mark.index) return;
    if (mark !== null && !isLate) this.#behindSinceMs = null;
    this.#mark = { index: leaderCommit, heardMs: nowMs };
  }

  #caughtUp(): void {
    this.#behindSinceMs = null;
    this.#mark = null;
  }

  #fellBehind(nowMs: number): void {
    this.#behindSinceMs ??= nowMs;
    this.#mark = null;
  }
}

/** Time in milliseconds without a leader before the first log line. An election takes less. */
const PATIENCE_MS = 3_000;
/** Interval in milliseconds between further lines. */
const AGAIN_MS = 5_000;

export interface MajorityWatchOptions {
  readonly logger: Logger;
  /** Why a member is not reached; `null` if it is reached, or is this node. */
  readonly problem: (member: NodeId) => string | null;
}

/** While there is no leader, logs every few seconds which members are not reached, and why. */
export class MajorityWatch {
  readonly #options: MajorityWatchOptions;
  #sinceMs: number | null = null;
  #loggedMs = -Infinity;

  constructor(options: MajorityWatchOptions) {
    this.#options = options;
  }

  /** @param members the voters */
  check(nowMs: number, isLed: boolean, members: readonly NodeId[]): void {
    if (isLed || members.length === 0) {
      this.#sinceMs = null;
      return;
    }
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < PATIENCE_MS || nowMs - this.#loggedMs < AGAIN_MS) return;
    const { logger, problem } = this.#options;
    const reasons = members.map((id) => [id, problem(id)] as const)
      .filter(([, reason]) => reason !== null).map(([id, reason]) => `${id} ${reason}`);
    const total = members.length;
    if (2 * (total - reasons.length) > total) return; // an election will succeed
    this.#loggedMs = nowMs;
    logger.warn(
      `no leader without a majority: ${total - reasons.length} of ${total} members reached; ` +
        reasons.join("; "),
    );
  }
}
