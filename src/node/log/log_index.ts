import { assert } from "../../base/errors.ts";
import type { ClusterConfiguration } from "../members/configuration.ts";
import type { StoredConfiguration } from "./log_store.ts";
import type { Segment } from "./segment.ts";

/** The term of each entry of a log. Terms rarely change, so only the changes are stored. */
class TermRuns {
  /** Index at which each run starts. The first run starts with the entry before the log. */
  readonly #starts: number[];
  readonly #terms: number[];

  /** @param baseTerm term of the entry before the log's first, at `baseIndex` */
  constructor(baseIndex: number, baseTerm: number) {
    this.#starts = [baseIndex];
    this.#terms = [baseTerm];
  }

  /** The term of the entry at `index`, which must be known. */
  termAt(index: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    // Most requests are for entries near the end.
    if (index >= (this.#starts[high] ?? 0)) low = high;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const term = this.#terms[low];
    assert(term !== undefined && index >= (this.#starts[low] ?? 0), `No term is known at ${index}`);
    return term;
  }

  /** Sets the term of the entry at `index`, and drops it and everything after it. */
  set(index: number, term: number): void {
    this.cutFrom(index);
    if (this.#terms.at(-1) === term) return;
    this.#starts.push(index);
    this.#terms.push(term);
  }

  /** Forgets the terms of the entries before `index`. The one at `index` stays known. */
  forgetBefore(index: number): void {
    const term = this.termAt(index);
    const next = this.#starts.findIndex((start) => start > index);
    const kept = next === -1 ? this.#starts.length : next;
    this.#starts.splice(0, kept, index);
    this.#terms.splice(0, kept, term);
  }

  cutFrom(index: number): void {
    while ((this.#starts.at(-1) ?? 0) >= index && this.#starts.length > 1) {
      this.#starts.pop();
      this.#terms.pop();
    }
  }
}

/** The entries of a log on disk: their terms and their positions. */
export class LogIndex {
  /** Segments with entries that still count. Their first indexes ascend. */
  readonly #segments: Segment[] = [];
  #terms = new TermRuns(0, 0);
  #configurations: StoredConfiguration[] = [];
  #lastIndex = 0;

  get firstIndex(): number {
    return this.#segments[0]?.first ?? 1;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** The configurations of the entries in the log, in ascending order of index. */
  get configurations(): readonly StoredConfiguration[] {
    return this.#configurations;
  }

  /** The segment that is being written. */
  get newest(): Segment {
    const segment = this.#segments.at(-1);
    assert(segment !== undefined, "A log has no segment");
    return segment;
  }

  /** @param index from `firstIndex - 1` to `lastIndex` */
  termAt(index: number): number {
    assert(
      index >= this.firstIndex - 1 && index <= this.#lastIndex,
      `Cannot give the term of entry ${index}: the log holds ${this.firstIndex} to ${this.#lastIndex}`,
    );
    return this.#terms.termAt(index);
  }

  /** The segment of the entry at `index`. */
  segmentOf(index: number): Segment {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#segments[middle]?.first ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const segment = this.#segments[low];
    assert(segment !== undefined && index >= segment.first, `No segment holds entry ${index}`);
    return segment;
  }

  /** Starts a new segment. The log is truncated from the segment's first index on. */
  begin(segment: Segment): void {
    while ((this.#segments.at(-1)?.first ?? 0) >= segment.first) this.#segments.pop();
    this.#segments.at(-1)?.cutFrom(segment.first);
    this.#segments.push(segment);
    this.#terms.cutFrom(segment.first);
    this.#cutConfigurationsFrom(segment.first);
    this.#lastIndex = segment.first - 1;
  }

  /** Starts the log anew with this segment. Earlier segments no longer count. */
  beginAnew(segment: Segment, previousTerm: number): void {
    this.#segments.length = 0;
    this.#segments.push(segment);
    this.#lastIndex = segment.first - 1;
    this.#terms = new TermRuns(this.#lastIndex, previousTerm);
    this.#configurations = [];
  }

  /** Adds an entry to the newest segment. The log is truncated from its index on first. */
  add(
    index: number,
    term: number,
    place: { readonly offset: number; readonly payloadBytes: number },
    configuration: ClusterConfiguration | null,
  ): void {
    this.newest.add(index, place.offset, place.payloadBytes);
    this.#terms.set(index, term);
    this.#cutConfigurationsFrom(index);
    if (configuration !== null) this.#configurations.push({ index, configuration });
    this.#lastIndex = index;
  }

  /**
   * Forgets the segments that hold nothing above `index`, but never the newest.
   *
   * @returns the oldest one left
   */
  forgetUpTo(index: number): Segment {
    const kept = this.#segments.findIndex((segment) => segment.last > index);
    this.#segments.splice(0, kept === -1 ? this.#segments.length - 1 : kept);
    this.#terms.forgetBefore(this.firstIndex - 1);
    this.#configurations = this.#configurations.filter((one) => one.index >= this.firstIndex);
    const [oldest] = this.#segments;
    assert(oldest !== undefined, "the newest segment is never forgotten");
    return oldest;
  }

  #cutConfigurationsFrom(index: number): void {
    while ((this.#configurations.at(-1)?.index ?? 0) >= index) this.#configurations.pop();
  }
}
