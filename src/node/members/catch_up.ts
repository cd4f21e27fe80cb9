import type { Logger } from "../../base/logger.ts";
import type { NodeId } from "../../raft/types.ts";

/** What decides whether a node lags. */
export interface Progress {
  readonly isLeader: boolean;
  /** The last entry that the state holds. */
  readonly appliedIndex: number;
  /** The leader's commit index as last heard in this term; 0: the leader has not told it yet. */
  readonly leaderCommit: number;
  /** A snapshot with newer entries than the state's is on its way here. */
  readonly isReceiving: boolean;
}

/**
 * Says whether this node is too far behind the leader to be asked for reads. Lag is measured in time:
 * for how long the node has known of a committed entry that it has not applied. An entry may be a
 * single small write or many MiB, so that a number of entries says little.
 *
 * A node that has just started counts as behind until it knows better, because it cannot tell yet how
 * far the others have gone on without it.
 */
export class CatchUp {
  readonly #lagMsMax: number;
  /** A commit index that was heard of but not applied, and when. */
  #mark: { readonly index: number; readonly heardMs: number } | null = null;
  #behindSinceMs: number | null;

  /** @param lagMsMax a node that knows of a committed entry for longer without applying it lags */
  constructor(lagMsMax: number, nowMs: number) {
    this.#lagMsMax = lagMsMax;
    this.#behindSinceMs = nowMs;
  }

  /** Whether other nodes should be asked for reads. */
  get isBehind(): boolean {
    return this.#behindSinceMs !== null;
  }

  /** Whether reads that are here already are better refused than kept: they may wait for long. */
  refusesReads(nowMs: number): boolean {
    return this.#behindSinceMs !== null && nowMs - this.#behindSinceMs > this.#lagMsMax;
  }

  note(nowMs: number, progress: Progress): void {
    const { isLeader, leaderCommit, isReceiving } = progress;
    if (isLeader) this.#caughtUp();
    else if (isReceiving || leaderCommit === 0) this.#fellBehind(nowMs);
    else this.#compare(nowMs, progress);
  }

  #compare(nowMs: number, { appliedIndex, leaderCommit }: Progress): void {
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

/** An election takes less; only what lasts is worth a line. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 5_000;

export interface MajorityWatchOptions {
  readonly logger: Logger;
  /** Why a member is not reached, and where; `null`: it is, or it is this node itself. */
  readonly problem: (member: NodeId) => string | null;
}

/** Says every few seconds, member by member, why there is no leader: who is not reached from here. */
export class MajorityWatch {
  readonly #options: MajorityWatchOptions;
  #sinceMs: number | null = null;
  #toldMs = -Infinity;

  constructor(options: MajorityWatchOptions) {
    this.#options = options;
  }

  /** @param members those who vote, this node among them if it does */
  check(nowMs: number, isLed: boolean, members: readonly NodeId[]): void {
    if (isLed || members.length === 0) {
      this.#sinceMs = null;
      return;
    }
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < PATIENCE_MS || nowMs - this.#toldMs < AGAIN_MS) return;
    const { logger, problem } = this.#options;
    const reasons = members.map((id) => [id, problem(id)] as const)
      .filter(([, reason]) => reason !== null).map(([id, reason]) => `${id} ${reason}`);
    const total = members.length;
    if (2 * (total - reasons.length) > total) return; // an election will do
    this.#toldMs = nowMs;
    logger.warn(
      `no leader without a majority: ${total - reasons.length} of ${total} members reached; ` +
        reasons.join("; "),
    );
  }
}
