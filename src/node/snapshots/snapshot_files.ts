import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import type { StrayFiles } from "../stray_files.ts";
import type { SnapshotSource, StoredSnapshot } from "./snapshot.ts";
import {
  parseSnapshotFileName,
  SnapshotFileError,
  snapshotFileName,
  SnapshotScanner,
} from "./snapshot_format.ts";

export const SNAPSHOT_DIRECTORY = "snapshots";
/** Unfinished files, written here or received. Neither counts as a snapshot. */
export const NEW_SNAPSHOT_PATH = "snapshots/new";
export const INCOMING_SNAPSHOT_PATH = "snapshots/incoming";

/** Size in bytes of each read of a file that is checked or loaded. */
const READ_BYTES = 1 << 18;

/** The snapshots found at the start. */
export interface FoundSnapshots {
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
export function findSnapshots(
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
export function* readChunks(disk: Disk, snapshot: StoredSnapshot): Generator<Uint8Array> {
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
export class OutgoingFile implements SnapshotSource {
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
