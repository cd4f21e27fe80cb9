import { basename, dirname } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import { openDataDirectory } from "../../node/data_directory.ts";
import type { SnapshotMeta } from "../../node/snapshots/snapshot.ts";
import { formatAddress } from "../flags.ts";
import { DenoDisk } from "../platform/deno_disk.ts";

/** Bytes that wait for the disk, above which the next chunk waits too. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;

/** What the directory of a new cluster's node begins with. */
export interface FirstState {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly snapshot: SnapshotMeta;
  /** The state's, as in a snapshot. */
  readonly chunks: Iterable<Uint8Array>;
}

/**
 * Makes a whole data directory, as a node keeps it, at a place of its own; what is left there of an
 * earlier attempt is removed. No node ever sees a part of it: it is moved to its place as a whole.
 *
 * @throws {UserError} when the disk does not take it, or the chunks cannot be had
 */
export async function stageDirectory(path: string, state: FirstState): Promise<void> {
  const disk = await DenoDisk.open(path);
  try {
    for (const name of disk.list("")) {
      if (name !== "lock") Deno.removeSync(`${path}/${name}`, { recursive: true });
    }
    await write(disk, state);
    check(disk, state);
  } catch (error) {
    removeDirectory(path);
    throw error;
  } finally {
    disk.close();
  }
}

/** Removes a directory with all that is in it, if it is there. */
export function removeDirectory(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a path leads to something. */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Moves a directory within the one above it, durably.
 *
 * @throws {UserError} when the system refuses
 */
export function moveDirectory(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
    const above = DenoDisk.openForReading(dirname(to));
    above.syncDirectory("");
  } catch (error) {
    throw new UserError(`Cannot move ${from} to ${basename(to)}: ${messageOf(error)}`);
  }
}

function open(
  disk: DenoDisk,
  { nodeId, clusterId, snapshot }: FirstState,
  logger: Logger = silentLogger,
) {
  const { members } = snapshot.configuration;
  return openDataDirectory(disk, {
    nodeId,
    clusterId,
    members: new Map(members.map(({ id, raftAddress }) => [id, formatAddress(raftAddress)])),
    nonce: crypto.randomUUID(),
    logger,
    onFailure: (error) => {
      throw error;
    },
  });
}

async function write(disk: DenoDisk, state: FirstState): Promise<void> {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const { log, snapshots } = open(disk, state, logger);
  const { index, term } = state.snapshot;
  try {
    const writer = snapshots.begin(state.snapshot);
    for (const chunk of writer === null ? [] : state.chunks) {
      writer?.write(chunk);
      while ((writer?.unsyncedBytes ?? 0) > UNSYNCED_BYTES_MAX && !writer?.isAbandoned) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const stored = writer && await new Promise((resolve) => writer.finish(resolve));
    if (stored === null) throw new UserError(`Cannot fill ${disk.root}: ${warnings.join("; ")}`);
    await new Promise<void>((resolve) => log.reset(index, term, { term, vote: null }, resolve));
  } finally {
    log.close();
    snapshots.close();
  }
}

/** Reads it again as the node will. */
function check(disk: DenoDisk, state: FirstState): void {
  const { log, snapshots } = open(disk, state);
  const { index, term } = state.snapshot;
  const newest = snapshots.newest();
  const isWhole = newest?.index === index && newest.term === term &&
    log.firstIndex() === index + 1 && log.lastIndex() === index;
  log.close();
  snapshots.close();
  if (!isWhole) throw new UserError(`Cannot use ${disk.root}: it does not hold what was written`);
}
