import type { HardState } from "../../raft/types.ts";
import type { Disk, DiskFile } from "../disk.ts";
import type { LogEntry } from "../entry.ts";
import { encodeEntry } from "./entry_codec.ts";
import { createSegment, writeAgain } from "./log_files.ts";
import { encodeHardState, encodeSynced, type SegmentHeader } from "./log_record.ts";
import { RECORD_HEADER_BYTES, RecordWriter } from "./record.ts";
import type { RecoveredLog } from "./recovery.ts";
import type { Segment } from "./segment.ts";
import { isBefore, type SyncedMark, type SyncedPosition } from "./synced_mark.ts";

/**
 * Zeros written ahead of the records, many batches at once: a sync is faster when the file need not
 * grow. Zeros are no record, so they are the end of what was written.
 */
const FILL_BYTES = 1 << 18;
/** A hard state and the claim of the last sync. */
const BESIDE_ENTRIES_BYTES = 512;

/** The writing end of a log on disk: the newest segment and the mark of the last sync. */
export class LogWriter {
  readonly #disk: Disk;
  readonly #segmentBytesMax: number;
  readonly #mark: SyncedMark;
  readonly #nonce: string;
  readonly #records = new RecordWriter();
  #zeros: Uint8Array = new Uint8Array(0);
  #segment: Segment;
  #file: DiskFile;
  /** Size of the file, zeros at its end included. */
  #fileBytes: number;
  #syncing: DiskFile | null = null;
  #isStopped = false;
  #synced: SyncedPosition;
  /** How far the segment says of itself that it was synced. */
  #claimedBytes: number;

  constructor(disk: Disk, { replay, file, mark }: RecoveredLog, segmentBytesMax: number) {
    this.#disk = disk;
    this.#segmentBytesMax = segmentBytesMax;
    this.#mark = mark;
    this.#nonce = replay.nonce;
    this.#segment = replay.index.newest;
    this.#file = file;
    this.#fileBytes = file.sizeBytes();
    this.#synced = { segment: this.#segment.sequence, offset: this.#segment.endBytes };
    this.#claimedBytes = replay.syncedBytes;
  }

  get segment(): Segment {
    return this.#segment;
  }

  /** The newest segment's file, for reading. */
  get file(): DiskFile {
    return this.#file;
  }

  /** Whether these entries belong into a new segment. */
  isFullFor(entries: readonly LogEntry[]): boolean {
    const { headerBytes, endBytes } = this.#segment;
    let bytes = BESIDE_ENTRIES_BYTES;
    for (const entry of entries) bytes += RECORD_HEADER_BYTES + encodeEntry(entry).length;
    return endBytes > headerBytes && endBytes + bytes > this.#segmentBytesMax;
  }

  /**
   * Ends the segment and begins the next. Blocks until all that was written is durable.
   *
   * @returns the new segment
   */
  roll(header: Omit<SegmentHeader, "segment" | "previousBytes">): Segment {
    const old = this.#file;
    const { segment: marked, offset } = this.#synced;
    const from = marked === this.#segment.sequence ? offset : this.#segment.headerBytes;
    writeAgain(old, from, this.#segment.endBytes);
    const { file, segment } = createSegment(this.#disk, {
      ...header,
      segment: this.#segment.sequence + 1,
      previousBytes: this.#segment.endBytes,
    });
    if (old !== this.#syncing) old.close();
    this.#file = file;
    this.#segment = segment;
    this.#fileBytes = segment.endBytes;
    this.#claimedBytes = segment.endBytes;
    this.#setSynced({ segment: segment.sequence, offset: segment.endBytes });
    return segment;
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
    for (const entry of entries) records.add(encodeEntry(entry));
    this.#fill(records.length);
    this.#file.write(records.bytes(), this.#segment.endBytes);
    this.#segment.endBytes += records.length;
    return entriesFrom;
  }

  /** Makes durable all that was written before the call, and marks it so. */
  sync(done: (error: Error | null) => void): void {
    const file = this.#file;
    const position = { segment: this.#segment.sequence, offset: this.#segment.endBytes };
    this.#syncing = file;
    file.sync((error) => {
      // One of two syncs at the same time failed: the other's success means nothing.
      if (this.#isStopped) return;
      this.#syncing = null;
      if (file !== this.#file) file.close();
      done(error ?? this.#trySetSynced(position));
    });
  }

  /** After a failure: a sync that is under way is not heard any more. */
  stop(): void {
    this.#isStopped = true;
  }

  close(): void {
    this.stop();
    this.#file.close();
    if (this.#syncing !== this.#file) this.#syncing?.close();
    this.#mark.close();
  }

  /** For a write of so many bytes; for a large one it would cost more than it spares. */
  #fill(bytes: number): void {
    const endBytes = this.#segment.endBytes + bytes;
    if (endBytes <= this.#fileBytes) return;
    this.#fileBytes = endBytes;
    if (bytes >= FILL_BYTES) return;
    const zeros = Math.min(FILL_BYTES, this.#segmentBytesMax - endBytes);
    if (zeros <= 0) return;
    if (this.#zeros.length < zeros) this.#zeros = new Uint8Array(zeros);
    this.#file.write(this.#zeros.subarray(0, zeros), endBytes);
    this.#fileBytes += zeros;
  }

  #trySetSynced(position: SyncedPosition): Error | null {
    try {
      this.#setSynced(position);
      return null;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Beginning a segment overtakes a sync of the one before. */
  #setSynced(position: SyncedPosition): void {
    if (!isBefore(this.#synced, position)) return;
    this.#synced = position;
    this.#mark.write(position);
  }
}
