import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import type { HardState } from "../../raft/types.ts";
import type { ClusterConfiguration } from "../members/configuration.ts";
import type { StrayFiles } from "../stray_files.ts";
import { decodeEntry } from "./entry.ts";
import { LogIndex } from "./log_index.ts";
import {
  isZeroFrom,
  LOG_FORMAT,
  parseLogRecord,
  payloadAt,
  RECORD_HEADER_BYTES,
  scanRecords,
  type SegmentHeader,
} from "./record.ts";
import {
  createSegment,
  damagedLog,
  listSegments,
  LOG_DIRECTORY,
  removeSegmentsBefore,
  Segment,
  segmentFileName,
  type SegmentName,
  unusableLog,
  writeAgain,
} from "./segment.ts";
import { readSyncedPosition, SYNCED_MARK_PATH, SyncedMark } from "./synced_mark.ts";

/** Maximum size in bytes of a record that claims a sync. */
const SYNCED_BYTES_MAX = 256;

/** The node that the log must belong to. */
export interface LogOwner {
  readonly clusterId: string;
  readonly nodeId: string;
}

/**
 * Rebuilds the state of a log from its segments, in the order of writing and without gaps. It may
 * start at any segment, since older ones are removed once a snapshot covers them. Only a write that
 * certainly never finished is skipped. Any other damage is refused.
 */
export class LogReplay {
  readonly #disk: Disk;
  readonly #owner: LogOwner;
  readonly index = new LogIndex();
  hardState: HardState = { term: 0, vote: null };
  /** The newest segment is known to be durable up to this offset. */
  syncedBytes = 0;
  /** The nonce of the log's own records; empty before the first segment. */
  nonce = "";
  /** Size of the previous segment; `null` before the first one that is present. */
  #previousBytes: number | null = null;

  constructor(disk: Disk, owner: LogOwner) {
    this.#disk = disk;
    this.#owner = owner;
  }

