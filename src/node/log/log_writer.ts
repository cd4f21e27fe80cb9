import { crc32 } from "../../base/bytes.ts";
import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import type { HardState } from "../../raft/types.ts";
import type { StrayFiles } from "../stray_files.ts";
import { encodeEntry, type LogEntry } from "./entry.ts";
import {
  encodeHardState,
  encodeSynced,
  RECORD_HEADER_BYTES,
  recordHeader,
  RecordWriter,
  type SegmentHeader,
} from "./record.ts";
import type { RecoveredLog } from "./recovery.ts";
import { LOG_DIRECTORY, nameNewSegment, NextSegment, type Segment, segmentOf } from "./segment.ts";
import { isBefore, type SyncedMark, type SyncedPosition } from "./synced_mark.ts";

/** Makes all earlier writes durable and says so, or why not. */
export type Sync = (done: (error: Error | null) => void) => void;

/**
 * Lets one sync cover everything that waits: what arrives while one is under way waits for the
 * next. The first failure is the last: the kernel may have dropped what it could not write, so a
 * second try that succeeds would prove nothing.
 */
export class GroupCommit {
  readonly #sync: Sync;
  readonly #onFailure: (error: Error) => void;
  #waiting: (() => void)[] = [];
  /** Durable, and not called yet. */
  readonly #durable: (() => void)[] = [];
  #isSyncing = false;
  #isDraining = false;
  #isStopped = false;

  constructor(sync: Sync, onFailure: (error: Error) => void) {
    this.#sync = sync;
    this.#onFailure = onFailure;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Calls `done` once everything written before this call is durable; in the order of the calls. */
  add(done: () => void): void {
    if (this.#isStopped) return;
    this.#waiting.push(done);
    if (!this.#isSyncing) this.#start();
  }

  /** No `done` is called any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Stops and reports, unless stopped already. */
  fail(error: Error): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#onFailure(error);
  }

  #start(): void {
    const covered = this.#waiting;
    this.#waiting = [];
    this.#isSyncing = true;
    this.#sync((error) => {
      this.#isSyncing = false;
      if (error !== null) return this.fail(error);
      if (this.#isStopped) return;
      this.#durable.push(...covered);
      // The next sync starts first: the disk works while the callers go on.
      if (this.#waiting.length > 0) this.#start();
      this.#drain();
    });
  }

  /** One loop only, even if syncs complete at once: a `done` may well append again. */
  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (let next = 0; next < this.#durable.length && !this.#isStopped; next++) {
        this.#durable[next]?.();
      }
      this.#durable.length = 0;
    } finally {
      this.#isDraining = false;
    }
  }
}

/**
 * Zeros written ahead of the records, many batches at once: a sync is faster when the file need not
 * grow. Zeros are no record, so they are the end of what was written.
 */
const FILL_BYTES = 1 << 18;
/** A hard state and the claim of the last sync. */
const BESIDE_ENTRIES_BYTES = 512;
/** Entries with more bytes than this together are written beside the event loop, ... */
const LARGE_BYTES = 1 << 20;
/** ... in pieces of so many bytes. */
const PIECE_BYTES = 1 << 20;

export interface LogWriterOptions {
  readonly segmentBytesMax: number;
  readonly logger: Logger;
  /** A write or a sync failed: nothing is written any more. Called once. */
  readonly onFailure: (error: Error) => void;
}

/** Something to be done to the files once all before it is done; calls `next` at its end. */
type Task = (next: () => void) => void;

/**
 * The writing end of a log on disk: the newest segment and the mark of the last sync. What is small is
 * written at once. The beginning of a segment waits for syncs, and what is large takes its time to be
 * written: both go on beside the event loop, and what comes meanwhile waits in line behind them, in
 * memory. So the files get everything in the order of the calls.
 */
export class LogWriter {
  readonly #disk: Disk;
  readonly #options: LogWriterOptions;
  readonly #mark: SyncedMark;
  readonly #nonce: string;
  readonly #records = new RecordWriter();
  readonly #next: NextSegment;
  /** What waits in line, oldest first. */
  readonly #tasks: Task[] = [];
  #isBusy = false;
  /** Entries that are in line to be written, by index. */
  readonly #unwritten = new Map<number, LogEntry>();
  #zeros: Uint8Array = new Uint8Array(0);
  /** The newest, where what comes next belongs; perhaps it is still in line to be begun. */
  #segment: Segment;
  /** How far that segment says of itself that it was synced. */
  #claimedBytes: number;
  /** The newest that has been begun. */
  #file: DiskFile;
  /** Size of that file, zeros at its end included. */
  #fileBytes: number;
  /** The one that is being begun. */
  #begun: DiskFile | null = null;
  #syncing: DiskFile | null = null;
  /** The beginning of a segment that waits for the sync under way. */
  #onSyncEnd: (() => void) | null = null;
  #isStopped = false;
  #synced: SyncedPosition;

