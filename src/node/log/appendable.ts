import { assert } from "../../base/assert.ts";
import type { HardState } from "../../raft/types.ts";
import type { LogEntry } from "../entry.ts";
import type { LogStore } from "../log_store.ts";

/** States what every log demands of an append: no gap, no term that goes back, no second vote. */
export function assertAppendable(
  log: LogStore,
  hardState: HardState | null,
  entries: readonly LogEntry[],
): void {
  assertNextHardState(log, hardState);
  const first = entries[0];
  if (first === undefined) return;
  assert(
    first.index >= log.firstIndex() && first.index <= log.lastIndex() + 1,
    `Cannot append entry ${first.index}: the log holds ${log.firstIndex()} to ${log.lastIndex()}`,
  );
  let index = first.index - 1;
  let term = log.term(index);
  for (const entry of entries) {
    assert(
      entry.index === index + 1 && entry.term >= term,
      `Cannot append entry ${entry.index} of term ${entry.term} after entry ${index} of term ${term}`,
    );
    index = entry.index;
    term = entry.term;
  }
}

/** States what every log demands of a compaction. */
export function assertCompactable(log: LogStore, index: number): void {
  assert(
    index <= log.lastIndex(),
    `Cannot compact up to entry ${index}: the log holds ${log.firstIndex()} to ${log.lastIndex()}`,
  );
}

/** States what every log demands of a snapshot that takes its place. */
export function assertResettable(log: LogStore, index: number, hardState: HardState | null): void {
  assertNextHardState(log, hardState);
  assert(
    index >= log.firstIndex(),
    `Cannot begin behind entry ${index}: the log begins with entry ${log.firstIndex()} already`,
  );
}

function assertNextHardState(log: LogStore, hardState: HardState | null): void {
  if (hardState === null) return;
  const { term, vote } = log.hardState();
  assert(
    hardState.term > term ||
      (hardState.term === term && (vote === null || vote === hardState.vote)),
    `Cannot write term ${hardState.term} vote ${hardState.vote}: current is term ${term} vote ${vote}`,
  );
}
