import {
  parseLogRecord,
  payloadAt,
  RECORD_HEADER_BYTES,
  type SegmentHeader,
} from "../../src/node/log/record.ts";
import { parseSegmentFileName } from "../../src/node/log/segment.ts";
import { SnapshotFileError, SnapshotScanner } from "../../src/node/snapshots/snapshot_format.ts";
import type { HardState } from "../../src/raft/types.ts";
import type { FaultDisk } from "../support/fault_disk.ts";

const LOG_PREFIX = "log/";
const SNAPSHOT_NAME = /^snapshots\/(\d+)-(\d+)\.snapshot$/;

interface ReadSegment {
  readonly sequence: number;
  readonly path: string;
  version: number;
  offset: number;
}

/**
 * The part of a node's log and snapshots that would survive a loss of power now, read from the
 * durable bytes alone.
 */
export class DurableLog {
  readonly #disk: FaultDisk;
  hardState: HardState = { term: 0, vote: null };
  /** The entry before the log's first. */
  #base = { index: 0, term: 0 };
  /** The terms of the entries after that one. */
  readonly #terms: number[] = [];
  #segments: ReadSegment[] = [];
  #snapshots = new Map<string, { readonly index: number; readonly isSound: boolean }>();
  #namesVersion = -1;

  constructor(disk: FaultDisk) {
    this.#disk = disk;
  }

  get lastIndex(): number {
    return this.#base.index + this.#terms.length;
  }

  /** 0 if no such entry is durable in the log. */
  termAt(index: number): number {
    if (index === this.#base.index) return this.#base.term;
    return this.#terms[index - this.#base.index - 1] ?? 0;
  }

  /** The last entry covered by the newest whole snapshot; 0 if there is none. */
  get snapshotIndex(): number {
    const sound = [...this.#snapshots.values()].filter(({ isSound }) => isSound);
    return Math.max(0, ...sound.map(({ index }) => index));
  }

  /** Whether this committed entry can be restored with all before it. */
  holds(index: number, term: number): boolean {
    const { snapshotIndex } = this;
    if (snapshotIndex >= index) return true;
    return snapshotIndex >= this.#base.index && this.termAt(index) === term;
  }

  /** Reads what has become durable since the last call. */
  refresh(): void {
    if (this.#disk.durableNamesVersion !== this.#namesVersion) this.#findFiles();
    const last = this.#segments.length - 1;
    // Older segments were complete and durable when the next one began.
    for (let at = Math.max(0, last - 1); at <= last; at++) {
      const segment = this.#segments[at];
      if (segment !== undefined) this.#read(segment);
    }
  }

  #findFiles(): void {
    this.#namesVersion = this.#disk.durableNamesVersion;
    const paths = this.#disk.durablePaths();
    this.#findSnapshots(paths);
    const found = newestWithoutGap(paths);
    if (found[0]?.path !== this.#segments[0]?.path) this.#beginAnew();
    for (const segment of found) {
      if (!this.#segments.some(({ path }) => path === segment.path)) this.#segments.push(segment);
    }
    for (const segment of this.#segments) this.#read(segment);
  }

  #findSnapshots(paths: readonly string[]): void {
    const before = this.#snapshots;
    this.#snapshots = new Map();
    for (const path of paths) {
      const index = Number(SNAPSHOT_NAME.exec(path)?.[1] ?? 0);
      if (index === 0) continue;
      const known = before.get(path) ?? { index, isSound: this.#isSound(path) };
      this.#snapshots.set(path, known);
    }
  }

  #isSound(path: string): boolean {
    const bytes = this.#disk.durableFile(path)?.durableBytes() ?? new Uint8Array(0);
    const scanner = new SnapshotScanner(bytes.length);
    try {
      scanner.push(bytes);
      scanner.finish();
      return true;
    } catch (error) {
      if (!(error instanceof SnapshotFileError)) throw error;
      return false;
    }
  }

  #beginAnew(): void {
    this.#segments = [];
    this.#base = { index: 0, term: 0 };
    this.#terms.length = 0;
    this.hardState = { term: 0, vote: null };
  }

  #read(segment: ReadSegment): void {
    const file = this.#disk.durableFile(segment.path);
    if (file === null || file.durableVersion === segment.version) return;
    segment.version = file.durableVersion;
    const bytes = file.durableBytes();
    for (;;) {
      const payload = payloadAt(bytes, segment.offset);
      if (payload === null) return;
      this.#take(segment, payload);
      segment.offset += RECORD_HEADER_BYTES + payload.length;
    }
  }

  #take(segment: ReadSegment, payload: Uint8Array): void {
    const record = parseLogRecord(payload);
    if (record?.kind === "header") this.#begin(segment, record.header);
    else if (record?.kind === "hardState") this.hardState = record.hardState;
    else if (record?.kind === "entry" && record.index <= this.lastIndex + 1) {
      this.#terms.length = Math.max(0, record.index - this.#base.index - 1);
      this.#terms.push(record.term);
    }
  }

  #begin(segment: ReadSegment, header: SegmentHeader): void {
    this.hardState = { term: header.term, vote: header.vote };
    const isFirstLeft = segment === this.#segments[0] && segment.sequence > 1;
    if (!isFirstLeft && !header.afterSnapshot) return;
    this.#base = { index: header.first - 1, term: header.previousTerm };
    this.#terms.length = 0;
  }
}

/** The segments in use: after a loss of power some older ones may be back. */
export function newestWithoutGap(paths: readonly string[]): ReadSegment[] {
  const segments: ReadSegment[] = [];
  for (const path of paths) {
    if (!path.startsWith(LOG_PREFIX)) continue;
    const name = parseSegmentFileName(path.slice(LOG_PREFIX.length));
    if (name !== null) segments.push({ sequence: name.sequence, path, version: -1, offset: 0 });
  }
  segments.sort((left, right) => left.sequence - right.sequence);
  const gap = segments.findLastIndex(({ sequence }, at) =>
    at > 0 && segments[at - 1]?.sequence !== sequence - 1
  );
  return segments.slice(Math.max(0, gap));
}
