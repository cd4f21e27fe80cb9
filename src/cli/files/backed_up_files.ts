import { utf8TextOf } from "../../store/file_rules.ts";
import { StateLoader } from "../../store/state_loader.ts";
import { readSnapshotFile } from "../offline/snapshot_file.ts";

/** A version of a file that a backup describes. */
export interface BackedUpFile {
  readonly name: string;
  readonly version: number;
  /** Bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * The files that a backup describes, one for each content, in the order of their names.
 *
 * @throws {UserError} when the backup is damaged
 */
export function filesInBackup(path: string): BackedUpFile[] {
  const loader = new StateLoader();
  for (const chunk of readSnapshotFile(path)) loader.push(chunk);
  const found = new Map<string, BackedUpFile>();
  for (const { name, version, size, sha256 } of loader.take().files.view().byName.values()) {
    if (!found.has(sha256)) {
      found.set(sha256, { name: utf8TextOf(name) ?? name, version, size, sha256 });
    }
  }
  return [...found.values()];
}

/** Where the content with this SHA-256 is, below the directory of a backup. */
export function contentPath(directory: string, sha256: string): string {
  return `${directory}/blobs/${sha256}`;
}
