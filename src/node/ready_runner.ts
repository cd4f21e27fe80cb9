import { assert } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { Raft } from "../raft/mod.ts";
import type { NodeId, Ready, SnapshotAt } from "../raft/types.ts";
import type { Applier } from "./clients/applier.ts";
import type { Batch, LogEntry } from "./log/entry.ts";
import type { LogStore } from "./log/log_store.ts";
import type { Members } from "./members/members.ts";
import type { NodeSnapshots } from "./snapshots/node_snapshots.ts";

export interface ReadyRunnerOptions {
  readonly raft: Pick<Raft<Batch>, "advance">;
  readonly log: LogStore;
  readonly members: Members;
  readonly applier: Applier;
  readonly snapshots: Pick<NodeSnapshots, "install" | "prune"> | null;
  /**
   * Called when a Ready is durable and the core knows it: the messages that waited for that may be
   * sent.
   */
  readonly onAdvanced: (ready: Ready<Batch>) => void;
  /** Asks for another turn. */
  readonly schedule: () => void;
  /** Called when this build cannot apply the next entry. Nothing is applied afterwards. */
  readonly onRefused: (why: string) => void;
}

/**
 * Executes the core's Readys: writes to the log in order, reports to the core what is durable, and
 * hands committed entries to the state machine.
 */
export class ReadyRunner {
  readonly #options: ReadyRunnerOptions;
  /** Committed entries that are not applied yet. */
  #unapplied: readonly LogEntry[] = [];
  /** Writes in flight, oldest first, each with the Readys to advance when it is durable. */
  readonly #inFlight: Ready<Batch>[][] = [];
  /** A snapshot is replacing the log and the state. Applying continues after it. */
  #isInstalling = false;
  #undurableBytes = 0;
  #isStopped = false;

  constructor(options: ReadyRunnerOptions) {
    this.#options = options;
  }

  /** Whether committed entries wait to be applied. */
  get hasUnapplied(): boolean {
    return this.#unapplied.length > 0;
  }

  /** Bytes of entries whose write is in flight. */
  get undurableBytes(): number {
    return this.#undurableBytes;
  }

  /** Whether a write is in flight. */
  get isBusy(): boolean {
    return this.#inFlight.length > 0;
  }

  /**
   * Carries out one Ready.
   *
   * @param mayApplyLater whether applying may wait for `apply` or the next Ready, since nobody
   * waits for the state. The leader then hears earlier that its entries are durable here.
   */
  carryOut(ready: Ready<Batch>, mayApplyLater: boolean): void {
    if (ready.snapshot !== null) this.apply();
    this.#write(ready);
    this.apply();
    if (this.#unapplied.length === 0) this.#unapplied = ready.committed;
    else if (ready.committed.length > 0) {
      this.#unapplied = [...this.#unapplied, ...ready.committed];
    }
    if (!mayApplyLater || !this.isBusy) this.apply();
  }

  /** Applies committed entries, as far as the turn's budget allows. */
  apply(): void {
    if (this.#isStopped || this.#isInstalling || this.#unapplied.length === 0) return;
    const { applier } = this.#options;
    let count = 0;
    for (const entry of this.#unapplied) {
      if (applier.isBusy) break;
      const why = applier.refusal(entry);
      if (why !== null) {
        this.stop();
        return this.#options.onRefused(why);
      }
      applier.apply(entry);
      count++;
    }
    this.#unapplied = count === this.#unapplied.length ? [] : this.#unapplied.slice(count);
  }

  #write(ready: Ready<Batch>): void {
    const { log, members } = this.#options;
    const { hardState, snapshot, entries } = ready;
    if (hardState === null && entries.length === 0 && snapshot === null) {
      // This Ready takes its place after the last write, and needs no sync of its own.
      const last = this.#inFlight.at(-1);
      if (last === undefined) this.#advance(ready);
      else last.push(ready);
      return;
    }
    this.#inFlight.push([ready]);
    for (const { sizeBytes } of entries) this.#undurableBytes += sizeBytes;
    if (snapshot !== null) return this.#install(ready, snapshot);
    members.noteAppend(entries);
    log.append(hardState, entries, () => this.#completeWrite());
  }

  /** Stops. The end of writes in flight is ignored from now on. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Replaces log and state by a snapshot and the entries after it. */
  #install(ready: Ready<Batch>, at: SnapshotAt): void {
    const { log, members, applier, snapshots } = this.#options;
    const received = snapshots?.install(at);
    assert(received !== undefined, "only a node that stores snapshots installs one");
    members.restore({ index: at.index, configuration: received.snapshot.configuration });
    members.noteAppend(ready.entries);
    this.#isInstalling = true;
    const installed = () => {
      if (this.#isStopped) return;
      this.#isInstalling = false;
      this.#unapplied = this.#unapplied.filter(({ index }) => index > at.index);
      applier.restore(received);
      snapshots?.prune();
      this.#completeWrite();
    };
    const hasEntries = ready.entries.length > 0;
    log.reset(at.index, at.term, ready.hardState, hasEntries ? () => {} : installed);
    if (hasEntries) log.append(null, ready.entries, installed);
  }

  /** The oldest write is durable. */
  #completeWrite(): void {
    const durable = this.#inFlight.shift() ?? [];
    for (const { sizeBytes } of durable[0]?.entries ?? []) this.#undurableBytes -= sizeBytes;
    if (this.#isStopped) return;
    for (const ready of durable) this.#advance(ready);
    this.#options.schedule();
  }

  #advance(ready: Ready<Batch>): void {
    this.#options.raft.advance(ready);
    this.#options.onAdvanced(ready);
  }
}

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

/**
 * Keeps a node whose own disk hangs from leading. The others commit without it, and clients notice
 * nothing. But this node keeps everything written in memory, and one more failure stops the
 * cluster.
 */
export class OwnDisk {
  readonly #options: OwnDiskOptions;
  readonly #lagMsMax: number;
  /**
   * A committed entry that was not durable here when it was noted, and the time at which it was.
   */
  #mark: { readonly index: number; readonly sinceMs: number } | null = null;
  /** A handover was attempted in this leadership. */
  #hasOffered = false;

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
      this.#hasOffered = false;
      return;
    }
    const { durableIndex, commitIndex } = raft;
    const nowMs = clock.monotonicMs();
    if (this.#mark !== null && durableIndex >= this.#mark.index) this.#mark = null;
    if (durableIndex >= commitIndex) return;
    this.#mark ??= { index: commitIndex, sinceMs: nowMs };
    const lateMs = nowMs - this.#mark.sinceMs;
    if (lateMs <= this.#lagMsMax || raft.transferringTo !== null) return;
    const to = this.#hasOffered ? null : successor();
    const what = to === null ? "steps down" : `hands over to ${to}`;
    logger.warn(`its disk has not finished a sync for ${Math.round(lateMs)} ms: ${what}`);
    this.#hasOffered = true;
    if (to === null || !raft.transfer(to)) raft.stepDown();
  }
}
