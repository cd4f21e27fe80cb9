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
  if (hardState !== null) {
    const { term, vote } = log.hardState();
    assert(
      hardState.term > term ||
        (hardState.term === term && (vote === null || vote === hardState.vote)),
      `Cannot write term ${hardState.term} vote ${hardState.vote}: current is term ${term} vote ${vote}`,
    );
  }
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