  constructor(
    disk: Disk,
    strays: StrayFiles,
    { replay, file, mark }: RecoveredLog,
    options: LogWriterOptions,
  ) {
    this.#disk = disk;
    this.#options = options;
    this.#mark = mark;
    this.#nonce = replay.nonce;
    this.#segment = replay.index.newest;
    this.#file = file;
    this.#fileBytes = file.sizeBytes();
    this.#synced = { segment: this.#segment.sequence, offset: this.#segment.endBytes };
    this.#claimedBytes = replay.syncedBytes;
    const blankBytes = Math.min(FILL_BYTES, options.segmentBytesMax);
    this.#next = new NextSegment(disk, strays, options.logger, blankBytes);
  }

  /** The segment that the next record belongs to. */
  get segment(): Segment {
    return this.#segment;
  }

  /** An entry that no file has yet. */
  unwritten(index: number): LogEntry | undefined {
    return this.#unwritten.get(index);
  }

  /** Whether these entries belong into a new segment. */
  isFullFor(entries: readonly LogEntry[]): boolean {
    const { headerBytes, endBytes } = this.#segment;
    const bytes = BESIDE_ENTRIES_BYTES + recordBytes(entries);
    return endBytes > headerBytes && endBytes + bytes > this.#options.segmentBytesMax;
  }

