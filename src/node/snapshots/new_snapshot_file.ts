import { crc32 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import type { Disk } from "../../platform/disk.ts";
import { RECORD_HEADER_BYTES, RecordWriter } from "../log/record.ts";
import type { IncomingSnapshot, SnapshotWriter, StoredSnapshot } from "./snapshot.ts";
import { INCOMING_SNAPSHOT_PATH, NEW_SNAPSHOT_PATH, SNAPSHOT_DIRECTORY } from "./snapshot_files.ts";
import {
  encodeSnapshotEnd,
  encodeSnapshotHeader,
  isSameConfiguration,
  SnapshotFileError,
  snapshotFileName,
  type SnapshotHeader,
  SnapshotScanner,
} from "./snapshot_format.ts";
import { UnfinishedFile } from "./unfinished_file.ts";

/** What a file in progress reports to the store. */
export interface UnfinishedEvents {
  /** The disk failed, or the content is damaged. */
  onFailure(message: string): void;
  /** Asked before the file gets its name, and when the name is durable. */
  isWanted(snapshot: StoredSnapshot): boolean;
  /** The file is durable, or never will be. Called before anybody else is told. */
  onEnd(snapshot: StoredSnapshot, isThere: boolean): void;
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
    this.#file.publish(path, () => this.#events.isWanted(snapshot), (isThere) => {
      this.#events.onEnd(snapshot, isThere);
      done(isThere ? snapshot : null);
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
    this.#file.publish(path, () => this.#events.isWanted(this.snapshot), (isThere) => {
      this.#events.onEnd(this.snapshot, isThere);
      done(isThere ? this.snapshot : null);
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
