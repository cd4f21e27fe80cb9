import { crc32 } from "../../base/bytes.ts";
import { errorOf } from "../../base/errors.ts";
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

/**
 * Number of zeros written ahead of the records, in one write for many batches. A sync is faster
 * when the file need not grow. Zeros are not a record, so they mark the end of the log.
 */
const FILL_BYTES = 1 << 18;
/** Bytes allowed for a hard state and the claim of the last sync. */
const BESIDE_ENTRIES_BYTES = 512;
/** Entries with more bytes than this in total are written without blocking the event loop. */
const LARGE_BYTES = 1 << 20;
/** Size in bytes of the pieces of such a write. */
const PIECE_BYTES = 1 << 20;

export interface LogWriterOptions {
  readonly segmentBytesMax: number;
  readonly logger: Logger;
  /** Called once, when a write or a sync failed. Nothing is written afterwards. */
  readonly onFailure: (error: Error) => void;
}

/** An operation on the files that starts after all earlier ones. It calls `next` at its end. */
type Task = (next: () => void) => void;

/**
 * The writing end of a log on disk: the newest segment, and the mark of the last sync. Small writes
 * happen at once. The start of a segment waits for syncs, and large writes take time; neither
 * blocks the event loop. Later writes queue in memory until those are done. So the files get
 * everything in the order of the calls.
 */
export class LogWriter {
  readonly #disk: Disk;
  readonly #options: LogWriterOptions;
  readonly #mark: SyncedMark;
  readonly #nonce: string;
  readonly #records = new RecordWriter();
  readonly #next: NextSegment;
  /** Queued tasks, oldest first. */
  readonly #tasks: Task[] = [];
  #isBusy = false;
  /** Queued entries by index. */
  readonly #unwritten = new Map<number, LogEntry>();
  #zeros: Uint8Array = new Uint8Array(0);
  /** The newest segment, which gets the next record. Its start may still be queued. */
  #segment: Segment;
  /** Offset up to which that segment's own records claim that it is durable. */
  #claimedBytes: number;
  /** File of the newest segment that has been started. */
  #file: DiskFile;
  /** Size of that file, including trailing zeros. */
  #fileBytes: number;
  /** File of the segment being started. */
  #begun: DiskFile | null = null;
  #syncing: DiskFile | null = null;
  /** The start of a segment that waits for the sync in flight. */
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

  /** The segment that gets the next record. */
  get segment(): Segment {
    return this.#segment;
  }

  /** An entry that is not written yet. */
  unwritten(index: number): LogEntry | undefined {
    return this.#unwritten.get(index);
  }

  /** Whether these entries must go into a new segment. */
  isFullFor(entries: readonly LogEntry[]): boolean {
    const { headerBytes, endBytes } = this.#segment;
    const bytes = BESIDE_ENTRIES_BYTES + recordBytes(entries);
    return endBytes > headerBytes && endBytes + bytes > this.#options.segmentBytesMax;
  }

  /**
   * Ends the segment and starts the next one, which counts once everything before it is durable.
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
   * Writes hard state and entries in one go.
   *
   * @returns offset of the first entry's record
   */
  write(hardState: HardState | null, entries: readonly LogEntry[]): number {
    const records = this.#records;
    records.clear();
    // A power failure may lose the mark. So the records after a sync claim it too.
    const { segment, offset } = this.#synced;
    if (segment === this.#segment.sequence && offset > this.#claimedBytes) {
      records.add(encodeSynced(offset, this.#nonce));
      this.#claimedBytes = offset;
    }
    // The hard state comes first: if a crash tears off the entries, it is still valid.
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

  /** Makes everything written before the call durable, and marks it as such. */
  sync(done: (error: Error | null) => void): void {
    const position = { segment: this.#segment.sequence, offset: this.#segment.endBytes };
    if (!this.#isBusy) return this.#sync(position, done);
    this.#enqueue((next) => {
      this.#sync(position, done);
      next();
    });
  }

  /** Runs when everything requested before the call is done. */
  afterwards(run: () => void): void {
    this.#enqueue((next) => {
      run();
      next();
    });
  }

  /** Ignores the end of operations in flight after a failure. */
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

  // The queue

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

  /**
   * Runs the task. Returns whether it is over already. If it is not, its end continues the queue.
   */
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
    this.#options.onFailure(errorOf(error));
  }

  // Starting a segment

  /**
   * Waits for the sync in flight: if two syncs of one file overlap, the kernel reports a failure to
   * only one of them.
   */
  #whenSynced(run: () => void): void {
    if (this.#syncing === null) run();
    else this.#onSyncEnd = run;
  }

  /**
   * The segment gets its name when it and its predecessor are durable, so that a crash leaves
   * either all of it or nothing that counts.
   */
  #begin(segment: Segment, header: Uint8Array, next: () => void): void {
    const old = this.#file;
    const { file, sizeBytes } = this.#next.take();
    this.#begun = file;
    let inFlight = 2;
    const synced = (error: Error | null) => {
      if (this.#isStopped) return;
      if (error !== null) return this.#fail(error);
      inFlight--;
      if (inFlight === 0) this.#try(() => this.#name(segment, begun));
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

  // Writing

  #writeSmall(entries: readonly LogEntry[]): void {
    const offset = this.#segment.endBytes;
    const bytes = this.#records.bytes();
    if (!this.#isBusy) return this.#put(bytes, offset);
    const kept = bytes.slice();
    this.#enqueueWrite(entries, (next) => {
      this.#put(kept, offset);
      next();
    });
  }

  #writeLarge(entries: readonly LogEntry[], entriesFrom: number): void {
    const before = this.#records.bytes().slice();
    const offset = this.#segment.endBytes;
    this.#enqueueWrite(entries, (next) => {
      if (before.length > 0) this.#put(before, offset);
      this.#putEntries(entries, 0, entriesFrom, next);
    });
  }

  #enqueueWrite(entries: readonly LogEntry[], write: Task): void {
    for (const entry of entries) this.#unwritten.set(entry.index, entry);
    this.#enqueue((next) =>
      write(() => {
        for (const entry of entries) {
          // Unless a later entry with the same index is queued by now.
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

  /** Writes the entries from number `at` on. The first record goes to `offset`. */
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

  /** Works in pieces, so that neither checksum nor write blocks the event loop. */
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

  /**
   * Writes zeros after a write that ends at `endBytes`, except after a large write, where they
   * would save little.
   */
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

  // Syncing

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
      return errorOf(error);
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

/** Makes all earlier writes durable, and reports success or the error. */
export type Sync = (done: (error: Error | null) => void) => void;

/**
 * Group commit: one sync covers all waiting writes. Writes during a sync wait for the next one. The
 * first failure is final: the kernel may have dropped what it could not write, so a second sync
 * that succeeds would prove nothing.
 */
export class GroupCommit {
  readonly #sync: Sync;
  readonly #onFailure: (error: Error) => void;
  #waiting: (() => void)[] = [];
  /** Callbacks of durable writes, not called yet. */
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

  /**
   * Calls `done` once everything written before this call is durable, in the order of the calls.
   */
  add(done: () => void): void {
    if (this.#isStopped) return;
    this.#waiting.push(done);
    if (!this.#isSyncing) this.#start();
  }

  /** Stops: no `done` is called afterwards. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Stops and reports the error, unless it has stopped already. */
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
      // Start the next sync first, so that the disk works while the callers continue.
      if (this.#waiting.length > 0) this.#start();
      this.#drain();
    });
  }

  /** Calls the callbacks in one loop, even if syncs complete at once: a `done` may append again. */
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
