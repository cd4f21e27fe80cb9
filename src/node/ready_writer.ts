import { assert } from "../base/assert.ts";
import type { Raft } from "../raft/mod.ts";
import type { Ready, SnapshotAt } from "../raft/types.ts";
import type { Applier } from "./applier.ts";
import type { Batch, LogEntry } from "./entry.ts";
import type { LogStore } from "./log_store.ts";
import type { Members } from "./members.ts";
import type { NodeSnapshots } from "./snapshots/node_snapshots.ts";

export interface ReadyWriterOptions {
  readonly raft: Raft<Batch>;
  readonly log: LogStore;
  readonly members: Members;
  readonly applier: Applier;
  readonly snapshots: NodeSnapshots | null;
  /** The core has been told that the Ready is durable: what waited for that may leave. */
  readonly advanced: (ready: Ready<Batch>) => void;
  /** There is something to do in the next turn. */
  readonly schedule: () => void;
}

/**
 * Makes durable what the core wants so, in its order, and tells the core when it is; brings the
 * state machine what is committed.
 */
export class ReadyWriter {
  readonly #options: ReadyWriterOptions;
  /** Committed, and not in the state yet. */
  #unapplied: readonly LogEntry[] = [];
  #underWay = 0;
  #isStopped = false;

  constructor(options: ReadyWriterOptions) {
    this.#options = options;
  }

  /** Whether something is being made durable. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /**
   * @param mayApplyLater nobody waits for the state: it has time until `apply`, or the next Ready,
   * so that the leader hears sooner that its entries are held here
   */
  carryOut(ready: Ready<Batch>, mayApplyLater: boolean): void {
    if (ready.snapshot !== null) this.apply();
    this.#write(ready);
    this.apply();
    this.#unapplied = ready.committed;
    if (!mayApplyLater || !this.isBusy) this.apply();
  }

  /** Brings the state up to what is committed. */
  apply(): void {
    if (this.#isStopped || this.#unapplied.length === 0) return;
    const { applier, snapshots } = this.#options;
    const entries = this.#unapplied;
    this.#unapplied = [];
    for (const entry of entries) {
      applier.apply(entry);
      snapshots?.applied(entry);
    }
  }

  #write(ready: Ready<Batch>): void {
    const { log, members } = this.#options;
    const { hardState, snapshot, entries } = ready;
    const isNothing = hardState === null && entries.length === 0 && snapshot === null;
    if (isNothing && this.#underWay === 0) return this.#advance(ready);
    this.#underWay++;
    if (snapshot !== null) return this.#install(ready, snapshot);
    members.appended(entries);
    log.append(hardState, entries, () => this.#written(ready));
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
    const installed = () => {
      if (this.#isStopped) return;
      applier.restore(received);
      snapshots?.installed();
      this.#written(ready);
    };
    const hasEntries = ready.entries.length > 0;
    log.reset(at.index, at.term, ready.hardState, hasEntries ? () => {} : installed);
    if (hasEntries) log.append(null, ready.entries, installed);
  }

  #written(ready: Ready<Batch>): void {
    this.#underWay--;
    if (this.#isStopped) return;
    this.#advance(ready);
    this.#options.schedule();
  }

  #advance(ready: Ready<Batch>): void {
    this.#options.raft.advance(ready);
    this.#options.advanced(ready);
  }
}
