import { assert } from "../../base/assert.ts";

const NAME = /^(\d{8,})-(\d{20})\.log$/;
const COUNT_INITIAL = 256;

export interface SegmentName {
  /** Position among all segments, from 1, without gaps. */
  readonly sequence: number;
  /** No entry of the segment has a lower index. */
  readonly first: number;
}

/**
 * `00000003-00000000000000000101.log`: the order of writing comes first, because a conflict may
 * bring the index back below that of an earlier segment.
 */
export function segmentFileName({ sequence, first }: SegmentName): string {
  return `${String(sequence).padStart(8, "0")}-${String(first).padStart(20, "0")}.log`;
}

/** `null` when the file is no segment. */
export function parseSegmentFileName(name: string): SegmentName | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const parsed = { sequence: Number(match[1]), first: Number(match[2]) };
  return segmentFileName(parsed) === name ? parsed : null;
}

/** Where the entries of one log file stand: 8 bytes of memory for each. */
export class Segment {
  readonly sequence: number;
  readonly first: number;
  /** Size of the record that every segment begins with. */
  headerBytes = 0;
  /** Where the next record goes. */
  endBytes = 0;
  #count = 0;
  #offsets = new Uint32Array(COUNT_INITIAL);
  #lengths = new Uint32Array(COUNT_INITIAL);

  constructor({ sequence, first }: SegmentName) {
    this.sequence = sequence;
    this.first = first;
  }

  get fileName(): string {
    return segmentFileName(this);
  }

  /** Index of the last entry; `first - 1` when there is none. */
  get last(): number {
    return this.first + this.#count - 1;
  }

  /** Notes an entry; whatever stood at its index and after it is gone. */
  add(index: number, offset: number, payloadBytes: number): void {
    const at = index - this.first;
    assert(at >= 0 && at <= this.#count, `Cannot add entry ${index} to segment ${this.fileName}`);
    if (at === this.#offsets.length) this.#grow();
    this.#offsets[at] = offset;
    this.#lengths[at] = payloadBytes;
    this.#count = at + 1;
  }

  cutFrom(index: number): void {
    this.#count = Math.max(0, Math.min(this.#count, index - this.first));
  }

  /** Where the entry's record begins. */
  offsetOf(index: number): number {
    return this.#offsets[this.#slot(index)] ?? 0;
  }

  payloadBytesOf(index: number): number {
    return this.#lengths[this.#slot(index)] ?? 0;
  }

  #slot(index: number): number {
    const at = index - this.first;
    assert(at >= 0 && at < this.#count, `Segment ${this.fileName} does not hold entry ${index}`);
    return at;
  }

  #grow(): void {
    const offsets = new Uint32Array(2 * this.#offsets.length);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const lengths = new Uint32Array(2 * this.#lengths.length);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }
}
