import { assert } from "../../base/assert.ts";
import type { Disk } from "../disk.ts";
import type { IncomingSnapshot, StoredSnapshot } from "./snapshot.ts";
import { INCOMING_SNAPSHOT_PATH, SNAPSHOT_DIRECTORY } from "./snapshot_files.ts";
import {
  isSameConfiguration,
  SnapshotFileError,
  snapshotFileName,
  type SnapshotHeader,
} from "./snapshot_format.ts";
import { SnapshotScanner } from "./snapshot_scanner.ts";
import { UnfinishedFile } from "./unfinished_file.ts";
import type { UnfinishedEvents } from "./written_file.ts";

/** A snapshot that another node sends: checked as it comes. */
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
      (message) => events.failed(message),
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

  /** Whether it is this very file, byte for byte. */
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
      if (isThere) this.#events.published(this.snapshot);
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
      throw new SnapshotFileError("it is not the one that was announced");
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
      this.#events.failed(error.message);
      this.abandon();
      return false;
    }
  }
}

function isSameMeta(header: SnapshotHeader, announced: StoredSnapshot): boolean {
  return header.index === announced.index && header.term === announced.term &&
    header.timeMs === announced.timeMs &&
    isSameConfiguration(header.configuration, announced.configuration);
}
