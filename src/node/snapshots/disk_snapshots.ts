import { assert, messageOf, UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
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
  INCOMING_SNAPSHOT_PATH,
  NEW_SNAPSHOT_PATH,
  parseSnapshotFileName,
  SNAPSHOT_DIRECTORY,
  SnapshotFileError,
  snapshotFileName,
  SnapshotScanner,
} from "./snapshot_format.ts";

/** Size in bytes of each read of a file that is checked or loaded. */
const READ_BYTES = 1 << 18;

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

/** The snapshots found at the start. */
interface FoundSnapshots {
  /** The newest valid snapshot. */
  readonly newest: StoredSnapshot | null;
  /** A sentence for each newer one, saying why it does not count. */
  readonly damage: readonly string[];
}

/**
 * Creates the directory durably, removes unfinished files, and finds the newest valid snapshot.
 *
 * @throws {UserError} when there is a snapshot of another cluster, or of another version
 */
function findSnapshots(
  disk: Disk,
  strays: StrayFiles,
  clusterId: string,
  logger: Logger,
): FoundSnapshots {
  disk.makeDirectory(SNAPSHOT_DIRECTORY);
  const names = listSnapshots(strays);
  for (const name of strays.list(SNAPSHOT_DIRECTORY)) {
    const path = `${SNAPSHOT_DIRECTORY}/${name}`;
    if (path === NEW_SNAPSHOT_PATH || path === INCOMING_SNAPSHOT_PATH) strays.remove(path);
  }
  // A process may have died between a rename and its sync. A snapshot that is used now must not
  // vanish in a power failure.
  disk.syncDirectoryNow(SNAPSHOT_DIRECTORY);
  disk.syncDirectoryNow("");
  const damage: string[] = [];
  for (const name of names) {
    const path = `${disk.root}/${SNAPSHOT_DIRECTORY}/${name}`;
    try {
      return { newest: checkSnapshot(disk, name, clusterId), damage };
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof SnapshotFileError && error.isOtherFormat) {
        throw new UserError(
          `Cannot read ${path}: ${error.message}; use the version of Regent that wrote it`,
        );
      }
      // Treat a directory of that name, and a failing disk, like a damaged file.
      damage.push(`Cannot read ${path}: ${messageOf(error)}`);
      logger.warn(`cannot read ${path}: ${messageOf(error)}`);
    }
  }
  return { newest: null, damage };
}

/** Names of snapshot files, newest first. Foreign files are ignored. */
export function listSnapshots(strays: StrayFiles): string[] {
  const found: { readonly name: string; readonly index: number; readonly term: number }[] = [];
  for (const name of strays.list(SNAPSHOT_DIRECTORY)) {
    const path = `${SNAPSHOT_DIRECTORY}/${name}`;
    const parsed = parseSnapshotFileName(name);
    if (parsed !== null) found.push({ name, ...parsed });
    else if (path !== NEW_SNAPSHOT_PATH && path !== INCOMING_SNAPSHOT_PATH) strays.found(path);
  }
  // Of two with one index, the one with the later term is committed.
  found.sort((left, right) => right.index - left.index || right.term - left.term);
  return found.map(({ name }) => name);
}

/** The chunks of a snapshot file, each checked. The end checks that none is missing. */
function* readChunks(disk: Disk, snapshot: StoredSnapshot): Generator<Uint8Array> {
  const name = snapshotFileName(snapshot);
  const file = disk.open(`${SNAPSHOT_DIRECTORY}/${name}`, "existing");
  const chunks: Uint8Array[] = [];
  const scanner = new SnapshotScanner(snapshot.sizeBytes, (chunk) => chunks.push(chunk));
  try {
    for (const bytes of readSlices(file, file.sizeBytes())) {
      scanner.push(bytes);
      yield* chunks.splice(0);
    }
    scanner.finish();
  } catch (error) {
    if (!(error instanceof SnapshotFileError)) throw error;
    const path = `${disk.root}/${SNAPSHOT_DIRECTORY}/${name}`;
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    file.close();
  }
}

/** @throws {SnapshotFileError} when the file is damaged */
function checkSnapshot(disk: Disk, name: string, clusterId: string): StoredSnapshot {
  const file = disk.open(`${SNAPSHOT_DIRECTORY}/${name}`, "existing");
  const sizeBytes = file.sizeBytes();
  const scanner = new SnapshotScanner(sizeBytes);
  try {
    for (const bytes of readSlices(file, sizeBytes)) scanner.push(bytes);
  } finally {
    file.close();
  }
  const { header, checksum } = scanner.finish();
  const { cluster, node: _takenBy, ...meta } = header;
  if (snapshotFileName(meta) !== name) {
    throw new SnapshotFileError(`it ends with entry ${meta.index} of term ${meta.term}`);
  }
  if (cluster !== clusterId) {
    throw new UserError(
      `Cannot use ${disk.root}/${SNAPSHOT_DIRECTORY}/${name}: it belongs to cluster ${cluster}, ` +
        `and this is a node of cluster ${clusterId}; start with that cluster's own directory`,
    );
  }
  return { ...meta, sizeBytes, checksum };
}

/** Reads a file in pieces into one reused buffer. */
function* readSlices(file: DiskFile, sizeBytes: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(READ_BYTES, sizeBytes));
  for (let offset = 0; offset < sizeBytes; offset += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, sizeBytes - offset));
    file.read(bytes, offset);
    yield bytes;
  }
}

/** A snapshot that is sent to other nodes. */
class OutgoingFile implements SnapshotSource {
  readonly snapshot: StoredSnapshot;
  readonly #file: DiskFile;
  readonly #onClose: () => void;
  #isClosed = false;
  #isReading = false;

  constructor(disk: Disk, snapshot: StoredSnapshot, onClose: () => void) {
    this.snapshot = snapshot;
    this.#onClose = onClose;
    this.#file = disk.open(`${SNAPSHOT_DIRECTORY}/${snapshotFileName(snapshot)}`, "existing");
  }

  read(offset: number, bytesMax: number): Uint8Array {
    const end = Math.min(this.snapshot.sizeBytes, offset + bytesMax);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    this.#file.read(bytes, offset);
    return bytes;
  }

  readLater(offset: number, bytesMax: number, done: (read: Uint8Array | Error) => void): void {
    const end = Math.min(this.snapshot.sizeBytes, offset + bytesMax);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    this.#isReading = true;
    this.#file.readLater(bytes, offset, (error) => {
      this.#isReading = false;
      if (this.#isClosed) this.#file.close();
      else done(error ?? bytes);
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isReading) this.#file.close();
    this.#onClose();
  }
}
