import type { Entry } from "../raft/types.ts";

/** What one log entry carries: the writes of one turn of the leader's event loop. */
export interface Batch {
  /** The leader's clock at the proposal, never before the previous entry's: ms of the Unix epoch. */
  readonly timeMs: number;
  /** Each command with its arguments, one character (0–255) for each byte. May be empty: only time passes. */
  readonly commands: readonly (readonly string[])[];
}

export type LogEntry = Entry<Batch>;
