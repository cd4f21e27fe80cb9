import type { HardState } from "../../src/raft/types.ts";
import type { LogEntry } from "../../src/node/entry.ts";
import type { LogStore, StoredConfiguration } from "../../src/node/log_store.ts";

export interface LogEvents {
  /** Before the log takes it. */
  appending(hardState: HardState | null, entries: readonly LogEntry[]): void;
  /** The log says that it is durable, and nobody was told yet. */
  persisted(hardState: HardState | null, entries: readonly LogEntry[]): void;
}

/** Stands between node and log, and knows all that is in the log. */
export class ObservedLog implements LogStore {
  readonly #inner: LogStore;
  readonly #events: LogEvents;
  readonly #entries: LogEntry[];

  constructor(inner: LogStore, events: LogEvents) {
    this.#inner = inner;
    this.#events = events;
    const last = inner.lastIndex();
    this.#entries = last === 0 ? [] : [...inner.entries(1, last, Infinity)];
  }

  /** As the node sees the log. */
  get all(): readonly LogEntry[] {
    return this.#entries;
  }

  hardState(): HardState {
    return this.#inner.hardState();
  }

  configurations(): readonly StoredConfiguration[] {
    return this.#inner.configurations();
  }

  firstIndex(): number {
    return this.#inner.firstIndex();
  }

  lastIndex(): number {
    return this.#inner.lastIndex();
  }

  term(index: number): number {
    return this.#inner.term(index);
  }

  entries(from: number, to: number, bytesMax: number): readonly LogEntry[] {
    return this.#inner.entries(from, to, bytesMax);
  }

  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void {
    this.#events.appending(hardState, entries);
    const [first] = entries;
    if (first !== undefined) {
      this.#entries.length = first.index - 1;
      for (const entry of entries) this.#entries.push(entry);
    }
    this.#inner.append(hardState, entries, () => {
      this.#events.persisted(hardState, entries);
      done();
    });
  }

  compact(index: number): void {
    this.#inner.compact(index);
  }

  reset(index: number, term: number, hardState: HardState | null, done: () => void): void {
    this.#inner.reset(index, term, hardState, done);
  }

  close(): void {
    this.#inner.close();
  }
}
