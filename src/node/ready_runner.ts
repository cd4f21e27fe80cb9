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

export interface ReadyWriterOptions {
  readonly raft: Pick<Raft<Batch>, "advance">;
  readonly log: LogStore;
  readonly members: Members;
  readonly applier: Applier;
  readonly snapshots: Pick<NodeSnapshots, "install" | "installed"> | null;
  /** The core has been told that the Ready is durable: what waited for that may leave. */
  readonly advanced: (ready: Ready<Batch>) => void;
  /** There is something to do in the next turn. */
  readonly schedule: () => void;
  /** The next entry cannot be carried out by this build: nothing is applied any more. */
  readonly refused: (why: string) => void;
}

/**
 * Makes durable what the core wants so, in its order, and tells the core when it is; brings the
 * state machine what is committed.
 */
export class ReadyWriter {
  readonly #options: ReadyWriterOptions;
  /** Committed, and not in the state yet. */
  #unapplied: readonly LogEntry[] = [];
  /** Writes under way, oldest first: what to advance when each of them is durable. */
  readonly #underWay: Ready<Batch>[][] = [];
  /** A snapshot is taking the place of log and state: the state goes on from there. */
  #isInstalling = false;
  #undurableBytes = 0;
  #isStopped = false;

  constructor(options: ReadyWriterOptions) {
    this.#options = options;
  }

  /** Whether something is committed that the state does not hold. */
  get hasUnapplied(): boolean {
    return this.#unapplied.length > 0;
  }

  /** Bytes of entries that are being made durable. */
  get undurableBytes(): number {
    return this.#undurableBytes;
  }

  /** Whether something is being made durable. */
  get isBusy(): boolean {
    return this.#underWay.length > 0;
  }

  /**
   * @param mayApplyLater nobody waits for the state: it has time until `apply`, or the next Ready,
   * so that the leader hears sooner that its entries are held here
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

  /** Brings the state up to what is committed, as far as the turn's budget allows. */
  apply(): void {
    if (this.#isStopped || this.#isInstalling || this.#unapplied.length === 0) return;
    const { applier } = this.#options;
    let count = 0;
    for (const entry of this.#unapplied) {
      if (applier.isBusy) break;
      const why = applier.refusal(entry);
      if (why !== null) {
        this.stop();
        return this.#options.refused(why);
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
      // It has its place behind the last write, and needs no sync of its own.
      const last = this.#underWay.at(-1);
      if (last === undefined) this.#advance(ready);
      else last.push(ready);
      return;
    }
    this.#underWay.push([ready]);
    for (const { sizeBytes } of entries) this.#undurableBytes += sizeBytes;
    if (snapshot !== null) return this.#install(ready, snapshot);
    members.appended(entries);
    log.append(hardState, entries, () => this.#written());
  }

  /** Writes that are under way count no more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Puts a snapshot, and what follows it, in the place of log and state. */
  #install(ready: Ready<Batch>, at: SnapshotAt): void {
    const { log, members, applier, snapshots } = this.#options;
    const received = snapshots?.install(at);
    assert(received !== undefined, "a snapshot comes from where snapshots are");
    members.restored({ index: at.index, configuration: received.snapshot.configuration });
    members.appended(ready.entries);
    this.#isInstalling = true;
    const installed = () => {
      if (this.#isStopped) return;
      this.#isInstalling = false;
      this.#unapplied = this.#unapplied.filter(({ index }) => index > at.index);
      applier.restore(received);
      snapshots?.installed();
      this.#written();
    };
    const hasEntries = ready.entries.length > 0;
    log.reset(at.index, at.term, ready.hardState, hasEntries ? () => {} : installed);
    if (hasEntries) log.append(null, ready.entries, installed);
  }

  /** The oldest write is durable. */
  #written(): void {
    const durable = this.#underWay.shift() ?? [];
    for (const { sizeBytes } of durable[0]?.entries ?? []) this.#undurableBytes -= sizeBytes;
    if (this.#isStopped) return;
    for (const ready of durable) this.#advance(ready);
    this.#options.schedule();
  }

  #advance(ready: Ready<Batch>): void {
    this.#options.raft.advance(ready);
    this.#options.advanced(ready);
  }
}

/** Bytes of entries that are not durable on this node, above which a leader takes no more writes. */
export const UNDURABLE_BYTES_MAX = 64 * 1024 * 1024;
const LAG_MS_MIN = 1_000;
/** The disk may be late by this many election timeouts, if that is longer. */
const LAG_ELECTIONS = 4;

export interface OwnDiskOptions {
  readonly raft: Pick<
    Raft<Batch>,
    "role" | "commitIndex" | "durableIndex" | "transferringTo" | "transfer" | "stepDown"
  >;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly electionMs: number;
  /** Bytes of entries on their way to the disk. */
  readonly undurableBytes: () => number;
  /** Who should lead in this node's place; `null`: nobody that answers. */
  readonly successor: () => NodeId | null;
}

/**
 * Keeps a node from leading whose own disk hangs. The others commit without it, so that clients notice
 * nothing, but all that is written stays in this node's memory, and the cluster is one failure away
 * from standing still.
 */
export class OwnDisk {
  readonly #options: OwnDiskOptions;
  readonly #lagMsMax: number;
  /** A committed entry that is not durable here, and since when that is known. */
  #mark: { readonly index: number; readonly sinceMs: number } | null = null;
  /** Leadership was offered to another, who did not take it. */
  #hasOffered = false;

  constructor(options: OwnDiskOptions) {
    this.#options = options;
    this.#lagMsMax = Math.max(LAG_MS_MIN, LAG_ELECTIONS * options.electionMs);
  }

  /** Whether new writes must wait for the disk. */
  get holdsWrites(): boolean {
    return this.#options.undurableBytes() > UNDURABLE_BYTES_MAX;
  }

  /** A leader whose disk is late for too long hands over, or steps down where nobody takes over. */
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
