import type { LogEntry } from "../../src/node/log/entry.ts";
import type { HardState } from "../../src/raft/types.ts";
import { describeEntry, type LogContent } from "./log_entries.ts";

/** The arguments of a call of `append`. */
export interface Append {
  readonly hardState: HardState | null;
  readonly entries: readonly LogEntry[];
}

export interface LogStates {
  /** Every state that a crash may leave, in order. The first is that of a new log. */
  readonly states: readonly LogContent[];
  /** For N appends, the position of the state that contains all of them. */
  readonly complete: readonly number[];
}

/** The states that a log passes through while these appends are written one after the other. */
export function statesOf(appends: readonly Append[]): LogStates {
  let hardState: HardState = { term: 0, vote: null };
  let entries: string[] = [];
  const states = [{ hardState, entries }];
  const complete = [0];
  const note = () => states.push({ hardState, entries });
  for (const append of appends) {
    if (append.hardState !== null) {
      hardState = append.hardState;
      note();
    }
    for (const [position, entry] of append.entries.entries()) {
      entries = entries.slice(0, entry.index - 1);
      // A cut may become durable before the entries after it, with the segment that it starts.
      if (position === 0) note();
      entries = [...entries, describeEntry(entry)];
      note();
    }
    complete.push(states.length - 1);
  }
  return { states, complete };
}
