import { createHash } from "node:crypto";
import { messageOf, UserError } from "../../base/errors.ts";
import {
  SnapshotFileError,
  type SnapshotHeader,
  SnapshotScanner,
} from "../../node/snapshots/snapshot_format.ts";

const READ_BYTES = 1 << 20;

/** A snapshot file that was read to its end and is not damaged. */
export interface CheckedSnapshot {
  readonly header: SnapshotHeader;
  /** The checksum by which nodes identify the file. */
  readonly checksum: number;
  readonly sizeBytes: number;
  /** SHA-256 of the whole file, in hexadecimal digits. */
  readonly digest: string;
}

/**
 * Reads a snapshot file, of a node or of a backup, and yields its checked chunks. Only the end of
 * the iteration shows that none is missing.
 *
 * @throws {UserError} while iterating, when it is damaged, cut short, or cannot be read
 */
export function* readSnapshotFile(path: string): Generator<Uint8Array, CheckedSnapshot> {
  const file = openFile(path);
  try {
    const sizeBytes = file.statSync().size;
    const hash = createHash("sha256");
    const chunks: Uint8Array[] = [];
    const scanner = new SnapshotScanner(sizeBytes, (chunk) => chunks.push(chunk));
    const buffer = new Uint8Array(READ_BYTES);
    for (let count = file.readSync(buffer); count !== null; count = file.readSync(buffer)) {
      const bytes = buffer.subarray(0, count);
      hash.update(bytes);
      scanner.push(bytes);
      yield* chunks.splice(0);
    }
    return { ...scanner.finish(), sizeBytes, digest: hash.digest("hex") };
  } catch (error) {
    throw explained(path, error);
  } finally {
    file.close();
  }
}

function openFile(path: string): Deno.FsFile {
  try {
    if (!Deno.statSync(path).isDirectory) return Deno.openSync(path, { read: true });
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`);
  }
  throw new UserError(`Cannot read ${path}: it is a directory, not a file`);
}

function explained(path: string, error: unknown): unknown {
  if (!(error instanceof SnapshotFileError)) return error;
  return new UserError(
    error.isOtherFormat
      ? `Cannot read ${path}: ${error.message}; use the version of Regent that wrote it`
      : `Cannot use ${path}: ${error.message}; it is damaged or not a backup`,
  );
}
