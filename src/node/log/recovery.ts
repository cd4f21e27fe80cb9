import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../disk.ts";
import type { LogIndex } from "./log_index.ts";
import {
  createSegment,
  damagedLog,
  listSegments,
  LOG_DIRECTORY,
  removeSegmentsBefore,
  removeUnfinishedSegment,
  unusableLog,
  writeAgain,
} from "./log_files.ts";
import { LOG_FORMAT } from "./log_record.ts";
import { type LogOwner, LogReplay } from "./log_replay.ts";
import { segmentFileName, type SegmentName } from "./segment.ts";
import { readSyncedPosition, SYNCED_MARK_PATH, SyncedMark } from "./synced_mark.ts";

/** The last entry that a durable snapshot covers. */
export interface SnapshotPlace {
  readonly index: number;
  readonly term: number;
}

export interface RecoveredLog {
  readonly replay: LogReplay;
  /** The newest segment's file. All of it is durable. */
  readonly file: DiskFile;
  readonly mark: SyncedMark;
}

/** Begins a log, or goes on with a beginning that a crash cut short. */
export function createLog(disk: Disk, owner: LogOwner & { readonly nonce: string }): void {
  if (listSegments(disk).length > 0) return;
  disk.makeDirectory(LOG_DIRECTORY);
  disk.syncDirectory("");
  SyncedMark.create(disk).close();
  // Where there is a segment there is thus a mark as well.
  disk.syncDirectory(LOG_DIRECTORY);
  const { file } = createSegment(disk, {
    format: LOG_FORMAT,
    cluster: owner.clusterId,
    node: owner.nodeId,
    nonce: owner.nonce,
    segment: 1,
    first: 1,
    afterSnapshot: false,
    previousTerm: 0,
    previousBytes: 0,
    term: 0,
    vote: null,
  });
  file.close();
}

/**
 * Reads the log, cuts off what was never finished, and makes the rest durable.
 *
 * Segments are removed from the oldest on when a snapshot covers them, but a loss of power may bring
 * any of them back. So what counts are the newest ones without a gap, from the one on that goes back
 * furthest, and they must go back to the snapshot.
 *
 * @throws {UserError} when the log is damaged, is not whole, or belongs to another node
 */
export function recoverLog(
  disk: Disk,
  owner: LogOwner & { readonly snapshot?: SnapshotPlace | null },
  logger: Logger,
): RecoveredLog {
  const present = newestWithoutGap(listSegments(disk));
  const names = fromLowestFirst(present);
  const oldest = names[0];
  const newest = names.pop();
  if (oldest === undefined || newest === undefined) {
    throw unusableLog(disk, "the log files are missing");
  }
  const markBytes = disk.read(SYNCED_MARK_PATH);
  if (markBytes === null) throw unusableLog(disk, `the file "synced" is missing`);
  const position = readSyncedPosition(markBytes);
  if (position === null) logger.warn(`${disk.root}/${SYNCED_MARK_PATH} does not say anything`);
  else if (position.segment > newest.sequence) {
    throw unusableLog(disk, `segment ${position.segment} is missing`);
  }

  // Before anything is read: what is left may look as if a later segment were damaged.
  if (!owner.snapshot && oldest.sequence > 1 && oldest.first > 1) {
    const missing = `segment ${(present[0]?.sequence ?? 1) - 1} is missing`;
    throw unusableLog(disk, `${missing}, and there is no snapshot in its place`);
  }
  const replay = new LogReplay(disk, owner);
  for (const name of names) replay.replayOlder(name, readSegment(disk, segmentFileName(name)));
  const bytes = readSegment(disk, segmentFileName(newest));
  const markedBytes = position?.segment === newest.sequence ? position.offset : 0;
  const isTorn = replay.replayNewest(newest, bytes, markedBytes);
  checkWhole(disk, replay.index, owner.snapshot ?? null);
  const segment = replay.index.newest;
  if (isTorn) {
    logger.info(
      `cut ${disk.root}/log/${segment.fileName} at byte ${segment.endBytes}: ` +
        `what stood there was never finished nor acknowledged`,
    );
  }
  removeSegmentsBefore(disk, oldest.sequence);
  removeUnfinishedSegment(disk);
  disk.syncDirectory(LOG_DIRECTORY);
  const file = disk.open(`${LOG_DIRECTORY}/${segment.fileName}`, "existing");
  if (isTorn) file.truncate(segment.endBytes);
  writeAgain(file, replay.syncedBytes, segment.endBytes);
  const mark = SyncedMark.open(disk);
  mark.write({ segment: segment.sequence, offset: segment.endBytes });
  return { replay, file, mark };
}

function newestWithoutGap(names: readonly SegmentName[]): SegmentName[] {
  const gap = names.findLastIndex(({ sequence }, at) =>
    at > 0 && names[at - 1]?.sequence !== sequence - 1
  );
  return names.slice(Math.max(0, gap));
}

/** A segment that goes back further than those before it has cut off all that is in them. */
function fromLowestFirst(names: readonly SegmentName[]): SegmentName[] {
  const lowest = Math.min(...names.map(({ first }) => first));
  return names.slice(names.findIndex(({ first }) => first === lowest));
}

function checkWhole(
  disk: Disk,
  log: LogIndex,
  snapshot: SnapshotPlace | null,
): void {
  const before = log.firstIndex - 1;
  if (snapshot === null) {
    if (before === 0) return;
    throw unusableLog(disk, `the snapshot up to entry ${before} is missing`);
  }
  const { index, term } = snapshot;
  if (index < before) {
    throw unusableLog(
      disk,
      `entries ${index + 1} to ${before} are missing: the snapshot ends before them, ` +
        `and the log begins behind them`,
    );
  }
  if (index === before && term !== log.termAt(before)) {
    throw unusableLog(
      disk,
      `it follows an entry ${index} of term ${log.termAt(before)}, ` +
        `and the snapshot ends with one of term ${term}`,
    );
  }
}

function readSegment(disk: Disk, fileName: string): Uint8Array {
  const bytes = disk.read(`${LOG_DIRECTORY}/${fileName}`);
  if (bytes === null) throw damagedLog(disk, fileName, 0, "the file is missing");
  return bytes;
}
