import { createHash } from "node:crypto";
import { messageOf, UserError } from "../../base/errors.ts";
import { silentLogger } from "../../base/logger.ts";
import { BlobStore } from "../../files/blob_store.ts";
import { FILES_NAME } from "../../node/log/data_directory.ts";
import type { FileIndex } from "../../store/file_index.ts";
import { utf8TextOf } from "../../store/file_rules.ts";
import type { LoadedState } from "../../store/state_loader.ts";
import { StateSnapshot } from "../../store/state_snapshot.ts";
import { ProgressLine } from "../progress.ts";
import { contentPath } from "./backed_up_files.ts";
import { chunksOf, sizeOf } from "./contents_backup.ts";

const CHUNK_BYTES = 32 * 1024;
/** Number of blobs from which a node is taken in one step. */
const STEP_BLOBS = 10_000;

/**
 * Takes all nodes and holders off restored files. They are those of the cluster that was backed up,
 * also where an id is the same: with them, a node might delete the only copy of a content, since
 * others are believed to hold it. Each new node announces itself, and reports what is on its disk.
 */
export function forgetNodes(files: FileIndex): void {
  const ids = new Set(files.layout.nodes.map(({ id }) => id));
  for (const { holders } of files.view().blobs.values()) {
    for (const id of holders) ids.add(id);
  }
  for (const id of [...ids].sort()) {
    files.removeNode(id);
    for (let after: string | null = ""; after !== null;) {
      after = files.loseSome(id, after, STEP_BLOBS);
    }
  }
}

/** Encodes a state as in a snapshot. Equal states give equal chunks. */
export function* chunksOfState(state: LoadedState): Generator<Uint8Array> {
  const snapshot = new StateSnapshot(
    state.keyspace,
    state.sessions,
    state.settings,
    state.files,
    state.users,
  );
  try {
    for (;;) {
      const chunk = snapshot.next(CHUNK_BYTES);
      if (chunk === null) return;
      yield chunk;
    }
  } finally {
    snapshot.end();
  }
}

export interface ContentsRestored {
  readonly restored: number;
  readonly bytes: number;
  /** Names of files whose contents are not in the backup. */
  readonly missing: readonly string[];
}

/**
 * Writes the contents of restored files into a new data directory, where the node will find them.
 *
 * @param path of the data directory
 * @param backup the directory of `regent backup --files`
 * @throws {UserError} when one is damaged, or the disk fails or is full
 */
export async function restoreContents(
  path: string,
  backup: string,
  files: FileIndex,
): Promise<ContentsRestored> {
  const found: { readonly id: string; readonly size: number; readonly sha256: string }[] = [];
  const missing: string[] = [];
  let bytes = 0;
  for (const { name, blob: id, size, sha256 } of files.view().byName.values()) {
    if (sizeOf(contentPath(backup, sha256)) === size) {
      found.push({ id, size, sha256 });
      bytes += size;
    } else missing.push(utf8TextOf(name) ?? name);
  }
  const store = await BlobStore.open({
    directory: `${path}/${FILES_NAME}`,
    reserveBytes: 0,
    logger: silentLogger,
  });
  const progress = new ProgressLine({ totalBytes: bytes });
  try {
    let doneBytes = 0;
    for (const { id, size, sha256 } of found) {
      const source = contentPath(backup, sha256);
      const writer = await store.create(id, size);
      const hash = createHash("sha256");
      for await (const chunk of chunksOf(source)) {
        hash.update(chunk);
        await writer.write(chunk);
        progress.show(doneBytes += chunk.length);
      }
      if (hash.digest("hex") === sha256) await writer.finish(sha256);
      else {
        await writer.abort();
        throw new UserError(`Cannot use ${source}: it is damaged; run the backup again`);
      }
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot write the contents of files: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    progress.end();
    await store.close();
  }
  return { restored: found.length, bytes, missing };
}
