import { assert } from "../../../src/base/errors.ts";
import type { LogEntry } from "../../../src/node/log/entry.ts";
import type { LogStore, StoredConfiguration } from "../../../src/node/log/log_store.ts";
import { GroupCommit, type Sync } from "../../../src/node/log/log_writer.ts";
import {
  assertAppendable,
  assertCompactable,
  assertResettable,
} from "../../../src/node/log/segment.ts";
import type { HardState } from "../../../src/raft/types.ts";

export interface MemoryLogOptions {
  /** Decides when appended entries count as durable. @default at once */
  readonly sync?: Sync;
  readonly onFailure?: (error: Error) => void;
}

/** A log in memory, for tests: it is lost with the process. */
export class MemoryLog implements LogStore {
  readonly #commit: GroupCommit;
  #entries: LogEntry[] = [];
  /** The entry before the first. */
  #before = { index: 0, term: 0 };
  #hardState: HardState = { term: 0, vote: null };

  constructor({ sync = (done) => done(null), onFailure = () => {} }: MemoryLogOptions = {}) {
    this.#commit = new GroupCommit(sync, onFailure);
  }

  hardState(): HardState {
    return this.#hardState;
  }

  configurations(): readonly StoredConfiguration[] {
    return this.#entries.flatMap(({ index, data }) => {
      const configuration = data?.configuration ?? null;
      return configuration === null ? [] : [{ index, configuration }];
    });
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#entries.length;
  }

  term(index: number): number {
    assert(
      index >= this.#before.index && index <= this.lastIndex(),
      `Cannot tell the term of entry ${index}: the log holds ${this.#range()}`,
    );
    return this.#at(index)?.term ?? this.#before.term;
  }

  entries(from: number, to: number, bytesMax: number): readonly LogEntry[] {
    assert(
      from >= this.firstIndex() && from <= to && to <= this.lastIndex(),
      `Cannot read entries ${from} to ${to}: the log holds ${this.#range()}`,
    );
    let bytesLeft = bytesMax;
    let last = from - 1;
    while (last < to) {
      bytesLeft -= this.#at(last + 1)?.sizeBytes ?? 0;
      if (bytesLeft < 0 && last >= from) break;
      last++;
    }
    return this.#entries.slice(from - this.firstIndex(), last + 1 - this.firstIndex());
  }

  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void {
    if (this.#commit.isStopped) return;
    assertAppendable(this, hardState, entries);
    this.#hardState = hardState ?? this.#hardState;
    const first = entries[0];
    if (first !== undefined) {
      this.#entries.length = first.index - this.firstIndex();
      for (const entry of entries) this.#entries.push(entry);
    }
    this.#commit.add(done);
  }

  compact(index: number): void {
    if (this.#commit.isStopped) return;
    assertCompactable(this, index);
    if (index < this.firstIndex()) return;
    const term = this.term(index);
    this.#entries = this.#entries.slice(index + 1 - this.firstIndex());
    this.#before = { index, term };
  }

  reset(index: number, term: number, hardState: HardState | null, done: () => void): void {
    if (this.#commit.isStopped) return;
    assertResettable(this, index, hardState);
    this.#hardState = hardState ?? this.#hardState;
    this.#entries = [];
    this.#before = { index, term };
    this.#commit.add(done);
  }

  close(): void {
    this.#commit.stop();
  }

  #at(index: number): LogEntry | undefined {
    return this.#entries[index - this.firstIndex()];
  }

  #range(): string {
    return `${this.firstIndex()} to ${this.lastIndex()}`;
  }
}
