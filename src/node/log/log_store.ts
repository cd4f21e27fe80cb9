import type { HardState, LogReader } from "../../raft/types.ts";
import type { ClusterConfiguration } from "../members/configuration.ts";
import type { Batch, LogEntry } from "./entry.ts";

/** A configuration, and the index of its entry. */
export interface StoredConfiguration {
  readonly index: number;
  readonly configuration: ClusterConfiguration;
}

/**
 * A node's durable log: entries, term and vote. It is on disk (`DiskLog`), or in memory for tests
 * (`MemoryLog`). Both pass the same tests.
 */
export interface LogStore extends LogReader<Batch> {
  hardState(): HardState;
  /** The configurations in the log, durable or not, in ascending order of index. */
  configurations(): readonly StoredConfiguration[];
  /**
   * Writes the hard state and the entries after those of all earlier calls, and calls `done` once
   * they are durable. Entries at or after the first new index are truncated first. Readers see the
   * change at once. Calls made during a sync share the next sync.
   *
   * A failed write or sync is final: `onFailure` is called once, and no `done` afterwards.
   */
  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void;
  /**
   * Forgets entries up to `index`, as far as that frees space: `firstIndex()` moves up to `index +
   * 1` at most, and often less. The caller has a durable snapshot that covers `index`, and never
   * reads the forgotten entries again. Entries that a crash brings back are forgotten again.
   */
  compact(index: number): void;
  /**
   * Replaces the whole log by a durable snapshot up to this index, and the hard state if one is
   * given. Durable and in order like an append.
   */
  reset(index: number, term: number, hardState: HardState | null, done: () => void): void;
  /** Stops. No pending `done` is called, and writes that were not synced may be lost. */
  close(): void;
}
