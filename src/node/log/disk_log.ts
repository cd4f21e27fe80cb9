import { assert, errorOf } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import type { HardState } from "../../raft/types.ts";
import { StrayFiles } from "../stray_files.ts";
import { encodeEntry, type LogEntry } from "./entry.ts";
import type { LogIndex } from "./log_index.ts";
import type { LogStore, StoredConfiguration } from "./log_store.ts";
import { GroupCommit, LogWriter } from "./log_writer.ts";
import { LOG_FORMAT, RECORD_HEADER_BYTES, type SegmentHeader } from "./record.ts";
import {
  createLog,
  type LogOwner,
  type RecoveredLog,
  recoverLog,
  type SnapshotPlace,
} from "./recovery.ts";
import {
  assertAppendable,
  assertCompactable,
  assertResettable,
  lastThatFits,
  LOG_DIRECTORY,
  readEntries,
  removeSegmentsBefore,
  type Segment,
} from "./segment.ts";

interface OpenSegment {
  readonly segment: Segment;
  readonly file: DiskFile;
}

export interface DiskLogOptions extends LogOwner {
  /** Whether to create a log where there is none. Otherwise a missing log is refused. */
  readonly create: boolean;
  /** For a new log: at most 64 ASCII characters that no client can guess. */
  readonly nonce: string;
  /**
   * Called when a write or a sync has failed. The log writes nothing afterwards. It may be called
   * from within `append`.
   */
  readonly onFailure: (error: Error) => void;
  /** The newest valid snapshot. The log may lack what it contains. @default null */
  readonly snapshot?: SnapshotPlace | null;
  /** @default 64 MiB */
  readonly segmentBytesMax?: number;
  readonly logger?: Logger;
}

/**
 * A log in append-only files of records. An entry whose index is not above the last one's truncates
 * the log from that index on. A reader sees that from the index: the file is not shortened. So
 * synced bytes are never overwritten, writes and syncs may overlap freely, and a crash leaves
 * either the old tail or the new one. A segment holds no entry below its first index: a truncation
 * below that starts a new segment. A snapshot that replaces the log starts one too, and its header
 * says so. Segments that the snapshot covers are removed as whole files.
 */
export class DiskLog implements LogStore {
  readonly #disk: Disk;
  readonly #strays: StrayFiles;
  readonly #owner: LogOwner;
  readonly #nonce: string;
  readonly #commit: GroupCommit;
  readonly #writer: LogWriter;
  readonly #index: LogIndex;
  #hardState: HardState;
  /** The files of the newest segment and of an older one, open for reading. */
  #newest: OpenSegment | null = null;
  #older: OpenSegment | null = null;

  /** @throws {UserError} when the log is damaged, incomplete, or another node's */
  static open(disk: Disk, options: DiskLogOptions): DiskLog {
    const { segmentBytesMax = 64 * 1024 * 1024 } = options;
    if (!(segmentBytesMax > 0 && segmentBytesMax <= 2 ** 31)) {
      throw new RangeError(`Cannot open log: segmentBytesMax is ${segmentBytesMax}`);
    }
    const { logger = silentLogger } = options;
    const strays = new StrayFiles(disk, logger);
    if (options.create) createLog(disk, strays, options);
    const recovered = recoverLog(disk, strays, options, logger);
    return new DiskLog(disk, strays, recovered, { ...options, segmentBytesMax });
  }

