import { crc32, joinBytes } from "../../base/bytes.ts";
import { assert, errorOf, messageOf } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import { RECORD_HEADER_BYTES, RecordWriter } from "../log/record.ts";
import type { IncomingSnapshot, SnapshotWriter, StoredSnapshot } from "./snapshot.ts";
import {
  encodeSnapshotEnd,
  encodeSnapshotHeader,
  INCOMING_SNAPSHOT_PATH,
  isSameConfiguration,
  NEW_SNAPSHOT_PATH,
  SNAPSHOT_DIRECTORY,
  SnapshotFileError,
  snapshotFileName,
  type SnapshotHeader,
  SnapshotScanner,
} from "./snapshot_format.ts";

/**
 * Bytes after which a growing file is synced. So the last sync is short, and the log's syncs are
 * not delayed.
 */
const SYNC_BYTES = 4 * 1024 * 1024;
/** Small writes are joined up to this many bytes, since each write is costly on a slow disk. */
const WRITE_BYTES_MAX = 1024 * 1024;

/**
 * A file that counts only once it is complete, and durable under its final name. At the first error
 * it is removed, and nothing else happens. It never blocks on the disk: writes and syncs run one
 * after the other in the background, and new bytes wait in memory.
 */
export class UnfinishedFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #onFailure: (message: string) => void;
  #file: DiskFile | null = null;
  /** Bytes not handed to the disk yet. */
  #waiting: Uint8Array[] = [];
  #sizeBytes = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;
  /** A write or a sync is in flight. */
  #isBusy = false;
  #isAbandoned = false;
  /** It has its final name, which is not durable yet. */
  #isNamed = false;
  #isPublished = false;
  /** Called after the sync that covers everything. */
  #onSynced: (() => void) | null = null;

  /** @param onFailure called once, before any other callback */
  constructor(disk: Disk, path: string, onFailure: (message: string) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#onFailure = onFailure;
    this.#try(() => {
      removeIfThere(disk, path);
      this.#file = disk.open(path, "create");
    });
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes not known to be durable; 0 once abandoned, since nobody needs to wait then. */
  get unsyncedBytes(): number {
    return this.#isAbandoned ? 0 : this.#sizeBytes - this.#syncedBytes;
  }

  /**
   * Appends the bytes later. The caller may reuse `bytes`.
   *
   * @returns false when the file is abandoned; a disk error may be reported only by a later call
   */
  write(bytes: Uint8Array): boolean {
    assert(this.#onSynced === null, "A file is written to after its end");
    if (this.#isAbandoned) return false;
    this.#sizeBytes += bytes.length;
    this.#waiting.push(bytes.slice());
    this.#goOn();
    return !this.#isAbandoned;
  }

  /**
   * Makes the file durable under its name, unless `isWanted` refuses. It is asked before the file
   * gets the name, and again when the name is durable.
   *
   * @param done called with whether the file is stored
   */
  publish(path: string, isWanted: () => boolean, done: (isStored: boolean) => void): void {
    if (this.#isAbandoned) return done(false);
    assert(this.#onSynced === null, "A file ends twice");
    this.#onSynced = () => {
      if (!this.#isAbandoned && !isWanted()) this.abandon();
      this.#try(() => this.#rename(path, isWanted, () => done(!this.#isAbandoned)));
      if (!this.#isNamed) done(false);
    };
    this.#goOn();
  }

  abandon(): void {
    if (this.#isAbandoned || this.#isPublished) return;
    this.#isAbandoned = true;
    this.#waiting = [];
    this.#close();
    if (this.#isNamed) return; // it is complete, and pruned as an older snapshot
    try {
      removeIfThere(this.#disk, this.#path);
    } catch {
      // The next attempt or the next start removes it.
    }
  }

  /** Starts the next write or sync if the disk is idle. */
  #goOn(): void {
    if (this.#isBusy || this.#isAbandoned) return;
    const unsyncedBytes = this.#writtenBytes - this.#syncedBytes;
    const isWhole = this.#waiting.length === 0 && this.#onSynced !== null;
    if (unsyncedBytes >= SYNC_BYTES || isWhole) this.#sync();
    else if (this.#waiting.length > 0) this.#write();
  }

  #write(): void {
    const bytes = takeJoined(this.#waiting, WRITE_BYTES_MAX);
    this.#run((done) => this.#file?.writeLater(bytes, this.#writtenBytes, done), () => {
      this.#writtenBytes += bytes.length;
    });
  }

  #sync(): void {
    const coveredBytes = this.#writtenBytes;
    this.#run((done) => this.#file?.sync(done), () => this.#syncedBytes = coveredBytes);
  }

  #run(begin: (done: (error: Error | null) => void) => void, succeeded: () => void): void {
    const done = (error: Error | null) => {
      this.#isBusy = false;
      if (this.#isAbandoned) this.#close();
      else if (error !== null) this.#fail(error);
      else succeeded();
      if (this.unsyncedBytes === 0 && this.#onSynced !== null) this.#onSynced();
      else this.#goOn();
    };
    this.#isBusy = true;
    try {
      begin(done);
    } catch (error) {
      done(errorOf(error));
    }
  }

  #rename(path: string, isWanted: () => boolean, done: () => void): void {
    this.#disk.rename(this.#path, path);
    this.#isNamed = true;
    this.#disk.syncDirectory(path.slice(0, path.lastIndexOf("/")), (error) => {
      if (error !== null && !this.#isAbandoned) this.#fail(error);
      else if (!isWanted()) this.abandon(); // a newer one has arrived meanwhile
      this.#isPublished = !this.#isAbandoned;
      this.#close();
      done();
    });
  }

  #try(run: () => void): void {
    if (this.#isAbandoned) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#onFailure(messageOf(error));
    this.abandon();
  }

  /** Closes the file, but not while the disk works on it. */
  #close(): void {
    if (this.#isBusy) return;
    this.#file?.close();
    this.#file = null;
  }
}

/** Takes the first piece out of the list, joined with as many of the next ones as fit. */
function takeJoined(pieces: Uint8Array[], bytesMax: number): Uint8Array {
  let count = 0;
  let bytes = 0;
  for (const { length } of pieces) {
    if (count > 0 && bytes + length > bytesMax) break;
    count++;
    bytes += length;
  }
  const taken = pieces.splice(0, count);
  const [first] = taken;
  return first !== undefined && taken.length === 1 ? first : joinBytes(taken);
}

function removeIfThere(disk: Disk, path: string): void {
  const slash = path.lastIndexOf("/");
  if (disk.list(path.slice(0, slash)).includes(path.slice(slash + 1))) disk.remove(path);
}

/** What an unfinished file reports to the store. */
export interface UnfinishedEvents {
  /** The disk failed, or the content is damaged. */
  onFailure(message: string): void;
  /** Asked before the file gets its name, and when the name is durable. */
  isWanted(snapshot: StoredSnapshot): boolean;
  /** The file is stored, or never will be. Called before any other callback. */
  onEnd(snapshot: StoredSnapshot, isStored: boolean): void;
}

/** A snapshot that this node writes. */
export class WrittenFile implements SnapshotWriter {
  readonly #header: SnapshotHeader;
  readonly #events: UnfinishedEvents;
  readonly #file: UnfinishedFile;
  readonly #record = new RecordWriter();
  #chunks = 0;
  #bytes = 0;
  #checksum = 0;

  constructor(disk: Disk, header: SnapshotHeader, events: UnfinishedEvents) {
    this.#header = header;
    this.#events = events;
    this.#file = new UnfinishedFile(
      disk,
      NEW_SNAPSHOT_PATH,
      (message) => events.onFailure(message),
    );
    this.#writeCounted(encodeSnapshotHeader(header));
  }

  get isAbandoned(): boolean {
    return this.#file.isAbandoned;
  }

  get unsyncedBytes(): number {
    return this.#file.unsyncedBytes;
  }

  write(chunk: Uint8Array): boolean {
    this.#chunks++;
    this.#bytes += chunk.length;
    return this.#writeCounted(chunk);
  }

  finish(done: (snapshot: StoredSnapshot | null) => void): void {
    const checksum = this.#checksum;
    this.#write(encodeSnapshotEnd({ chunks: this.#chunks, bytes: this.#bytes, checksum }));
    const { cluster: _cluster, node: _node, ...meta } = this.#header;
    const snapshot = { ...meta, sizeBytes: this.#file.sizeBytes, checksum };
    const path = `${SNAPSHOT_DIRECTORY}/${snapshotFileName(snapshot)}`;
    this.#file.publish(path, () => this.#events.isWanted(snapshot), (isStored) => {
      this.#events.onEnd(snapshot, isStored);
      done(isStored ? snapshot : null);
    });
  }

  abandon(): void {
    this.#file.abandon();
  }

  #writeCounted(payload: Uint8Array): boolean {
    return this.#write(payload, (head) => this.#checksum = crc32(head, this.#checksum));
  }

  #write(payload: Uint8Array, count: (head: Uint8Array) => void = () => {}): boolean {
    if (this.isAbandoned) return false;
    this.#record.add(payload);
    const bytes = this.#record.bytes();
    count(bytes.subarray(0, RECORD_HEADER_BYTES));
    const isWritten = this.#file.write(bytes);
    this.#record.clear();
    return isWritten;
  }
}

