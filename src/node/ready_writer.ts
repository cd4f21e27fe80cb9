import { assert } from "../base/assert.ts";
import type { Raft } from "../raft/mod.ts";
import type { Ready, SnapshotAt } from "../raft/types.ts";
import type { Applier } from "./applier.ts";
import type { Batch } from "./entry.ts";
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

/** Makes durable what the core wants so, in its order, and tells the core when it is. */
export class ReadyWriter {
  readonly #options: ReadyWriterOptions;
  #underWay = 0;
  #isStopped = false;

  constructor(options: ReadyWriterOptions) {
    this.#options = options;
  }

  write(ready: Ready<Batch>): void {
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
