import { assert } from "../../base/assert.ts";
import type { Entry, HardState, LogReader, Ready } from "../types.ts";

/** What a write of one Ready puts on the disk. */
type Write = Pick<Ready<string>, "hardState" | "entries">;

/**
 * A log with a disk that is slower than memory: writes are visible at once and durable one by one
 * when the test says so. Refuses questions that `LogReader` does not allow.
 */
export class TestLog implements LogReader<string> {
  #visible: Entry<string>[];
  #durable: Entry<string>[];
  #hardState: HardState;
  readonly #writes: Write[] = [];
  /** The log begins after this entry, as after a compaction. */
  readonly #before: { readonly index: number; readonly term: number };

  constructor(
    hardState: HardState = { term: 0, vote: null },
    entries: readonly Entry<string>[] = [],
    before = { index: 0, term: 0 },
  ) {
    this.#visible = [...entries];
    this.#durable = [...entries];
    this.#hardState = hardState;
    this.#before = before;
  }

  /** As a restarted node would find it. */
  get hardState(): HardState {
    return this.#hardState;
  }

  get durableEntries(): readonly Entry<string>[] {
    return this.#durable;
  }

  get writeCount(): number {
    return this.#writes.length;
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#visible.length;
  }

  term(index: number): number {
    return index === this.#before.index ? this.#before.term : this.#at(index).term;
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

  write(write: Write): void {
    this.#visible = this.#withEntries(this.#visible, write.entries);
    this.#writes.push(write);
  }

  /** Makes the oldest write under way durable. */
  persistNext(): void {
    const write = this.#writes.shift();
    assert(write !== undefined, "no write is under way");
    this.#durable = this.#withEntries(this.#durable, write.entries);
    this.#hardState = write.hardState ?? this.#hardState;
  }

  /** Loses what is not durable. */
  crash(): void {
    this.#writes.length = 0;
    this.#visible = [...this.#durable];
  }

  #at(index: number): Entry<string> {
    const entry = this.#visible[index - this.firstIndex()];
    assert(entry !== undefined, `the log has no entry ${index}`);
    return entry;
  }

  #withEntries(log: Entry<string>[], added: readonly Entry<string>[]): Entry<string>[] {
    if (added[0] === undefined) return log;
    const kept = added[0].index - this.firstIndex();
    assert(kept >= 0 && kept <= log.length, `a write at ${added[0].index} leaves a gap`);
    return [...log.slice(0, kept), ...added];
  }
}
