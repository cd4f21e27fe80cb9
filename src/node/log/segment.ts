import { assert, messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import type { HardState } from "../../raft/types.ts";
import type { StrayFiles } from "../stray_files.ts";
import { decodeEntry, type LogEntry } from "./entry.ts";
import type { LogStore } from "./log_store.ts";
import {
  encodeSegmentHeader,
  payloadAt,
  RECORD_HEADER_BYTES,
  RecordWriter,
  type SegmentHeader,
} from "./record.ts";
import { SYNCED_MARK_PATH } from "./synced_mark.ts";

export const LOG_DIRECTORY = "log";
/**
 * A segment that is being created. A crash may leave it behind: it is removed before the next one
 * is created.
 */
const NEW_SEGMENT_PATH = "log/new";

const ADVICE =
  "restore the directory from a copy of this same node, or replace the node by one with a new id";

/** The error for a damaged record. Acknowledged data may be lost, so the node must not start. */
export function damagedLog(disk: Disk, fileName: string, offset: number, what: string): UserError {
  return new UserError(
    `Cannot read ${disk.root}/log/${fileName}: at byte ${offset} ${what}; ${ADVICE}`,
  );
}

export function unusableLog(disk: Disk, what: string): UserError {
  return new UserError(`Cannot use ${disk.root}/log: ${what}; ${ADVICE}`);
}

/** The segments in the order of writing. Foreign files are ignored. */
export function listSegments(strays: StrayFiles): SegmentName[] {
  const names: SegmentName[] = [];
  for (const fileName of strays.list(LOG_DIRECTORY)) {
    const name = parseSegmentFileName(fileName);
    const path = `${LOG_DIRECTORY}/${fileName}`;
    if (name !== null) names.push(name);
    else if (path !== SYNCED_MARK_PATH && path !== NEW_SEGMENT_PATH) strays.found(path);
  }
  return names.sort((left, right) => left.sequence - right.sequence);
}

/**
 * Creates a segment with its header, and blocks until it is durable. The segment gets its name only
 * when it is whole, so that a crash leaves either all of it or nothing that counts.
 */
export function createSegment(disk: Disk, strays: StrayFiles, header: SegmentHeader): void {
  const { segment, record } = segmentOf(header);
  removeUnfinishedSegment(disk, strays);
  const file = disk.open(NEW_SEGMENT_PATH, "create");
  file.write(record, 0);
  file.syncNow();
  nameNewSegment(disk, segment);
  disk.syncDirectoryNow(LOG_DIRECTORY);
  file.close();
}

/** A new segment, and its first record. */
export function segmentOf(header: SegmentHeader): { segment: Segment; record: Uint8Array } {
  const writer = new RecordWriter();
  writer.add(encodeSegmentHeader(header));
  const segment = new Segment({ sequence: header.segment, first: header.first });
  segment.headerBytes = writer.length;
  segment.endBytes = writer.length;
  return { segment, record: writer.bytes() };
}

/** Names the new segment. It counts once the directory is synced. */
export function nameNewSegment(disk: Disk, segment: Segment): void {
  disk.rename(NEW_SEGMENT_PATH, `${LOG_DIRECTORY}/${segmentFileName(segment)}`);
}

/**
 * Removes segments, the oldest first, so that a crash leaves no gap. A segment that cannot be
 * removed stays until the next attempt. A start reads only the segments after the last gap.
 */
export function removeSegmentsBefore(strays: StrayFiles, sequence: number): void {
  for (const name of listSegments(strays)) {
    if (name.sequence < sequence) strays.remove(`${LOG_DIRECTORY}/${segmentFileName(name)}`);
  }
}

/** Removes what a crash or a failed attempt left of a new segment. */
function removeUnfinishedSegment(disk: Disk, strays: StrayFiles): void {
  if (strays.list(LOG_DIRECTORY).some((name) => `${LOG_DIRECTORY}/${name}` === NEW_SEGMENT_PATH)) {
    disk.remove(NEW_SEGMENT_PATH);
  }
}

/**
 * Writes a part of a file again and syncs it, so that it is durable even if an earlier sync failed.
 * The kernel reports a failed sync once, to one caller, and marks the unwritten pages as clean.
 * Another sync, at the same time or after a restart, would succeed without writing anything.
 */
export function writeAgain(file: DiskFile, from: number, to: number): void {
  if (to > from) {
    const bytes = new Uint8Array(to - from);
    file.read(bytes, from);
    file.write(bytes, from);
  }
  file.syncNow();
}

/** Asserts what every log requires of an append: no gap, no decreasing term, no second vote. */
export function assertAppendable(
  log: LogStore,
  hardState: HardState | null,
  entries: readonly LogEntry[],
): void {
  assertNextHardState(log, hardState);
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

/** Asserts what every log requires of a compaction. */
export function assertCompactable(log: LogStore, index: number): void {
  assert(
    index <= log.lastIndex(),
    `Cannot compact up to entry ${index}: the log holds ${log.firstIndex()} to ${log.lastIndex()}`,
  );
}

/** Asserts what every log requires of a snapshot that replaces it. */
export function assertResettable(log: LogStore, index: number, hardState: HardState | null): void {
  assertNextHardState(log, hardState);
  assert(
    index >= log.firstIndex(),
    `Cannot reset the log to entry ${index}: the log begins with entry ${log.firstIndex()} already`,
  );
}

function assertNextHardState(log: LogStore, hardState: HardState | null): void {
  if (hardState === null) return;
  const { term, vote } = log.hardState();
  assert(
    hardState.term > term ||
      (hardState.term === term && (vote === null || vote === hardState.vote)),
    `Cannot write term ${hardState.term} vote ${hardState.vote}: current is term ${term} vote ${vote}`,
  );
}

const NAME = /^(\d{8,})-(\d{20})\.log$/;
/** Number of entries for which a new segment has memory at first. */
const COUNT_INITIAL = 256;

export interface SegmentName {
  /** Number of the segment, from 1, without gaps. */
  readonly sequence: number;
  /** Lower bound of the indexes in the segment. */
  readonly first: number;
}

/**
 * `00000003-00000000000000000101.log`. The sequence comes first, because a conflict may bring the
 * index back below that of an earlier segment.
 */
export function segmentFileName({ sequence, first }: SegmentName): string {
  return `${String(sequence).padStart(8, "0")}-${String(first).padStart(20, "0")}.log`;
}

/** `null` when this is not the name of a segment. */
export function parseSegmentFileName(name: string): SegmentName | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const parsed = { sequence: Number(match[1]), first: Number(match[2]) };
  return segmentFileName(parsed) === name ? parsed : null;
}

/** The positions of the entries in one log file, at 8 bytes of memory per entry. */
export class Segment {
  readonly sequence: number;
  readonly first: number;
  /** Size of the segment's first record. */
  headerBytes = 0;
  /** Offset of the next record. */
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

  /** Adds an entry, which replaces whatever was at its index and after it. */
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

  /** Offset of the entry's record. */
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

/** Maximum number of bytes of adjacent records in one read. */
const READ_BYTES_MAX = 1 << 20;

/**
 * The last entry, from `from` to `to`, up to which all payloads fit into `bytesMax`; `from - 1`
 * when not even the first fits.
 */
export function lastThatFits(segment: Segment, from: number, to: number, bytesMax: number): number {
  let bytesLeft = bytesMax;
  let last = from - 1;
  while (last < to) {
    bytesLeft -= segment.payloadBytesOf(last + 1);
    if (bytesLeft < 0) break;
    last++;
  }
  return last;
}

/**
 * Reads and checks entries of one segment.
 *
 * @throws {UserError} when a record is damaged
 */
export function readEntries(
  disk: Disk,
  file: DiskFile,
  segment: Segment,
  from: number,
  to: number,
): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let next = from; next <= to;) {
    const start = segment.offsetOf(next);
    let last = next;
    while (last < to && endOf(segment, last + 1) - start <= READ_BYTES_MAX) last++;
    const bytes = new Uint8Array(endOf(segment, last) - start);
    file.read(bytes, start);
    for (; next <= last; next++) {
      const offset = segment.offsetOf(next);
      const payload = payloadAt(bytes, offset - start);
      if (payload === null) {
        throw damagedLog(disk, segment.fileName, offset, "is a damaged record");
      }
      entries.push(decode(disk, segment, offset, payload));
    }
  }
  return entries;
}

