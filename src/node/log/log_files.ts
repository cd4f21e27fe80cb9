import { UserError } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../disk.ts";
import { encodeSegmentHeader, type SegmentHeader } from "./log_record.ts";
import { RecordWriter } from "./record.ts";
import { parseSegmentFileName, Segment, segmentFileName, type SegmentName } from "./segment.ts";
import { SYNCED_MARK_PATH } from "./synced_mark.ts";

export const LOG_DIRECTORY = "log";
/** A segment before it is whole; what is left of one by a crash is removed. */
export const NEW_SEGMENT_PATH = "log/new";

const ADVICE =
  "restore the directory from a copy of this very node, or put a new node with another id in its place";

/** Acknowledged data may be gone: the node must not go on as if nothing had happened. */
export function damagedLog(disk: Disk, fileName: string, offset: number, what: string): UserError {
  return new UserError(
    `Cannot read ${disk.root}/log/${fileName}: at byte ${offset} ${what}; ${ADVICE}`,
  );
}

export function unusableLog(disk: Disk, what: string): UserError {
  return new UserError(`Cannot use ${disk.root}/log: ${what}; ${ADVICE}`);
}

/**
 * The segments in the order of writing.
 *
 * @throws {UserError} when there are files of any other kind
 */
export function listSegments(disk: Disk): SegmentName[] {
  const names: SegmentName[] = [];
  for (const fileName of disk.list(LOG_DIRECTORY)) {
    const name = parseSegmentFileName(fileName);
    const path = `${LOG_DIRECTORY}/${fileName}`;
    if (name !== null) names.push(name);
    else if (path !== SYNCED_MARK_PATH && path !== NEW_SEGMENT_PATH) {
      throw new UserError(
        `Cannot use ${disk.root}/log: it holds ${
          JSON.stringify(fileName)
        }, which is no file of Regent's; move it away`,
      );
    }
  }
  return names.sort((left, right) => left.sequence - right.sequence);
}

/**
 * Creates a segment with its header and makes it durable. It gets its name only when it is whole,
 * so that a crash at any moment leaves either all of it or nothing that counts.
 */
export function createSegment(
  disk: Disk,
  header: SegmentHeader,
): { readonly file: DiskFile; readonly segment: Segment } {
  const record = new RecordWriter();
  record.add(encodeSegmentHeader(header));
  const segment = new Segment({ sequence: header.segment, first: header.first });
  segment.headerBytes = record.length;
  segment.endBytes = record.length;
  removeUnfinishedSegment(disk);
  const file = disk.open(NEW_SEGMENT_PATH, "create");
  file.write(record.bytes(), 0);
  file.syncNow();
  disk.rename(NEW_SEGMENT_PATH, `${LOG_DIRECTORY}/${segmentFileName(segment)}`);
  disk.syncDirectory(LOG_DIRECTORY);
  return { file, segment };
}

/** From the oldest on, so that what is left has no gap if the process dies. */
export function removeSegmentsBefore(disk: Disk, sequence: number): void {
  for (const name of listSegments(disk)) {
    if (name.sequence < sequence) disk.remove(`${LOG_DIRECTORY}/${segmentFileName(name)}`);
  }
}

export function removeUnfinishedSegment(disk: Disk): void {
  if (disk.list(LOG_DIRECTORY).some((name) => `${LOG_DIRECTORY}/${name}` === NEW_SEGMENT_PATH)) {
    disk.remove(NEW_SEGMENT_PATH);
  }
}

/**
 * Makes a part of a file durable, whatever became of earlier syncs. When one fails, the kernel tells
 * it once, to one caller, and takes the pages that it could not write for clean: another sync, at the
 * same time or after a restart, would succeed without having written anything.
 */
export function writeAgain(file: DiskFile, from: number, to: number): void {
  if (to > from) {
    const bytes = new Uint8Array(to - from);
    file.read(bytes, from);
    file.write(bytes, from);
  }
  file.syncNow();
}
