import type { HardState, LogReader } from "../raft/types.ts";
import type { Batch, LogEntry } from "./entry.ts";

/**
 * The node's durable log: entries, term and vote. In memory (`MemoryLog`) or on disk (`DiskLog`);
 * both pass one test suite.
 */
export interface LogStore extends LogReader<Batch> {
  hardState(): HardState;
  /**
   * Writes both, in order after all earlier calls, and calls `done` once that is durable. Entries
   * at or after the first new one's index are cut off first; all of it is visible to the reading
   * side at once. Calls that arrive while a sync is under way share the next one.
   *
   * A failed write or sync is final: `onFailure` is called once, no `done` is called any more.
   */
  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void;
  /** Stops; pending `done`s are not called. What was not synced may be lost. */
  close(): void;
}