function endOf(segment: Segment, index: number): number {
  return segment.offsetOf(index) + RECORD_HEADER_BYTES + segment.payloadBytesOf(index);
}

function decode(disk: Disk, segment: Segment, offset: number, payload: Uint8Array): LogEntry {
  try {
    return decodeEntry(payload);
  } catch (error) {
    throw damagedLog(disk, segment.fileName, offset, `is not an entry (${messageOf(error)})`);
  }
}

/** A file full of zeros. */
export interface BlankFile {
  readonly file: DiskFile;
  readonly sizeBytes: number;
}

/**
 * Creates the file of the next segment ahead of time, while the current segment fills up, so that
 * little is left to do when it is needed. Only then does the file get its header and its name. A
 * file that a crash left behind is removed before another is created. If the disk fails ahead of
 * time, creating the file is tried once more when it is needed.
 */
export class NextSegment {
  readonly #disk: Disk;
  readonly #strays: StrayFiles;
  readonly #logger: Logger;
  readonly #blankBytes: number;
  #blank: BlankFile | null = null;
  #isSyncing = false;
  /** Preparing has failed, and is not tried again for this segment. */
  #hasFailed = false;
  /** Called once, when the sync in flight has ended. */
  #onSyncEnd: (() => void) | null = null;

  constructor(disk: Disk, strays: StrayFiles, logger: Logger, blankBytes: number) {
    this.#disk = disk;
    this.#strays = strays;
    this.#logger = logger;
    this.#blankBytes = blankBytes;
  }

