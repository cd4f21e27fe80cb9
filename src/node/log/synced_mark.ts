import type { Disk, DiskFile } from "../../platform/disk.ts";
import { isCount, parseFields, payloadAt, RecordWriter } from "./record.ts";

const encoder = new TextEncoder();

export const SYNCED_MARK_PATH = "log/synced";
/**
 * Size in bytes of each of the two slots, which are written in turn. Each is a disk sector of its
 * own, so that a torn write leaves the other one whole.
 */
const SLOT_BYTES = 512;

/** The log is durable up to this offset of this segment, including all earlier segments. */
export interface SyncedPosition {
  readonly segment: number;
  readonly offset: number;
}

/**
 * The file that records how far the log was synced. It distinguishes a damaged record that was
 * acknowledged from one that was never finished. It is written after each sync, before anything is
 * acknowledged, but is not synced itself. It survives the end of the process. After a power failure
 * it may be older, but is still a valid lower bound.
 */
export class SyncedMark {
  readonly #file: DiskFile;
  readonly #record = new RecordWriter();
  #slot: number;

  private constructor(file: DiskFile, slot: number) {
    this.#file = file;
    this.#slot = slot;
  }

  /** Creates a file saying that nothing is synced. It is durable once `log/` is synced. */
  static create(disk: Disk): SyncedMark {
    if (disk.read(SYNCED_MARK_PATH) !== null) disk.remove(SYNCED_MARK_PATH);
    const mark = new SyncedMark(disk.open(SYNCED_MARK_PATH, "create"), 0);
    mark.write({ segment: 0, offset: 0 });
    mark.#file.syncNow();
    return mark;
  }

  /** Opens the existing file for writing. The slot with the newest position is overwritten last. */
  static open(disk: Disk): SyncedMark {
    const positions = readSlots(disk.read(SYNCED_MARK_PATH) ?? new Uint8Array(0));
    const newest = isBefore(positions[0] ?? null, positions[1] ?? null) ? 1 : 0;
    return new SyncedMark(disk.open(SYNCED_MARK_PATH, "existing"), 1 - newest);
  }

  write({ segment, offset }: SyncedPosition): void {
    this.#record.add(encoder.encode(`{"segment":${segment},"synced":${offset}}`));
    this.#file.write(this.#record.bytes(), this.#slot * SLOT_BYTES);
    this.#record.clear();
    this.#slot = 1 - this.#slot;
  }

  close(): void {
    this.#file.close();
  }
}

/** The newest position in the file; `null` when there is none. */
export function readSyncedPosition(bytes: Uint8Array): SyncedPosition | null {
  const [even = null, odd = null] = readSlots(bytes);
  return isBefore(even, odd) ? odd : even;
}

/** Whether `left` covers less than `right`. */
export function isBefore(left: SyncedPosition | null, right: SyncedPosition | null): boolean {
  if (left === null || right === null) return left === null && right !== null;
  return left.segment < right.segment ||
    (left.segment === right.segment && left.offset < right.offset);
}

function readSlots(bytes: Uint8Array): (SyncedPosition | null)[] {
  return [0, SLOT_BYTES].map((at) => {
    const payload = payloadAt(bytes, at);
    if (payload === null) return null;
    const { segment, synced } = parseFields(payload) ?? {};
    return isCount(segment) && isCount(synced) ? { segment, offset: synced } : null;
  });
}
