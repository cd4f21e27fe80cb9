import type { Disk, DiskFile } from "../../platform/disk.ts";
import { isCount, parseFields, payloadAt, RecordWriter } from "./record.ts";

const encoder = new TextEncoder();

export const SYNCED_MARK_PATH = "log/synced";
/** Two places, written in turn, each in a disk sector of its own: one of them is always whole. */
const SLOT_BYTES = 512;

/** Everything of the segments before, and of this one up to the offset, is durable. */
export interface SyncedPosition {
  readonly segment: number;
  readonly offset: number;
}

/**
 * The file that says how far the log was synced, so that a damaged record that was acknowledged
 * can be told from one that was never finished. Written after each sync and before anything is
 * acknowledged, but not synced itself: it outlives the process, and after a loss of power it is an
 * older and still true lower bound.
 */
export class SyncedMark {
  readonly #file: DiskFile;
  readonly #record = new RecordWriter();
  #slot: number;

  private constructor(file: DiskFile, slot: number) {
    this.#file = file;
    this.#slot = slot;
  }

  /** A new file that says that nothing is synced. Durable once `log/` is synced. */
  static create(disk: Disk): SyncedMark {
    if (disk.read(SYNCED_MARK_PATH) !== null) disk.remove(SYNCED_MARK_PATH);
    const mark = new SyncedMark(disk.open(SYNCED_MARK_PATH, "create"), 0);
    mark.write({ segment: 0, offset: 0 });
    mark.#file.syncNow();
    return mark;
  }

  /** The existing file, for writing; the newest position is not overwritten first. */
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

/** The newest position that the file tells; `null` when it tells none. */
export function readSyncedPosition(bytes: Uint8Array): SyncedPosition | null {
  const [even = null, odd = null] = readSlots(bytes);
  return isBefore(even, odd) ? odd : even;
}

/** Whether `left` says less than `right`. */
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