  /**
   * Ends the segment and begins the next one, which counts once all before it is durable.
   *
   * @returns the new segment
   */
  roll(header: Omit<SegmentHeader, "segment" | "previousBytes">): Segment {
    const { sequence, endBytes } = this.#segment;
    const begun = segmentOf({ ...header, segment: sequence + 1, previousBytes: endBytes });
    this.#segment = begun.segment;
    this.#claimedBytes = begun.segment.endBytes;
    this.#enqueue((next) => {
      this.#whenSynced(() =>
        this.#next.whenSynced(() => this.#try(() => this.#begin(begun.segment, begun.record, next)))
      );
    });
    return begun.segment;
  }

  /**
   * Writes both in one go.
   *
   * @returns the offset of the first entry's record
   */
  write(hardState: HardState | null, entries: readonly LogEntry[]): number {
    const records = this.#records;
    records.clear();
    // A loss of power may take the mark; records that follow a sync tell of it as well.
    const { segment, offset } = this.#synced;
    if (segment === this.#segment.sequence && offset > this.#claimedBytes) {
      records.add(encodeSynced(offset, this.#nonce));
      this.#claimedBytes = offset;
    }
    // The hard state goes first: entries that are torn off leave a state that is still true.
    if (hardState !== null) records.add(encodeHardState(hardState));
    const entriesFrom = this.#segment.endBytes + records.length;
    const entriesBytes = recordBytes(entries);
    if (entriesBytes > LARGE_BYTES) this.#writeLarge(entries, entriesFrom);
    else {
      for (const entry of entries) records.add(encodeEntry(entry));
      this.#writeSmall(entries);
    }
    this.#segment.endBytes = entriesFrom + entriesBytes;
    const isHalfFull = this.#segment.endBytes > this.#options.segmentBytesMax / 2;
    if (isHalfFull && !this.#isBusy) this.#next.prepare();
    return entriesFrom;
  }

  /** Makes durable all that was written before the call, and marks it so. */
  sync(done: (error: Error | null) => void): void {
    const position = { segment: this.#segment.sequence, offset: this.#segment.endBytes };
    if (!this.#isBusy) return this.#sync(position, done);
    this.#enqueue((next) => {
      this.#sync(position, done);
      next();
    });
  }

  /** Runs when all that was asked for before the call is done. */
  afterwards(run: () => void): void {
    this.#enqueue((next) => {
      run();
      next();
    });
  }

  /** After a failure: what is under way is not heard any more. */
  stop(): void {
    this.#isStopped = true;
  }

  close(): void {
    this.stop();
    this.#file.close();
    this.#begun?.close();
    this.#next.close();
    this.#mark.close();
  }

  // The line.

  #enqueue(task: Task): void {
    this.#tasks.push(task);
    if (!this.#isBusy) this.#continue();
  }

  #continue(): void {
    this.#isBusy = true;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      if (!this.#isOverAtOnce(task)) return;
    }
    this.#isBusy = false;
  }

  /** Runs the task; one that is not over when it returns lets the line go on at its end. */
  #isOverAtOnce(task: Task): boolean {
    let isOver = false;
    let isLate = false;
    this.#try(() =>
      task(() => {
        isOver = true;
        if (isLate) this.#continue();
      })
    );
    isLate = true;
    return isOver;
  }

  #try(run: () => void): void {
    if (this.#isStopped) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.stop();
    this.#options.onFailure(error instanceof Error ? error : new Error(String(error)));
  }

  // Beginning a segment.

  /** Of two syncs of one file at the same time, the kernel tells only one of a failure. */
  #whenSynced(run: () => void): void {
    if (this.#syncing === null) run();
    else this.#onSyncEnd = run;
  }

  /**
   * The segment gets its name when it and the one before are durable, so that a crash at any moment
   * leaves either all of it or nothing that counts.
   */
  #begin(segment: Segment, header: Uint8Array, next: () => void): void {
    const old = this.#file;
    const { file, sizeBytes } = this.#next.take();
    this.#begun = file;
    let underWay = 2;
    const synced = (error: Error | null) => {
      if (this.#isStopped) return;
      if (error !== null) return this.#fail(error);
      underWay--;
      if (underWay === 0) this.#try(() => this.#name(segment, begun));
    };
    const begun = () => {
      old.close();
      this.#begun = null;
      this.#file = file;
      this.#fileBytes = Math.max(sizeBytes, segment.headerBytes);
      this.#setSynced({ segment: segment.sequence, offset: segment.headerBytes });
      next();
    };
    file.write(header, 0);
    old.sync(synced);
    file.sync(synced);
  }

  #name(segment: Segment, begun: () => void): void {
    nameNewSegment(this.#disk, segment);
    this.#disk.syncDirectory(LOG_DIRECTORY, (error) => {
      if (this.#isStopped) return;
      if (error !== null) this.#fail(error);
      else this.#try(begun);
    });
  }

  // Writing.

  #writeSmall(entries: readonly LogEntry[]): void {
    const offset = this.#segment.endBytes;
    const bytes = this.#records.bytes();
    if (!this.#isBusy) return this.#put(bytes, offset);
    const kept = bytes.slice();
    this.#writeInLine(entries, (next) => {
      this.#put(kept, offset);
      next();
    });
  }

  #writeLarge(entries: readonly LogEntry[], entriesFrom: number): void {
    const before = this.#records.bytes().slice();
    const offset = this.#segment.endBytes;
    this.#writeInLine(entries, (next) => {
      if (before.length > 0) this.#put(before, offset);
      this.#putEntries(entries, 0, entriesFrom, next);
    });
  }

  #writeInLine(entries: readonly LogEntry[], write: Task): void {
    for (const entry of entries) this.#unwritten.set(entry.index, entry);
    this.#enqueue((next) =>
      write(() => {
        for (const entry of entries) {
          // Unless another one is in line by now, in its place.
          if (this.#unwritten.get(entry.index) === entry) this.#unwritten.delete(entry.index);
        }
        next();
      })
    );
  }

  #put(bytes: Uint8Array, offset: number): void {
    this.#fill(offset + bytes.length, bytes.length);
    this.#file.write(bytes, offset);
  }

  /** Entries from number `at` on, whose first record begins at the offset. */
  #putEntries(entries: readonly LogEntry[], at: number, offset: number, done: () => void): void {
    const entry = entries[at];
    if (entry === undefined) return done();
    const payload = encodeEntry(entry);
    const end = offset + RECORD_HEADER_BYTES + payload.length;
    this.#putPayload(payload, offset + RECORD_HEADER_BYTES, (checksum) => {
      this.#fileBytes = Math.max(this.#fileBytes, end);
      this.#file.write(recordHeader(payload.length, checksum), offset);
      this.#putEntries(entries, at + 1, end, done);
    });
  }

  /** Piece by piece, so that neither the checksum nor the write holds up the event loop. */
  #putPayload(payload: Uint8Array, offset: number, done: (checksum: number) => void): void {
    let checksum = payload.length;
    const putFrom = (start: number) => {
      if (start >= payload.length) return done(checksum);
      const piece = payload.subarray(start, start + PIECE_BYTES);
      checksum = crc32(piece, checksum);
      this.#file.writeLater(piece, offset + start, (error) => {
        if (error !== null) this.#fail(error);
        else this.#try(() => putFrom(start + piece.length));
      });
    };
    putFrom(0);
  }

  /** Up to this end of a write of so many bytes; for a large one it would cost more than it spares. */
  #fill(endBytes: number, bytes: number): void {
    if (endBytes <= this.#fileBytes) return;
    this.#fileBytes = endBytes;
    if (bytes >= FILL_BYTES) return;
    const zeros = Math.min(FILL_BYTES, this.#options.segmentBytesMax - endBytes);
    if (zeros <= 0) return;
    if (this.#zeros.length < zeros) this.#zeros = new Uint8Array(zeros);
    this.#file.write(this.#zeros.subarray(0, zeros), endBytes);
    this.#fileBytes += zeros;
  }

  // Syncing.

  #sync(position: SyncedPosition, done: (error: Error | null) => void): void {
    const file = this.#file;
    this.#syncing = file;
    file.sync((error) => {
      if (this.#isStopped) return;
      this.#syncing = null;
      const failure = error ?? this.#trySetSynced(position);
      if (failure !== null) this.stop();
      done(failure);
      const run = this.#onSyncEnd;
      this.#onSyncEnd = null;
      if (run !== null) this.#try(run);
    });
  }

  #trySetSynced(position: SyncedPosition): Error | null {
    try {
      this.#setSynced(position);
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #setSynced(position: SyncedPosition): void {
    if (!isBefore(this.#synced, position)) return;
    this.#synced = position;
    this.#mark.write(position);
  }
}

function recordBytes(entries: readonly LogEntry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += RECORD_HEADER_BYTES + encodeEntry(entry).length;
  return bytes;
}
