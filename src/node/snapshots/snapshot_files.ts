import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../disk.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { parseSnapshotFileName, SnapshotFileError, snapshotFileName } from "./snapshot_format.ts";
import { SnapshotScanner } from "./snapshot_scanner.ts";
import { removeIfThere } from "./unfinished_file.ts";

export const SNAPSHOT_DIRECTORY = "snapshots";
/** One that this node is writing, and one that another is sending: nothing of them counts yet. */
export const NEW_SNAPSHOT_PATH = "snapshots/new";
export const INCOMING_SNAPSHOT_PATH = "snapshots/incoming";

const READ_BYTES = 1 << 18;

/** What a node finds at its start. */
export interface FoundSnapshots {
  /** The newest that is sound. */
  readonly newest: StoredSnapshot | null;
  /** Why newer ones do not count, a sentence for each. */
  readonly damage: readonly string[];
}

/**
 * Makes the directory ready and durable, removes what was never finished, and looks for the newest
 * snapshot that is sound.
 *
 * @throws {UserError} when there are foreign files, or a snapshot of another cluster
 */
export function findSnapshots(disk: Disk, clusterId: string, logger: Logger): FoundSnapshots {
  disk.makeDirectory(SNAPSHOT_DIRECTORY);
  const names = listSnapshots(disk);
  removeIfThere(disk, NEW_SNAPSHOT_PATH);
  removeIfThere(disk, INCOMING_SNAPSHOT_PATH);
  // A process may have died between a change of names and its sync; what is read now must stay.
  disk.syncDirectory(SNAPSHOT_DIRECTORY);
  disk.syncDirectory("");
  const damage: string[] = [];
  for (const name of names) {
    const path = `${disk.root}/${SNAPSHOT_DIRECTORY}/${name}`;
    try {
      return { newest: checkSnapshot(disk, name, clusterId), damage };
    } catch (error) {
      if (!(error instanceof SnapshotFileError)) throw error;
      if (error.isOtherFormat) {
        throw new UserError(
          `Cannot read ${path}: ${error.message}; use the version of Regent that wrote it`,
        );
      }
      damage.push(`Cannot read ${path}: ${error.message}`);
      logger.warn(`cannot read ${path}: ${error.message}`);
    }
  }
  return { newest: null, damage };
}

/**
 * Names of snapshot files, the newest first.
 *
 * @throws {UserError} when there are files of any other kind
 */
export function listSnapshots(disk: Disk): string[] {
  const names: string[] = [];
  for (const name of disk.list(SNAPSHOT_DIRECTORY)) {
    const path = `${SNAPSHOT_DIRECTORY}/${name}`;
    if (parseSnapshotFileName(name) !== null) names.push(name);
    else if (path !== NEW_SNAPSHOT_PATH && path !== INCOMING_SNAPSHOT_PATH) {
      throw new UserError(
        `Cannot use ${disk.root}/${SNAPSHOT_DIRECTORY}: it holds ${JSON.stringify(name)}, ` +
          `which is no file of Regent's; move it away`,
      );
    }
  }
  // Of two with one index, the later term is the committed one.
  const order = (name: string) => parseSnapshotFileName(name) ?? { index: 0, term: 0 };
  return names.sort((left, right) =>
    order(right).index - order(left).index || order(right).term - order(left).term
  );
}

/** The chunks of a snapshot file, each checked; that none is missing is checked at the end. */
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

/** @throws {SnapshotFileError} when it is damaged */
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

/** A file in pieces, in one buffer that is used again. */
function* readSlices(file: DiskFile, sizeBytes: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(READ_BYTES, sizeBytes));
  for (let offset = 0; offset < sizeBytes; offset += buffer.length) {
    const bytes = buffer.subarray(0, Math.min(buffer.length, sizeBytes - offset));
    file.read(bytes, offset);
    yield bytes;
  }
}
