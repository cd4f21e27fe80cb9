import { assert } from "../base/errors.ts";
import type { Entry, LogReader } from "./types.ts";

/** A Ready whose write is in flight. */
interface PendingPersist {
  readonly sequence: number;
  /** The state machine has the state of a snapshot up to this index once the write is durable. */
  readonly restoredIndex: number;
  /**
   * The current log is durable up to this index once the write is. A later truncation lowers it.
   */
  lastIndex: number;
}

/**
 * The log as the core sees it: the driver's `LogReader`, and a tail in memory. The tail has
 * everything that is not durable yet and, up to `cacheBytesMax`, what was appended last.
 *
 * Invariants: `appliedIndex <= commitIndex <= lastIndex`, `durableIndex <= handedOutIndex <=
 * lastIndex`, and the tail begins at or before `durableIndex + 1`, or right after a snapshot that
 * is not durable yet. So the reader is asked only for entries that it has.
 */
export class RaftLog<T> {
  readonly #reader: LogReader<T>;
  readonly #cacheBytesMax: number;
  readonly #tail = new Map<number, Entry<T>>();
  readonly #pending: PendingPersist[] = [];
  #tailFirst: number;
  #tailBytes = 0;
  #lastIndex: number;
  #handedOutIndex: number;
  #durableIndex: number;
  #commitIndex: number;
  #appliedIndex: number;
  /** The end of the last snapshot that replaced the log. The reader may not know of it yet. */
  #base = { index: 0, term: 0 };

