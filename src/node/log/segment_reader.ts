import { messageOf } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../disk.ts";
import type { LogEntry } from "../entry.ts";
import { decodeEntry } from "./entry_codec.ts";
import { damagedLog } from "./log_files.ts";
import { payloadAt, RECORD_HEADER_BYTES } from "./record.ts";
import type { Segment } from "./segment.ts";

/** Neighbouring records up to so many bytes are read at once. */
const READ_BYTES_MAX = 1 << 20;

/**
 * The last entry, from `from` to `to`, that still fits into `bytesMax` together with those before
 * it; `from - 1` when not even the first does.
 */
export function lastThatFits(segment: Segment, from: number, to: number, bytesMax: number): number {
  let bytesLeft = bytesMax;
  let last = from - 1;
  while (last < to) {
    bytesLeft -= segment.payloadBytesOf(last + 1);
    if (bytesLeft < 0) break;
    last++;
  }
  return last;
}

/**
 * Reads and checks entries of one segment.
 *
 * @throws {UserError} when a record is damaged
 */
export function readEntries(
  disk: Disk,
  file: DiskFile,
  segment: Segment,
  from: number,
  to: number,
): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let next = from; next <= to;) {
    const start = segment.offsetOf(next);
    let last = next;
    while (last < to && endOf(segment, last + 1) - start <= READ_BYTES_MAX) last++;
    const bytes = new Uint8Array(endOf(segment, last) - start);
    file.read(bytes, start);
    for (; next <= last; next++) {
      const offset = segment.offsetOf(next);
      const payload = payloadAt(bytes, offset - start);
      if (payload === null) {
        throw damagedLog(disk, segment.fileName, offset, "is a damaged record");
      }
      entries.push(decode(disk, segment, offset, payload));
    }
  }
  return entries;
}

function endOf(segment: Segment, index: number): number {
  return segment.offsetOf(index) + RECORD_HEADER_BYTES + segment.payloadBytesOf(index);
}

function decode(disk: Disk, segment: Segment, offset: number, payload: Uint8Array): LogEntry {
  try {
    return decodeEntry(payload);
  } catch (error) {
    throw damagedLog(disk, segment.fileName, offset, `is no entry (${messageOf(error)})`);
  }
}
