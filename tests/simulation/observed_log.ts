import type { LogEntry } from "../../src/node/log/entry.ts";
import type { LogStore, StoredConfiguration } from "../../src/node/log/log_store.ts";
import type { HardState } from "../../src/raft/types.ts";
import { SeenLog } from "./seen_log.ts";

export interface LogEvents {
  /** Called before the log appends. */
  appending(hardState: HardState | null, entries: readonly LogEntry[]): void;
  /** Called when the log reports that it is durable, before anybody else learns of it. */
  persisted(hardState: HardState | null, entries: readonly LogEntry[]): void;
  /** Called before a snapshot replaces the log. */
  resetting(index: number, term: number): void;
  /** Called before entries up to this one are dropped. */
  compacting(index: number): void;
}

/**
 * Stands between node and log, and knows everything that the log contained in this life of the
 * node.
 */
export class ObservedLog implements LogStore {
  readonly #inner: LogStore;
  readonly #events: LogEvents;
  readonly seen = new SeenLog();
  /** Snapshots that have replaced the log, but not yet the state. */
  readonly #resets: number[] = [];

  constructor(inner: LogStore, events: LogEvents) {
    this.#inner = inner;
    this.#events = events;
    const first = inner.firstIndex();
    const last = inner.lastIndex();
    this.seen.reset(first - 1, inner.term(first - 1));
    if (last >= first) this.seen.append(inner.entries(first, last, Infinity));
  }

  /** The snapshot whose state comes next; `undefined` if none does. */
  takeReset(): number | undefined {
    return this.#resets.shift();
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
    this.seen.append(entries);
    this.#inner.append(hardState, entries, () => {
      this.#events.persisted(hardState, entries);
      done();
    });
  }

  compact(index: number): void {
    this.#events.compacting(index);
    this.#inner.compact(index);
  }

  reset(index: number, term: number, hardState: HardState | null, done: () => void): void {
    this.#events.resetting(index, term);
    this.seen.reset(index, term);
    this.#resets.push(index);
    this.#inner.reset(index, term, hardState, () => {
      this.#events.persisted(hardState, []);
      done();
    });
  }

  close(): void {
    this.#inner.close();
  }
}