  /** Reads a segment that has a successor. It was durable before the successor started. */
  replayOlder(name: SegmentName, bytes: Uint8Array): void {
    const segment = this.#replay(name, bytes);
    const end = segment.endBytes;
    if (!isZeroFrom(bytes, end)) {
      throw damagedLog(this.#disk, segment.fileName, end, "is a damaged record");
    }
  }

  /**
   * Reads the newest segment. It ends at its first damaged record, if that was certainly not
   * durable.
   *
   * Valid records after a damaged one prove nothing by themselves: at a power failure, the disk may
   * have kept a later write and lost an earlier one of the same sync. The damaged record was
   * durable if the mark of the last sync, or a later record that claims a sync, says so.
   *
   * @param syncedBytes offset up to which the segment was certainly synced
   * @returns whether there is something after the end to truncate
   */
  replayNewest(name: SegmentName, bytes: Uint8Array, syncedBytes: number): boolean {
    const segment = this.#replay(name, bytes);
    const end = segment.endBytes;
    const isTorn = !isZeroFrom(bytes, end);
    this.syncedBytes = Math.max(
      this.syncedBytes,
      syncedBytes,
      claimedAfter(bytes, end, this.nonce),
    );
    if (this.syncedBytes > end) {
      const what = isTorn ? "is a damaged record" : "the records end";
      const bound = `although the log was synced up to byte ${this.syncedBytes}`;
      throw damagedLog(this.#disk, segment.fileName, end, `${what}, ${bound}`);
    }
    return isTorn;
  }

  #replay(name: SegmentName, bytes: Uint8Array): Segment {
    const segment = new Segment(name);
    this.syncedBytes = 0;
    segment.endBytes = scanRecords(bytes, (payload, offset) => {
      if (offset === 0) this.#begin(segment, payload);
      else this.#apply(segment, payload, offset);
    });
    if (segment.endBytes === 0) {
      throw damagedLog(this.#disk, segment.fileName, 0, "the segment's header is damaged");
    }
    this.#previousBytes = segment.endBytes;
    return segment;
  }

  #begin(segment: Segment, payload: Uint8Array): void {
    const record = parseLogRecord(payload);
    if (record?.kind === "otherFormat") {
      throw new UserError(
        `Cannot read ${this.#disk.root}/log/${segment.fileName}: its format is ${
          JSON.stringify(record.format)
        } and this version reads ${LOG_FORMAT}; use the version of Regent that wrote it`,
      );
    }
    if (record?.kind !== "header") {
      throw damagedLog(this.#disk, segment.fileName, 0, "there is no segment header");
    }
    const { header } = record;
    this.#checkOwner(segment, header);
    this.#checkPlace(segment, header);
    // Segment 1 has no predecessor.
    const isFirstLeft = this.#previousBytes === null && segment.sequence > 1;
    if (isFirstLeft || header.afterSnapshot) this.index.beginAnew(segment, header.previousTerm);
    else {
      this.#checkContinuation(segment, header);
      this.index.begin(segment);
    }
    this.hardState = { term: header.term, vote: header.vote };
    this.nonce = header.nonce;
    segment.headerBytes = RECORD_HEADER_BYTES + payload.length;
    this.syncedBytes = segment.headerBytes;
  }

  #checkOwner(segment: Segment, { cluster, node }: SegmentHeader): void {
    const { clusterId, nodeId } = this.#owner;
    if (cluster === clusterId && node === nodeId) return;
    throw new UserError(
      `Cannot use ${this.#disk.root}/log/${segment.fileName}: it was written by node ${node} of ` +
        `cluster ${cluster}, and this is node ${nodeId} of cluster ${clusterId}; ` +
        `start with that node's own directory`,
    );
  }

  #checkPlace(segment: Segment, header: SegmentHeader): void {
    const refuse = (what: string) => damagedLog(this.#disk, segment.fileName, 0, what);
    const { sequence, first } = segment;
    if (header.segment !== sequence || header.first !== first) {
      throw refuse("the header does not match the file's name");
    }
    if (this.#previousBytes !== null && header.previousBytes !== this.#previousBytes) {
      // This header is valid, so the previous file is incomplete.
      const { fileName } = this.index.newest;
      const what = `the records end, and segment ${sequence} says that they end at byte ` +
        `${header.previousBytes}`;
      throw damagedLog(this.#disk, fileName, this.#previousBytes, what);
    }
    if (this.#previousBytes !== null && header.nonce !== this.nonce) {
      throw refuse("the segment belongs to another log");
    }
    if (first < 1) throw refuse(`the segment starts at entry ${first}`);
    if (header.term < this.hardState.term) throw refuse(`the term goes back to ${header.term}`);
  }

  #checkContinuation({ fileName, first }: Segment, { previousTerm }: SegmentHeader): void {
    const refuse = (what: string) => damagedLog(this.#disk, fileName, 0, what);
    const { firstIndex, lastIndex } = this.index;
    if (first < firstIndex || first > lastIndex + 1) {
      throw refuse(`the segment starts at entry ${first}, and the log so far ends at ${lastIndex}`);
    }
    if (previousTerm !== this.index.termAt(first - 1)) {
      throw refuse(`the header gives the previous entry term ${previousTerm}`);
    }
  }

  #apply(segment: Segment, payload: Uint8Array, offset: number): void {
    const refuse = (what: string) => damagedLog(this.#disk, segment.fileName, offset, what);
    const record = parseLogRecord(payload);
    switch (record?.kind) {
      case "entry": {
        const { index, term } = record;
        if (index < segment.first || index > this.index.lastIndex + 1) {
          throw refuse(`entry ${index} follows entry ${this.index.lastIndex}`);
        }
        if (term < this.index.termAt(index - 1)) throw refuse(`the term goes back to ${term}`);
        const place = { offset, payloadBytes: payload.length };
        const configuration = record.isConfiguration
          ? this.#configurationOf(segment, offset, payload)
          : null;
        this.index.add(index, term, place, configuration);
        break;
      }
      case "hardState":
        if (record.hardState.term < this.hardState.term) {
          throw refuse(`the term goes back to ${record.hardState.term}`);
        }
        this.hardState = record.hardState;
        break;
      case "synced":
        if (record.offset > offset) throw refuse("is a record that claims a sync of later bytes");
        if (record.nonce !== this.nonce) throw refuse("is a record that belongs to another log");
        this.syncedBytes = Math.max(this.syncedBytes, record.offset);
        break;
      default:
        throw refuse("is a record of a kind that this version does not know");
    }
  }

  #configurationOf(
    segment: Segment,
    offset: number,
    payload: Uint8Array,
  ): ClusterConfiguration | null {
    try {
      return decodeEntry(payload).data?.configuration ?? null;
    } catch (error) {
      const what = `is not an entry (${messageOf(error)})`;
      throw damagedLog(this.#disk, segment.fileName, offset, what);
    }
  }
}

/**
 * The highest offset that the log's own records after `end` claim to be durable; 0 when none does.
 */
function claimedAfter(bytes: Uint8Array, end: number, nonce: string): number {
  const OPENING_BRACE = 0x7b;
  let claimed = 0;
  let at = bytes.indexOf(OPENING_BRACE, end + RECORD_HEADER_BYTES);
  for (; at !== -1; at = bytes.indexOf(OPENING_BRACE, at + 1)) {
    const offset = at - RECORD_HEADER_BYTES;
    const payload = payloadAt(bytes, offset, SYNCED_BYTES_MAX);
    const record = payload === null ? null : parseLogRecord(payload);
    if (record?.kind === "synced" && record.nonce === nonce && record.offset <= offset) {
      claimed = Math.max(claimed, record.offset);
    }
  }
  return claimed;
}

/** The last entry of a durable snapshot. */
export interface SnapshotPlace {
  readonly index: number;
  readonly term: number;
}

export interface RecoveredLog {
  readonly replay: LogReplay;
  /** File of the newest segment. All of it is durable. */
  readonly file: DiskFile;
  readonly mark: SyncedMark;
}

/** Creates a log, or finishes a creation that a crash interrupted. */
export function createLog(
  disk: Disk,
  strays: StrayFiles,
  owner: LogOwner & { readonly nonce: string },
): void {
  if (listSegments(strays).length > 0) return;
  disk.makeDirectory(LOG_DIRECTORY);
  disk.syncDirectoryNow("");
  SyncedMark.create(disk).close();
  // So wherever there is a segment, there is a mark as well.
  disk.syncDirectoryNow(LOG_DIRECTORY);
  createSegment(disk, strays, {
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
}

/**
 * Reads the log, truncates a write that never finished, and makes the rest durable.
 *
 * Segments that a snapshot covers are removed, the oldest first, but a power failure may bring any
 * of them back. So only the newest segments without a gap count, starting with the one that has the
 * lowest first index. They must reach back to the snapshot.
 *
 * @throws {UserError} when the log is damaged, incomplete, or another node's
 */
export function recoverLog(
  disk: Disk,
  strays: StrayFiles,
  owner: LogOwner & { readonly snapshot?: SnapshotPlace | null },
  logger: Logger,
): RecoveredLog {
  const present = newestWithoutGap(listSegments(strays));
  const names = fromLowestFirst(present);
  const oldest = names[0];
  const newest = names.pop();
  if (oldest === undefined || newest === undefined) {
    throw unusableLog(disk, "the log files are missing");
  }
  const markBytes = disk.read(SYNCED_MARK_PATH);
  if (markBytes === null) throw unusableLog(disk, `the file "synced" is missing`);
  const position = readSyncedPosition(markBytes);
  if (position === null) logger.warn(`${disk.root}/${SYNCED_MARK_PATH} holds no valid position`);
  else if (position.segment > newest.sequence) {
    throw unusableLog(disk, `segment ${position.segment} is missing`);
  }

  // Check this before reading: otherwise a later segment may seem damaged.
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
        `the write there never finished, and was not acknowledged`,
    );
  }
  removeSegmentsBefore(strays, oldest.sequence);
  disk.syncDirectoryNow(LOG_DIRECTORY);
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

/** A segment whose first index is below that of earlier segments has truncated all of them. */
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
        `and the log starts after them`,
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
  let bytes: Uint8Array | null;
  try {
    bytes = disk.read(`${LOG_DIRECTORY}/${fileName}`);
  } catch (error) {
    throw damagedLog(disk, fileName, 0, `it cannot be read (${messageOf(error)})`);
  }
  if (bytes === null) throw damagedLog(disk, fileName, 0, "the file is missing");
  return bytes;
}
