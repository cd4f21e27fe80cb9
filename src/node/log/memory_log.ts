import { assert } from "../../base/assert.ts";
import type { HardState } from "../../raft/types.ts";
import type { LogEntry } from "../entry.ts";
import type { LogStore } from "../log_store.ts";
import { assertAppendable } from "./appendable.ts";
import { GroupCommit, type Sync } from "./group_commit.ts";

export interface MemoryLogOptions {
  /** Says when what was appended counts as durable. @default at once */
  readonly sync?: Sync;
  readonly onFailure?: (error: Error) => void;
}

/** A log that dies with the process, for tests. */
export class MemoryLog implements LogStore {
  readonly #commit: GroupCommit;
  readonly #entries: LogEntry[] = [];
  #hardState: HardState = { term: 0, vote: null };

  constructor({ sync = (done) => done(null), onFailure = () => {} }: MemoryLogOptions = {}) {
    this.#commit = new GroupCommit(sync, onFailure);
  }

  hardState(): HardState {
    return this.#hardState;
  }

  firstIndex(): number {
    return 1;
  }

  lastIndex(): number {
    return this.#entries.length;
  }

  term(index: number): number {
    assert(
      index >= 0 && index <= this.lastIndex(),
      `Cannot tell the term of entry ${index}: the log holds 1 to ${this.lastIndex()}`,
    );
    return this.#entries[index - 1]?.term ?? 0;
  }

  entries(from: number, to: number, bytesMax: number): readonly LogEntry[] {
    assert(
      from >= 1 && from <= to && to <= this.lastIndex(),
      `Cannot read entries ${from} to ${to}: the log holds 1 to ${this.lastIndex()}`,
    );
    let bytesLeft = bytesMax;
    let last = from - 1;
    while (last < to) {
      bytesLeft -= this.#entries[last]?.sizeBytes ?? 0;
      if (bytesLeft < 0 && last >= from) break;
      last++;
    }
    return this.#entries.slice(from - 1, last);
  }

  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void {
    if (this.#commit.isStopped) return;
    assertAppendable(this, hardState, entries);
    this.#hardState = hardState ?? this.#hardState;
    const first = entries[0];
    if (first !== undefined) {
      this.#entries.length = first.index - 1;
      for (const entry of entries) this.#entries.push(entry);
    }
    this.#commit.add(done);
  }

  close(): void {
    this.#commit.stop();
  }
}
