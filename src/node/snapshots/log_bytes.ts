/** Marks kept at most: old ones are thinned out. */
const MARKS_MAX = 256;

interface Mark {
  readonly index: number;
  readonly bytes: number;
}

/**
 * How many bytes of log were applied up to which entry, coarsely, so that bounds in bytes can be
 * turned into entries. Counts from where it was made.
 */
export class LogBytes {
  #marks: Mark[];
  #index: number;
  #bytes = 0;
  #stepBytes: number;

  /** @param stepBytes how finely, at least at first */
  constructor(index: number, stepBytes: number) {
    this.#index = index;
    this.#marks = [{ index, bytes: 0 }];
    this.#stepBytes = stepBytes;
  }

  applied(index: number, bytes: number): void {
    this.#index = index;
    this.#bytes += bytes;
    const last = this.#marks.at(-1);
    if (last !== undefined && this.#bytes - last.bytes < this.#stepBytes) return;
    this.#marks.push({ index, bytes: this.#bytes });
    if (this.#marks.length > MARKS_MAX) this.#thinOut();
  }

  /** Bytes of the entries behind `index`, at least what is known of them. */
  since(index: number): number {
    if (index >= this.#index) return 0;
    const mark = this.#marks.findLast((one) => one.index <= index) ?? this.#marks[0];
    return this.#bytes - (mark?.bytes ?? 0);
  }

  /** An entry at or before `index`, with about `bytes` of log between the two. */
  before(index: number, bytes: number): number {
    const end = this.#bytes - this.since(index);
    const mark = this.#marks.findLast((one) => one.index <= index && one.bytes <= end - bytes);
    return Math.min(index, (mark ?? this.#marks[0])?.index ?? 0);
  }

  /** Nobody asks for what is before `index` any more. */
  forgetBefore(index: number): void {
    const first = this.#marks.findLastIndex((one) => one.index <= index);
    if (first > 0) this.#marks = this.#marks.slice(first);
  }

  #thinOut(): void {
    this.#stepBytes *= 2;
    this.#marks = this.#marks.filter((_, at) => at % 2 === 0);
  }
}
