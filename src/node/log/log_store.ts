import type { HardState, LogReader } from "../../raft/types.ts";
import type { ClusterConfiguration } from "../members/configuration.ts";
import type { Batch, LogEntry } from "./entry.ts";

/** A change of members, and the index of its entry. */
export interface StoredConfiguration {
  readonly index: number;
  readonly configuration: ClusterConfiguration;
}

/**
 * The node's durable log: entries, term and vote. In memory (`MemoryLog`) or on disk (`DiskLog`);
 * both pass one test suite.
 */
export interface LogStore extends LogReader<Batch> {
  hardState(): HardState;
  /** Those of the entries that the log holds, durable or not, in ascending order of index. */
  configurations(): readonly StoredConfiguration[];
  /**
   * Writes both, in order after all earlier calls, and calls `done` once that is durable. Entries
   * at or after the first new one's index are cut off first; all of it is visible to the reading
   * side at once. Calls that arrive while a sync is under way share the next one.
   *
   * A failed write or sync is final: `onFailure` is called once, no `done` is called any more.
   */
  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void;
  /**
   * Forgets entries up to `index` that take space of their own: `firstIndex()` moves up, to
   * `index + 1` at most, and often less. The caller has a durable snapshot that covers `index`, and
   * reads none of the forgotten entries again. What a crash brings back is forgotten anew.
   */
  compact(index: number): void;
  /**
   * A durable snapshot up to this index takes the place of the whole log, which begins behind it
   * now, and a hard state if there is one. Durable and in order like an append.
   */
  reset(index: number, term: number, hardState: HardState | null, done: () => void): void;
  /** Stops; pending `done`s are not called. What was not synced may be lost. */
  close(): void;
}
