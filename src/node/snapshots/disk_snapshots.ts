import { assert } from "../../base/assert.ts";
import { messageOf } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk } from "../disk.ts";
import { IncomingFile } from "./incoming_file.ts";
import type {
  IncomingSnapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStore,
  SnapshotWriter,
  StoredSnapshot,
} from "./snapshot.ts";
import { findSnapshots, listSnapshots, readChunks, SNAPSHOT_DIRECTORY } from "./snapshot_files.ts";
import { snapshotFileName } from "./snapshot_format.ts";
import { OutgoingFile } from "./outgoing_file.ts";
import { WrittenFile } from "./written_file.ts";

export interface DiskSnapshotsOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly logger?: Logger;
}

/**
 * Snapshots in files, one record for each chunk, between one that says what it is and one that says
 * what must be there. A file gets its name when it is whole and durable. A disk that does not take a
 * snapshot costs that snapshot only: the log is still whole, and another time will come.
 */
export class DiskSnapshots implements SnapshotStore {
  /** Why newer files than `newest()` do not count, a sentence for each. */
  readonly damage: readonly string[];
  readonly #disk: Disk;
  readonly #options: DiskSnapshotsOptions;
  readonly #logger: Logger;
  #newest: StoredSnapshot | null;
  #writer: WrittenFile | null = null;
  #incoming: IncomingFile | null = null;
  readonly #sources = new Set<OutgoingFile>();

  /** @throws {UserError} when the directory holds foreign files, or a snapshot of another cluster */
  static open(disk: Disk, options: DiskSnapshotsOptions): DiskSnapshots {
    return new DiskSnapshots(disk, options);
  }

  private constructor(disk: Disk, options: DiskSnapshotsOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    const { newest, damage } = findSnapshots(disk, options.clusterId, this.#logger);
    this.#newest = newest;
    this.damage = damage;
  }

  newest(): StoredSnapshot | null {
    return this.#newest;
  }

  begin(meta: SnapshotMeta): SnapshotWriter | null {
    assert(this.#writer?.isAbandoned ?? true, "Cannot begin a snapshot: another is being written");
    const { clusterId: cluster, nodeId: node } = this.#options;
    const writer = new WrittenFile(this.#disk, { ...meta, cluster, node }, {
      failed: (message) => this.#warn("write", meta, message),
      isWanted: (snapshot) => this.#isNew(snapshot),
      published: (snapshot) => {
        this.#writer = null;
        this.#newest = snapshot;
      },
    });
    if (writer.isAbandoned) return null;
    this.#writer = writer;
    return writer;
  }

  receive(snapshot: StoredSnapshot): IncomingSnapshot | null {
    const current = this.#incoming;
    if (current !== null && !current.isAbandoned && current.isOf(snapshot)) return current;
    this.#incoming?.abandon();
    const { clusterId } = this.#options;
    const incoming = new IncomingFile(this.#disk, snapshot, clusterId, {
      failed: (message) => this.#warn("receive", snapshot, message),
      isWanted: (stored) => this.#isNew(stored),
      published: (stored) => {
        this.#incoming = null;
        this.#newest = stored;
      },
    });
    if (incoming.isAbandoned) return null;
    this.#incoming = incoming;
    return incoming;
  }

  openNewest(): SnapshotSource | null {
    if (this.#newest === null) return null;
    const source = new OutgoingFile(this.#disk, this.#newest, () => this.#sources.delete(source));
    this.#sources.add(source);
    return source;
  }

  load(): Iterable<Uint8Array> {
    return this.#newest === null ? [] : readChunks(this.#disk, this.#newest);
  }

  prune(): void {
    if (this.#newest === null) return;
    const kept = [this.#newest, ...[...this.#sources].map(({ snapshot }) => snapshot)];
    const keptNames = kept.map(snapshotFileName);
    try {
      for (const name of listSnapshots(this.#disk)) {
        if (!keptNames.includes(name)) this.#disk.remove(`${SNAPSHOT_DIRECTORY}/${name}`);
      }
    } catch (error) {
      this.#logger.warn(`cannot remove old snapshots: ${messageOf(error)}`);
    }
  }

  close(): void {
    this.#writer?.abandon();
    this.#incoming?.abandon();
    for (const source of this.#sources) source.close();
  }

  #isNew({ index }: SnapshotMeta): boolean {
    return index > (this.#newest?.index ?? 0);
  }

  #warn(what: string, { index }: SnapshotMeta, message: string): void {
    this.#logger.warn(`cannot ${what} the snapshot of entry ${index}: ${message}`);
  }
}
