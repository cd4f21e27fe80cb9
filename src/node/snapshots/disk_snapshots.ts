import { assert } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk } from "../../platform/disk.ts";
import { StrayFiles } from "../stray_files.ts";
import { IncomingFile, WrittenFile } from "./new_snapshot_file.ts";
import type {
  IncomingSnapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStore,
  SnapshotWriter,
  StoredSnapshot,
} from "./snapshot.ts";
import {
  findSnapshots,
  listSnapshots,
  OutgoingFile,
  readChunks,
  SNAPSHOT_DIRECTORY,
} from "./snapshot_files.ts";
import { snapshotFileName } from "./snapshot_format.ts";

export interface DiskSnapshotsOptions {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly logger?: Logger;
}

/**
 * Stores snapshots in files: a header record, a record per chunk, and an end record that says what
 * the file must contain. A file gets its name once it is complete and durable. When the disk fails,
 * only this snapshot is lost: the log is intact, and a snapshot is tried again later.
 */
export class DiskSnapshots implements SnapshotStore {
  /** A sentence for each file newer than `newest()`, saying why it does not count. */
  readonly damage: readonly string[];
  readonly #disk: Disk;
  readonly #options: DiskSnapshotsOptions;
  readonly #logger: Logger;
  readonly #strays: StrayFiles;
  #newest: StoredSnapshot | null;
  #damaged: StoredSnapshot | null = null;
  #writer: WrittenFile | null = null;
  #incoming: IncomingFile | null = null;
  /** Snapshots whose new names are not durable yet. */
  readonly #named = new Set<StoredSnapshot>();
  readonly #sources = new Set<OutgoingFile>();

  /** @throws {UserError} when the directory has a snapshot of another cluster or version */
  static open(disk: Disk, options: DiskSnapshotsOptions): DiskSnapshots {
    return new DiskSnapshots(disk, options);
  }

  private constructor(disk: Disk, options: DiskSnapshotsOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#strays = new StrayFiles(disk, this.#logger);
    const { newest, damage } = findSnapshots(disk, this.#strays, options.clusterId, this.#logger);
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
      onFailure: (message) => this.#warn("write", meta, message),
      isWanted: (snapshot) => this.#mayBeNamed(snapshot),
      onEnd: (snapshot, isStored) => {
        if (isStored) this.#writer = null;
        this.#noteEnd(snapshot, isStored);
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
      onFailure: (message) => this.#warn("receive", snapshot, message),
      isWanted: (stored) => this.#mayBeNamed(stored),
      onEnd: (stored, isStored) => {
        if (isStored) this.#incoming = null;
        this.#noteEnd(stored, isStored);
      },
    });
    if (incoming.isAbandoned) return null;
    this.#incoming = incoming;
    return incoming;
  }

  openNewest(): SnapshotSource | null {
    if (this.#newest === null || this.isNewestDamaged) return null;
    const source = new OutgoingFile(this.#disk, this.#newest, () => this.#sources.delete(source));
    this.#sources.add(source);
    return source;
  }

  noteDamaged(snapshot: StoredSnapshot): void {
    // A newer file of the same entry may have replaced it.
    if (this.#newest === snapshot) this.#damaged = snapshot;
  }

  get isNewestDamaged(): boolean {
    return this.#newest !== null && this.#newest === this.#damaged;
  }

  load(): Iterable<Uint8Array> {
    return this.#newest === null ? [] : readChunks(this.#disk, this.#newest);
  }

  prune(): void {
    if (this.#newest === null) return;
    const sent = [...this.#sources].map(({ snapshot }) => snapshot);
    // A file that has its name becomes the newest when the name is durable.
    const kept = [this.#newest, ...sent, ...this.#named];
    const keptNames = kept.map(snapshotFileName);
    for (const name of listSnapshots(this.#strays)) {
      if (!keptNames.includes(name)) this.#strays.remove(`${SNAPSHOT_DIRECTORY}/${name}`);
    }
  }

  close(): void {
    this.#writer?.abandon();
    this.#incoming?.abandon();
    for (const source of this.#sources) source.close();
  }

  /**
   * Whether a snapshot may take its final name. Two snapshots of one entry have the same name, so
   * the second would replace the file of the first.
   */
  #mayBeNamed(snapshot: StoredSnapshot): boolean {
    const { index, term } = snapshot;
    const newest = this.#newest?.index ?? 0;
    const isNew = index > newest || (index === newest && this.isNewestDamaged);
    const isTaken = [...this.#named].some((one) =>
      one !== snapshot && one.index === index && one.term === term
    );
    if (!isNew || isTaken) return false;
    this.#named.add(snapshot);
    return true;
  }

  #noteEnd(snapshot: StoredSnapshot, isStored: boolean): void {
    this.#named.delete(snapshot);
    if (isStored) this.#newest = snapshot;
  }

  #warn(what: string, { index }: SnapshotMeta, message: string): void {
    this.#logger.warn(`cannot ${what} the snapshot of entry ${index}: ${message}`);
  }
}