  private constructor(
    disk: Disk,
    strays: StrayFiles,
    recovered: RecoveredLog,
    options: DiskLogOptions & { readonly segmentBytesMax: number },
  ) {
    this.#disk = disk;
    this.#strays = strays;
    this.#owner = options;
    this.#nonce = recovered.replay.nonce;
    this.#commit = new GroupCommit((done) => this.#writer.sync(done), options.onFailure);
    this.#writer = new LogWriter(disk, strays, recovered, {
      segmentBytesMax: options.segmentBytesMax,
      logger: options.logger ?? silentLogger,
      onFailure: (error) => this.#commit.fail(error),
    });
    this.#index = recovered.replay.index;
    this.#hardState = recovered.replay.hardState;
  }

  hardState(): HardState {
    return this.#hardState;
  }

  configurations(): readonly StoredConfiguration[] {
    return [...this.#index.configurations];
  }

  firstIndex(): number {
    return this.#index.firstIndex;
  }

  lastIndex(): number {
    return this.#index.lastIndex;
  }

  term(index: number): number {
    return this.#index.termAt(index);
  }

  entries(from: number, to: number, bytesMax: number): readonly LogEntry[] {
    assert(
      from >= this.firstIndex() && from <= to && to <= this.lastIndex(),
      `Cannot read entries ${from} to ${to}: the log holds ${this.firstIndex()} to ${this.lastIndex()}`,
    );
    let entries: LogEntry[] = [];
    let bytesLeft = bytesMax;
    for (let next = from; next <= to;) {
      const segment = this.#index.segmentOf(next);
      const held = this.#writer.unwritten(next);
      if (held !== undefined) {
        bytesLeft -= segment.payloadBytesOf(next);
        if (bytesLeft < 0 && next > from) break;
        entries = [...entries, held];
        next++;
        continue;
      }
      const wanted = this.#lastWritten(next, Math.min(to, segment.last));
      const fitting = lastThatFits(segment, next, wanted, bytesLeft);
      const last = next === from ? Math.max(fitting, from) : fitting;
      const read = readEntries(this.#disk, this.#fileOf(segment), segment, next, last);
      entries = entries.length === 0 ? read : [...entries, ...read];
      if (last < wanted) break;
      for (const entry of read) bytesLeft -= entry.sizeBytes;
      next = last + 1;
    }
    return entries;
  }

  append(hardState: HardState | null, entries: readonly LogEntry[], done: () => void): void {
    if (this.#commit.isStopped) return;
    assertAppendable(this, hardState, entries);
    this.#change(hardState, () => this.#write(hardState, entries), done);
  }

  compact(index: number): void {
    if (this.#commit.isStopped) return;
    assertCompactable(this, index);
    const oldest = this.#index.forgetUpTo(index);
    this.#writer.afterwards(() => this.#removeBefore(oldest));
  }

  reset(index: number, term: number, hardState: HardState | null, done: () => void): void {
    if (this.#commit.isStopped) return;
    assertResettable(this, index, hardState);
    this.#change(hardState, () => {
      const place = { first: index + 1, afterSnapshot: true, previousTerm: term };
      const segment = this.#writer.roll(this.#headerOf(place));
      this.#index.beginAnew(segment, term);
      this.#writer.afterwards(() => this.#removeBefore(segment));
    }, done);
  }

  close(): void {
    this.#commit.stop();
    this.#writer.close();
    this.#closeOlder();
    this.#closeNewest();
  }

  #change(hardState: HardState | null, write: () => void, done: () => void): void {
    this.#hardState = hardState ?? this.#hardState;
    try {
      write();
    } catch (error) {
      // The file may end with half a record now. Nothing must ever be written after it.
      this.#writer.stop();
      this.#commit.fail(errorOf(error));
      return;
    }
    this.#commit.add(done);
  }

  #write(hardState: HardState | null, entries: readonly LogEntry[]): void {
    const first = entries[0]?.index ?? this.lastIndex() + 1;
    if (first < this.#writer.segment.first || this.#writer.isFullFor(entries)) this.#roll(first);
    let offset = this.#writer.write(hardState, entries);
    for (const entry of entries) {
      const payloadBytes = encodeEntry(entry).length;
      const { index, term, data } = entry;
      this.#index.add(index, term, { offset, payloadBytes }, data?.configuration ?? null);
      offset += RECORD_HEADER_BYTES + payloadBytes;
    }
  }

  #roll(first: number): void {
    const place = { first, afterSnapshot: false, previousTerm: this.term(first - 1) };
    this.#index.begin(this.#writer.roll(this.#headerOf(place)));
  }

  #headerOf(
    place: Pick<SegmentHeader, "first" | "afterSnapshot" | "previousTerm">,
  ): Omit<SegmentHeader, "segment" | "previousBytes"> {
    const { clusterId: cluster, nodeId: node } = this.#owner;
    const { term, vote } = this.#hardState;
    return { format: LOG_FORMAT, cluster, node, nonce: this.#nonce, ...place, term, vote };
  }

  /**
   * Does not sync the directory. If a power failure brings the files back, they are removed again.
   */
  #removeBefore({ sequence }: Segment): void {
    if ((this.#older?.segment.sequence ?? sequence) < sequence) this.#closeOlder();
    if ((this.#newest?.segment.sequence ?? sequence) < sequence) this.#closeNewest();
    removeSegmentsBefore(this.#strays, sequence);
  }

  #closeNewest(): void {
    this.#newest?.file.close();
    this.#newest = null;
  }

  #closeOlder(): void {
    this.#older?.file.close();
    this.#older = null;
  }

  #fileOf(segment: Segment): DiskFile {
    if (this.#newest?.segment === segment) return this.#newest.file;
    if (this.#older?.segment === segment) return this.#older.file;
    const file = this.#disk.open(`${LOG_DIRECTORY}/${segment.fileName}`, "existing");
    if (segment === this.#writer.segment) {
      this.#closeNewest();
      this.#newest = { segment, file };
    } else {
      this.#closeOlder();
      this.#older = { segment, file };
    }
    return file;
  }

  /** The last entry from `from` to `to` that is in a file. The one at `from` is known to be. */
  #lastWritten(from: number, to: number): number {
    let last = to;
    while (last > from && this.#writer.unwritten(last) !== undefined) last--;
    return last;
  }
}
