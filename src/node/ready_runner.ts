import { assert } from "../base/errors.ts";
import type { Raft } from "../raft/mod.ts";
import type { Ready, SnapshotAt } from "../raft/types.ts";
import type { Applier } from "./clients/applier.ts";
import type { Batch, LogEntry } from "./log/entry.ts";
import type { LogStore } from "./log/log_store.ts";
import type { Members } from "./members/members.ts";
import type { NodeSnapshots } from "./snapshots/node_snapshots.ts";

export interface ReadyRunnerOptions {
  readonly raft: Pick<Raft<Batch>, "advance" | "committedMax">;
  readonly log: LogStore;
  readonly members: Members;
  readonly applier: Applier;
  readonly snapshots: Pick<NodeSnapshots, "install" | "prune"> | null;
  /** Maximum number of committed entries in memory that are not applied yet. */
  readonly unappliedMax: number;
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
 * Bytes of committed entries that are not applied yet, at or above which the core hands out no
 * more. What one Ready brings may exceed it.
 */
const UNAPPLIED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Executes the core's Readys: writes to the log in order, reports to the core what is durable, and
 * hands committed entries to the state machine.
 */
export class ReadyRunner {
  readonly #options: ReadyRunnerOptions;
  /** Committed entries that are not applied yet. */
  #unapplied: readonly LogEntry[] = [];
  /** Whether more of them may come. */
  #hasRoom = true;
  /** Writes in flight, oldest first, each with the Readys to advance when it is durable. */
  readonly #inFlight: Ready<Batch>[][] = [];
  /** A snapshot is replacing the log and the state. Applying continues after it. */
  #isInstalling = false;
  #undurableBytes = 0;
  #isStopped = false;

  constructor(options: ReadyRunnerOptions) {
    this.#options = options;
    options.raft.committedMax = options.unappliedMax;
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
   * Writes what one Ready holds, and applies what it has committed.
   *
   * @param mayApplyLater whether applying may wait for `apply` or the next Ready, since nobody
   * waits for the state. The leader then hears earlier that its entries are durable here.
   */
  writeAndApply(ready: Ready<Batch>, mayApplyLater: boolean): void {
    if (ready.snapshot !== null) this.apply();
    this.#write(ready);
    this.apply();
    if (this.#unapplied.length === 0) this.#unapplied = ready.committed;
    else if (ready.committed.length > 0) {
      this.#unapplied = [...this.#unapplied, ...ready.committed];
    }
    this.#noteUnapplied();
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
    this.#noteUnapplied();
  }

  /**
   * Lets the core hand out no more committed entries than there is room for. The others stay in the
   * log. Otherwise, while a long request is executed or after a restart, a large part of the log
   * would be in memory, decoded.
   */
  #noteUnapplied(): void {
    const { raft, unappliedMax, schedule } = this.#options;
    let bytes = 0;
    for (const { sizeBytes } of this.#unapplied) bytes += sizeBytes;
    const room = bytes < UNAPPLIED_BYTES_MAX ? unappliedMax - this.#unapplied.length : 0;
    const hadRoom = this.#hasRoom;
    this.#hasRoom = room > 0;
    raft.committedMax = Math.max(0, room);
    if (this.#hasRoom && !hadRoom) schedule();
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
      this.#noteUnapplied();
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
