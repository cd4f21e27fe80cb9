import type { LogEntry } from "../../src/node/log/entry.ts";

/** A log as its node sees it: after a base, which is the start of all logs or a snapshot. */
export class SeenLog {
  #base = { index: 0, term: 0 };
  #entries: LogEntry[] = [];
  /** What was here until a snapshot took its place: the state may be on its way through it. */
  #replaced = new Map<number, LogEntry>();

  /** The entry before the first that is here. */
  get base(): { readonly index: number; readonly term: number } {
    return this.#base;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  /** Those that are here, ascending. */
  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  at(index: number): LogEntry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** Also when a snapshot has just taken its place. */
  known(index: number): LogEntry | undefined {
    return this.at(index) ?? this.#replaced.get(index);
  }

  /** 0 when it is not known. */
  termAt(index: number): number {
    return index === this.#base.index ? this.#base.term : this.at(index)?.term ?? 0;
  }

  /** Starts after this entry, without any. */
  reset(index: number, term: number): void {
    this.#replaced = new Map(this.#entries.map((entry) => [entry.index, entry]));
    this.#base = { index, term };
    this.#entries = [];
  }

  /** Cuts off everything from the first new index on. */
  append(entries: readonly LogEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    this.#entries.length = first.index - this.#base.index - 1;
    for (const entry of entries) this.#entries.push(entry);
  }
}
