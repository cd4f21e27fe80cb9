import { assert } from "../../../src/base/errors.ts";
import type { Entry, HardState, LogReader, Ready, SnapshotAt } from "../../../src/raft/types.ts";

/** A snapshot with the state of the state machine. */
export interface TestSnapshot extends SnapshotAt {
  readonly state: number;
}

/** The data that one Ready writes to the disk. */
interface Write extends Pick<Ready<string>, "hardState" | "entries"> {
  readonly snapshot: TestSnapshot | null;
}

/** A log that starts after some entry, as after a compaction. */
interface Kept {
  readonly before: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry<string>[];
}

/**
 * A log whose disk is slower than memory: writes are visible at once, and become durable one by one
 * when the test says so. It asserts that callers ask only what `LogReader` allows.
 */
export class TestLog implements LogReader<string> {
  #visible: Kept;
  #durable: Kept;
  #hardState: HardState;
  #snapshot: TestSnapshot | null = null;
  readonly #writes: Write[] = [];

  constructor(
    hardState: HardState = { term: 0, vote: null },
    entries: readonly Entry<string>[] = [],
    before = { index: 0, term: 0 },
  ) {
    this.#visible = { before, entries };
    this.#durable = this.#visible;
    this.#hardState = hardState;
  }

  /** The state that a restarted node would find. */
  get hardState(): HardState {
    return this.#hardState;
  }

  get durableEntries(): readonly Entry<string>[] {
    return this.#durable.entries;
  }

  /** The index of the last entry that a restarted node would find. */
  get durableLastIndex(): number {
    return lastIndexOf(this.#durable);
  }

  /** The newest durable snapshot. */
  get snapshot(): TestSnapshot | null {
    return this.#snapshot;
  }

  /** The newest snapshot, durable or not. The log begins after it. */
  get visibleSnapshot(): TestSnapshot | null {
    return this.#writes.findLast(({ snapshot }) => snapshot !== null)?.snapshot ?? this.#snapshot;
  }

  get writeCount(): number {
    return this.#writes.length;
  }

  firstIndex(): number {
    return this.#visible.before.index + 1;
  }

  lastIndex(): number {
    return lastIndexOf(this.#visible);
  }

  term(index: number): number {
    return termIn(this.#visible, index) ?? assert(false, `the log has no entry ${index}`) ?? 0;
  }

  /** Whether the entry, or a snapshot that covers it, would survive a crash. */
  hasDurable(index: number, term: number): boolean {
    return index <= this.#durable.before.index || termIn(this.#durable, index) === term;
  }

  /** The term of the entry that would survive a crash, or `null` if the log lacks it. */
  durableTerm(index: number): number | null {
    return termIn(this.#durable, index);
  }

  entries(from: number, to: number, bytesMax: number): readonly Entry<string>[] {
    assert(from <= to, `cannot read from ${from} to ${to}`);
    const result = [this.#at(from)];
    let sizeBytes = result[0]?.sizeBytes ?? 0;
    for (let index = from + 1; index <= to; index++) {
      sizeBytes += this.#at(index).sizeBytes;
      if (sizeBytes > bytesMax) break;
      result.push(this.#at(index));
    }
    return result;
  }

  /** All visible entries after `index`. */
  entriesAfter(index: number): readonly Entry<string>[] {
    return this.#visible.entries.slice(Math.max(0, index - this.#visible.before.index));
  }

  write(write: Write): void {
    this.#visible = written(this.#visible, write);
    this.#writes.push(write);
  }

  /** Makes the oldest write in flight durable. */
  persistNext(): void {
    const write = this.#writes.shift();
    assert(write !== undefined, "no write is in flight");
    this.#durable = written(this.#durable, write);
    this.#hardState = write.hardState ?? this.#hardState;
    this.#snapshot = write.snapshot ?? this.#snapshot;
  }

  /** Keeps a snapshot of durable entries, and only the entries after `index`. */
  compact(snapshot: TestSnapshot, index: number): void {
    assert(snapshot.index >= (this.#snapshot?.index ?? 0), "snapshots only get newer");
    assert(index <= snapshot.index && snapshot.index <= this.durableLastIndex, "nothing gets lost");
    this.#snapshot = snapshot;
    this.#visible = compacted(this.#visible, index);
    this.#durable = compacted(this.#durable, index);
  }

  /** Loses everything that is not durable. */
  crash(): void {
    this.#writes.length = 0;
    this.#visible = this.#durable;
  }

  #at(index: number): Entry<string> {
    const entry = this.#visible.entries[index - this.firstIndex()];
    assert(entry !== undefined, `the log has no entry ${index}`);
    return entry;
  }
}

function lastIndexOf({ before, entries }: Kept): number {
  return before.index + entries.length;
}

function termIn({ before, entries }: Kept, index: number): number | null {
  if (index === before.index) return before.term;
  return entries[index - before.index - 1]?.term ?? null;
}

function written(log: Kept, { snapshot, entries: added }: Write): Kept {
  const { before, entries } = snapshot === null ? log : { before: snapshot, entries: [] };
  if (added[0] === undefined) return { before, entries };
  const kept = added[0].index - before.index - 1;
  assert(kept >= 0 && kept <= entries.length, `a write at ${added[0].index} leaves a gap`);
  return { before, entries: [...entries.slice(0, kept), ...added] };
}

function compacted(log: Kept, index: number): Kept {
  if (index <= log.before.index) return log;
  const term = termIn(log, index);
  assert(term !== null, `the log has no entry ${index}`);
  return { before: { index, term }, entries: log.entries.slice(index - log.before.index) };
}