  /** Creates the file if there is none. */
  prepare(): void {
    if (this.#blank !== null || this.#hasFailed) return;
    try {
      const { file } = this.#create();
      this.#blank = { file, sizeBytes: this.#blankBytes };
      file.write(new Uint8Array(this.#blankBytes), 0);
      this.#isSyncing = true;
      file.sync((error) => this.#noteSync(error));
    } catch (error) {
      this.#discard(error);
    }
  }

  /**
   * Takes the file, and creates it if needed. Must not be called while a sync of it is in flight.
   *
   * @throws {Error} when the disk fails
   */
  take(): BlankFile {
    assert(!this.#isSyncing, "a file is taken while it is being synced");
    const blank = this.#blank ?? this.#create();
    this.#blank = null;
    this.#hasFailed = false;
    return blank;
  }

  /** Calls back, at once or later, when no sync of the file is in flight. */
  whenSynced(run: () => void): void {
    if (this.#isSyncing) this.#onSyncEnd = run;
    else run();
  }

  close(): void {
    this.#onSyncEnd = null;
    this.#blank?.file.close();
    this.#blank = null;
  }

  #create(): BlankFile {
    removeUnfinishedSegment(this.#disk, this.#strays);
    const file = this.#disk.open(NEW_SEGMENT_PATH, "create");
    return { file, sizeBytes: 0 };
  }

  #noteSync(error: Error | null): void {
    this.#isSyncing = false;
    if (error !== null) this.#discard(error);
    const run = this.#onSyncEnd;
    this.#onSyncEnd = null;
    run?.();
  }

  #discard(error: unknown): void {
    this.#logger.warn(`cannot prepare the log's next segment: ${messageOf(error)}`);
    this.#blank?.file.close();
    this.#blank = null;
    this.#isSyncing = false;
    this.#hasFailed = true;
  }
}