  /**
   * What the reader holds at the start counts as durable.
   *
   * @param appliedIndex index up to which the state machine has applied the log at the start; all
   * of that is committed
   */
  constructor(
    reader: LogReader<T>,
    cacheBytesMax: number,
    appliedIndex: number = reader.firstIndex() - 1,
  ) {
    this.#reader = reader;
    this.#cacheBytesMax = cacheBytesMax;
    this.#lastIndex = reader.lastIndex();
    this.#tailFirst = this.#lastIndex + 1;
    this.#handedOutIndex = this.#lastIndex;
    this.#durableIndex = this.#lastIndex;
    this.#commitIndex = appliedIndex;
    this.#appliedIndex = appliedIndex;
    assert(reader.firstIndex() >= 1, "a log begins at index 1 or later");
    assert(appliedIndex >= reader.firstIndex() - 1, "what is not applied is in the log");
    assert(appliedIndex <= this.#lastIndex, "the log reaches what is applied");
  }

  firstIndex(): number {
    return Math.max(this.#reader.firstIndex(), this.#base.index + 1);
  }

  lastIndex(): number {
    return this.#lastIndex;
  }

  lastTerm(): number {
    return this.term(this.#lastIndex);
  }

  commitIndex(): number {
    return this.#commitIndex;
  }

  appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** The log, as it is now, survives a crash up to this index. */
  durableIndex(): number {
    return this.#durableIndex;
  }

  /** The term of the entry at `index`, which is in `firstIndex() - 1 … lastIndex()`. */
  term(index: number): number {
    assert(index <= this.#lastIndex, `no entry ${index} in a log that ends at ${this.#lastIndex}`);
    if (index >= this.#tailFirst) return this.#tailEntry(index).term;
    assert(index >= this.firstIndex() - 1, `the log no longer knows the term of entry ${index}`);
    if (index === this.#base.index) return this.#base.term;
    return this.#reader.term(index);
  }

  /** Whether this log has an entry of that index and term. */
  matches(index: number, term: number): boolean {
    return index <= this.#lastIndex && index >= this.firstIndex() - 1 && this.term(index) === term;
  }

  /** Raft paper §5.4.1: whether a log with this end is at least as up to date as this one. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    const ownTerm = this.lastTerm();
    return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.#lastIndex);
  }

  /**
   * The last index at or before `index` whose term is at most `term`. No entry between the two can
   * be in a log that has `term` at `index` (Raft paper §5.3, the optimization for conflicts).
   *
   * @param floor an index up to which the two logs are known to match; the search ends there
   */
  lastIndexOfTermAtMost(index: number, term: number, floor: number): number {
    const end = Math.max(floor, this.firstIndex() - 1);
    let candidate = Math.min(index, this.#lastIndex);
    while (candidate > end && this.term(candidate) > term) candidate--;
    return candidate;
  }

  /** As many entries of `from … to` as fit into `bytesMax`, but at least one. */
  entries(from: number, to: number, bytesMax: number): readonly Entry<T>[] {
    assert(from >= this.firstIndex(), `entry ${from} was compacted`);
    assert(from <= to && to <= this.#lastIndex, `cannot read entries ${from} to ${to}`);
    if (from < this.#tailFirst) {
      return this.#reader.entries(from, Math.min(to, this.#tailFirst - 1), bytesMax);
    }
    const result: Entry<T>[] = [];
    let sizeBytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.#tailEntry(index);
      sizeBytes += entry.sizeBytes;
      if (sizeBytes > bytesMax && result.length > 0) break;
      result.push(entry);
    }
    return result;
  }

  append(entry: Entry<T>): void {
    assert(entry.index === this.#lastIndex + 1, "the log has no gaps");
    assert(entry.term >= this.lastTerm(), "terms in the log never go back");
    this.#tail.set(entry.index, entry);
    this.#tailBytes += entry.sizeBytes;
    this.#lastIndex = entry.index;
  }

  /** Truncates the log from `index` on: a newer leader has other entries there. */
  truncateFrom(index: number): void {
    assert(index > this.#commitIndex, `entry ${index} is committed and cannot be truncated`);
    for (let last = this.#lastIndex; last >= Math.max(index, this.#tailFirst); last--) {
      this.#tailBytes -= this.#tailEntry(last).sizeBytes;
      this.#tail.delete(last);
    }
    this.#lastIndex = index - 1;
    this.#tailFirst = Math.min(this.#tailFirst, index);
    this.#handedOutIndex = Math.min(this.#handedOutIndex, index - 1);
    this.#durableIndex = Math.min(this.#durableIndex, index - 1);
    // Earlier writes still complete, but do not make durable what is at these indexes now.
    for (const pending of this.#pending) {
      pending.lastIndex = Math.min(pending.lastIndex, index - 1);
    }
  }

  /**
   * Replaces the log by a snapshot: the log now ends at `index`, and begins right after it. The
   * snapshot contains everything committed before. So everything up to the old commit index still
   * counts as durable while the snapshot is being written.
   */
  restore(index: number, term: number): void {
    assert(index > this.#commitIndex, `a snapshot of ${index} brings nothing new`);
    const kept = this.#commitIndex;
    this.#tail.clear();
    this.#tailBytes = 0;
    this.#base = { index, term };
    this.#tailFirst = index + 1;
    this.#lastIndex = index;
    this.#handedOutIndex = index;
    this.#commitIndex = index;
    this.#durableIndex = Math.min(this.#durableIndex, kept);
    for (const pending of this.#pending) pending.lastIndex = Math.min(pending.lastIndex, kept);
  }

  /** Whether there are entries that no Ready has handed out yet. */
  hasNewEntries(): boolean {
    return this.#handedOutIndex < this.#lastIndex;
  }

  /** Hands out the entries that no earlier Ready has. Ready number `sequence` writes them. */
  handOut(sequence: number): readonly Entry<T>[] {
    const entries: Entry<T>[] = [];
    for (let index = this.#handedOutIndex + 1; index <= this.#lastIndex; index++) {
      entries.push(this.#tailEntry(index));
    }
    this.#handedOutIndex = this.#lastIndex;
    const restoredIndex = this.#base.index;
    this.#pending.push({ sequence, restoredIndex, lastIndex: this.#lastIndex });
    return entries;
  }

  /** The write of Ready number `sequence`, the oldest in flight, is durable. */
  markDurable(sequence: number): void {
    const pending = this.#pending.shift();
    assert(
      pending?.sequence === sequence,
      `Ready ${sequence} is advanced where ${pending?.sequence ?? "none"} is due`,
    );
    this.#durableIndex = Math.max(this.#durableIndex, pending.lastIndex);
    this.#appliedIndex = Math.max(this.#appliedIndex, pending.restoredIndex);
    this.#trimCache();
  }

  /** Raises the commit index, and never lowers it. Returns whether it has changed. */
  commitTo(index: number): boolean {
    if (index <= this.#commitIndex) return false;
    assert(index <= this.#lastIndex, `cannot commit ${index}: the log ends at ${this.#lastIndex}`);
    this.#commitIndex = index;
    return true;
  }

  /**
   * Whether there are entries to apply. There are none while the state machine loads a snapshot.
   */
  hasUnapplied(): boolean {
    return this.#appliedIndex < this.#commitIndex && this.#appliedIndex >= this.#base.index;
  }

  /**
   * The next committed entries, each once; at most `countMax`, and as many as fit into `bytesMax`,
   * but at least one unless `countMax` is 0.
   */
  takeCommitted(bytesMax: number, countMax: number): readonly Entry<T>[] {
    if (countMax === 0 || !this.hasUnapplied()) return [];
    const last = Math.min(this.#commitIndex, this.#appliedIndex + countMax);
    const entries = this.entries(this.#appliedIndex + 1, last, bytesMax);
    this.#appliedIndex += entries.length;
    assert(this.#appliedIndex <= this.#commitIndex, "only what is committed is applied");
    return entries;
  }

  #tailEntry(index: number): Entry<T> {
    const entry = this.#tail.get(index);
    assert(entry !== undefined, `entry ${index} is missing in memory`);
    return entry;
  }

  #trimCache(): void {
    while (this.#tailBytes > this.#cacheBytesMax && this.#tailFirst <= this.#durableIndex) {
      this.#tailBytes -= this.#tailEntry(this.#tailFirst).sizeBytes;
      this.#tail.delete(this.#tailFirst);
      this.#tailFirst++;
    }
  }
}