/** A snapshot that another node sends. It is checked as it arrives. */
export class IncomingFile implements IncomingSnapshot {
  readonly snapshot: StoredSnapshot;
  readonly #clusterId: string;
  readonly #events: UnfinishedEvents;
  readonly #file: UnfinishedFile;
  readonly #scanner: SnapshotScanner;

  constructor(disk: Disk, snapshot: StoredSnapshot, clusterId: string, events: UnfinishedEvents) {
    this.snapshot = snapshot;
    this.#clusterId = clusterId;
    this.#events = events;
    this.#file = new UnfinishedFile(
      disk,
      INCOMING_SNAPSHOT_PATH,
      (message) => events.onFailure(message),
    );
    this.#scanner = new SnapshotScanner(snapshot.sizeBytes);
  }

  get isAbandoned(): boolean {
    return this.#file.isAbandoned;
  }

  get offset(): number {
    return this.#file.sizeBytes;
  }

  get unsyncedBytes(): number {
    return this.#file.unsyncedBytes;
  }

  /** Whether this is the same file, byte for byte. */
  isOf({ index, term, sizeBytes, checksum }: StoredSnapshot): boolean {
    const own = this.snapshot;
    return own.index === index && own.term === term && own.sizeBytes === sizeBytes &&
      own.checksum === checksum;
  }

  write(bytes: Uint8Array, offset: number): boolean {
    if (this.isAbandoned || offset !== this.offset) return false;
    if (this.offset === this.snapshot.sizeBytes) return bytes.length === 0;
    if (!this.#check(() => this.#scanner.push(bytes))) return false;
    return this.#file.write(bytes);
  }

  finish(done: (snapshot: StoredSnapshot | null) => void): void {
    assert(
      this.isAbandoned || this.offset === this.snapshot.sizeBytes,
      `Cannot finish a snapshot of ${this.snapshot.sizeBytes} bytes: ${this.offset} are here`,
    );
    this.#check(() => this.#checkContent());
    const path = `${SNAPSHOT_DIRECTORY}/${snapshotFileName(this.snapshot)}`;
    this.#file.publish(path, () => this.#events.isWanted(this.snapshot), (isStored) => {
      this.#events.onEnd(this.snapshot, isStored);
      done(isStored ? this.snapshot : null);
    });
  }

  abandon(): void {
    this.#file.abandon();
  }

  #checkContent(): void {
    if (this.isAbandoned) return;
    const { header, checksum } = this.#scanner.finish();
    if (checksum !== this.snapshot.checksum || !isSameMeta(header, this.snapshot)) {
      throw new SnapshotFileError("it differs from the offered one");
    }
    if (header.cluster !== this.#clusterId) {
      throw new SnapshotFileError(`it belongs to cluster ${header.cluster}`);
    }
  }

  #check(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (!(error instanceof SnapshotFileError)) throw error;
      this.#events.onFailure(error.message);
      this.abandon();
      return false;
    }
  }
}

function isSameMeta(header: SnapshotHeader, announced: StoredSnapshot): boolean {
  return header.index === announced.index && header.term === announced.term &&
    header.timeMs === announced.timeMs &&
    header.machineVersion === announced.machineVersion &&
    isSameConfiguration(header.configuration, announced.configuration);
}
