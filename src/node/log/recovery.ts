import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../disk.ts";
import {
  createSegment,
  damagedLog,
  listSegments,
  LOG_DIRECTORY,
  removeUnfinishedSegment,
  unusableLog,
  writeAgain,
} from "./log_files.ts";
import { LOG_FORMAT } from "./log_record.ts";
import { type LogOwner, LogReplay } from "./log_replay.ts";
import { segmentFileName } from "./segment.ts";
import { readSyncedPosition, SYNCED_MARK_PATH, SyncedMark } from "./synced_mark.ts";

export interface RecoveredLog {
  readonly replay: LogReplay;
  /** The newest segment's file. All of it is durable. */
  readonly file: DiskFile;
  readonly mark: SyncedMark;
}

/** Begins a log, or goes on with a beginning that a crash cut short. */
export function createLog(disk: Disk, owner: LogOwner): void {
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
    segment: 1,
    first: 1,
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
 * @throws {UserError} when the log is damaged, is not whole, or belongs to another node
 */
export function recoverLog(disk: Disk, owner: LogOwner, logger: Logger): RecoveredLog {
  const names = listSegments(disk);
  const newest = names.pop();
  if (newest === undefined) throw unusableLog(disk, "the log files are missing");
  const markBytes = disk.read(SYNCED_MARK_PATH);
  if (markBytes === null) throw unusableLog(disk, `the file "synced" is missing`);
  const position = readSyncedPosition(markBytes);
  if (position === null) logger.warn(`${disk.root}/${SYNCED_MARK_PATH} does not say anything`);
  else if (position.segment > newest.sequence) {
    throw unusableLog(disk, `segment ${position.segment} is missing`);
  }

  const replay = new LogReplay(disk, owner);
  for (const name of names) replay.replayOlder(name, readSegment(disk, segmentFileName(name)));
  const bytes = readSegment(disk, segmentFileName(newest));
  const markedBytes = position?.segment === newest.sequence ? position.offset : 0;
  const isTorn = replay.replayNewest(newest, bytes, markedBytes);
  const segment = replay.index.newest;
  if (isTorn) {
    logger.info(
      `cut ${disk.root}/log/${segment.fileName} at byte ${segment.endBytes}: ` +
        `what stood there was never finished nor acknowledged`,
    );
  }
  removeUnfinishedSegment(disk);
  disk.syncDirectory(LOG_DIRECTORY);
  const file = disk.open(`${LOG_DIRECTORY}/${segment.fileName}`, "existing");
  if (isTorn) file.truncate(segment.endBytes);
  writeAgain(file, replay.syncedBytes, segment.endBytes);
  const mark = SyncedMark.open(disk);
  mark.write({ segment: segment.sequence, offset: segment.endBytes });
  return { replay, file, mark };
}

function readSegment(disk: Disk, fileName: string): Uint8Array {
  const bytes = disk.read(`${LOG_DIRECTORY}/${fileName}`);
  if (bytes === null) throw damagedLog(disk, fileName, 0, "the file is missing");
  return bytes;
}
