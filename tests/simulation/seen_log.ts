import type { LogEntry } from "../../src/node/log/entry.ts";

/**
 * A log as its node sees it. It begins after a base, which is a snapshot or the start of the log.
 */
export class SeenLog {
  #base = { index: 0, term: 0 };
  #entries: LogEntry[] = [];
  /** The entries that a snapshot has replaced: the state may still be applying them. */
  #replaced = new Map<number, LogEntry>();

  /** The entry before the log's first. */
  get base(): { readonly index: number; readonly term: number } {
    return this.#base;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  /** The entries of the log, ascending. */
  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  at(index: number): LogEntry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** Finds an entry, even if a snapshot has just replaced it. */
  known(index: number): LogEntry | undefined {
    return this.at(index) ?? this.#replaced.get(index);
  }

  /** 0 if it is not known. */
  termAt(index: number): number {
    return index === this.#base.index ? this.#base.term : this.at(index)?.term ?? 0;
  }

  /** Starts after this entry, without entries. */
  reset(index: number, term: number): void {
    this.#replaced = new Map(this.#entries.map((entry) => [entry.index, entry]));
    this.#base = { index, term };
    this.#entries = [];
  }

  /** Cuts the log off at the first new index, and appends. */
  append(entries: readonly LogEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    this.#entries.length = first.index - this.#base.index - 1;
    for (const entry of entries) this.#entries.push(entry);
  }
}
