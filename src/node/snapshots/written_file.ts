import { crc32 } from "../../base/crc32.ts";
import type { Disk } from "../disk.ts";
import { RECORD_HEADER_BYTES, RecordWriter } from "../log/record.ts";
import type { SnapshotWriter, StoredSnapshot } from "./snapshot.ts";
import { NEW_SNAPSHOT_PATH, SNAPSHOT_DIRECTORY } from "./snapshot_files.ts";
import {
  encodeSnapshotEnd,
  encodeSnapshotHeader,
  snapshotFileName,
  type SnapshotHeader,
} from "./snapshot_format.ts";
import { UnfinishedFile } from "./unfinished_file.ts";

/** What the store wants to know of a file that is not whole yet. */
export interface UnfinishedEvents {
  /** The disk failed, or the content is damaged. */
  failed(message: string): void;
  /** Asked in the last moment. */
  isWanted(snapshot: StoredSnapshot): boolean;
  /** It is there, and nobody else was told yet. */
  published(snapshot: StoredSnapshot): void;
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
    this.#file = new UnfinishedFile(disk, NEW_SNAPSHOT_PATH, (message) => events.failed(message));
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
      if (isThere) this.#events.published(snapshot);
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
