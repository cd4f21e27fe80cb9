import type { FilePlacement } from "./file_layout.ts";
import type { FileBlob, LiveBlob } from "./file_record.ts";

/**
 * - `healthy`: all wanted nodes hold it, and no other copy is to go
 * - `moving`: there are enough copies, but not all where they belong
 * - `degraded`: there are fewer copies than there should be
 * - `lost`: no available node holds it
 *
 * A node is available unless it is out: what a draining node holds counts.
 */
export type FileHealth = "healthy" | "moving" | "degraded" | "lost";

export function healthOf(blob: LiveBlob, placement: FilePlacement): FileHealth {
  const available = availableCopies(blob, placement);
  if (available === 0) return "lost";
  const wanted = placement.wanted(blob.file);
  const isSettled = wanted.length > 0 && holdsAll(blob, wanted) &&
    !blob.holders.some((id) => mayRelease(id, blob, placement));
  if (isSettled) return "healthy";
  return available >= Math.max(1, placement.copiesOf(blob.file)) ? "moving" : "degraded";
}

function availableCopies({ holders }: FileBlob, placement: FilePlacement): number {
  return holders.reduce((count, id) => placement.isOut(id) ? count : count + 1, 0);
}

function holdsAll({ holders }: FileBlob, wanted: readonly string[]): boolean {
  return wanted.every((id) => holders.includes(id));
}

export function isLive(blob: FileBlob): blob is LiveBlob {
  return blob.file !== null;
}

/**
 * Whether a node may delete its content. That of a visible file may go only when all nodes where it
 * belongs have it, and as many copies are left as the file should have: with fewer nodes than that,
 * a node that is drained keeps its copy until it is removed. A node that is out has to announce itself first: what the others have got
 * meanwhile may be less than what comes back.
 */
export function mayRelease(id: string, blob: FileBlob, placement: FilePlacement): boolean {
  if (!isLive(blob)) return true;
  const wanted = placement.wanted(blob.file);
  if (wanted.length === 0 || wanted.includes(id) || placement.isOut(id)) return false;
  return holdsAll(blob, wanted) && availableCopies(blob, placement) > blob.file.copies;
}

/** What a node has to do about a blob: get it, ask whether it may delete it, or delete it. */
export type FileAction = "pull" | "release" | "reap";

export function actionOf(id: string, blob: FileBlob, placement: FilePlacement): FileAction | null {
  const isHolder = blob.holders.includes(id);
  if (!isLive(blob)) return isHolder ? "reap" : null;
  if (isHolder) return mayRelease(id, blob, placement) ? "release" : null;
  const isMissing = blob.holders.length > 0 && placement.wanted(blob.file).includes(id);
  return isMissing ? "pull" : null;
}

/** Sums over all blobs. */
export class FileTotals {
  /** Number of visible files. */
  files = 0;
  /** Their sizes, each counted once. */
  bytes = 0;
  /** Number of all blobs. */
  blobs = 0;
  /** Number of blobs of files that were deleted or replaced. */
  dead = 0;
  /** Number of copies that are missing where they belong. */
  missing = 0;
  /** Their sizes. */
  missingBytes = 0;
  /** Those of them that are of lost files, so that there is nothing to copy them from. */
  missingOfLost = 0;
  /** Number of files with fewer copies than they should have. */
  below = 0;
  /** Number of files that no available node holds. */
  lost = 0;
  /** Number of copies of visible files where they do not belong. */
  surplus = 0;

  /** @param sign 1 to add the blob, -1 to take it off again */
  add(blob: FileBlob, placement: FilePlacement, sign: 1 | -1): void {
    this.blobs += sign;
    if (!isLive(blob)) {
      this.dead += sign;
      return;
    }
    const wanted = placement.wanted(blob.file);
    let present = 0;
    for (const id of blob.holders) if (wanted.includes(id)) present++;
    const available = availableCopies(blob, placement);
    this.files += sign;
    this.bytes += sign * blob.size;
    const missing = wanted.length - present;
    this.missing += sign * missing;
    this.missingBytes += sign * missing * blob.size;
    this.surplus += sign * (blob.holders.length - present);
    if (available === 0) {
      this.lost += sign;
      this.missingOfLost += sign * missing;
    }
    if (available < Math.max(1, placement.copiesOf(blob.file))) this.below += sign;
  }

  /** Adds or takes off what another one has counted. */
  addAll(other: FileTotals): void {
    this.files += other.files;
    this.bytes += other.bytes;
    this.blobs += other.blobs;
    this.dead += other.dead;
    this.missing += other.missing;
    this.missingBytes += other.missingBytes;
    this.missingOfLost += other.missingOfLost;
    this.below += other.below;
    this.lost += other.lost;
    this.surplus += other.surplus;
  }

  /** Whether every copy is where it belongs. */
  get isSettled(): boolean {
    return this.missing === 0 && this.surplus === 0 && this.dead === 0;
  }
}

/**
 * Keeps the totals while blobs change, so that nobody has to count all of them each time. When
 * copies belong elsewhere, the totals are unknown until the next count, which goes through all
 * blobs of a view while they go on changing.
 */
export class FileTotalsKeeper {
  #known: FileTotals | null = new FileTotals();
  /** What has changed since the beginning of each count. */
  #open = new Set<FileTotals>();

  /** `null` if all blobs must be counted. */
  get known(): FileTotals | null {
    return this.#known;
  }

  change(before: FileBlob | null, after: FileBlob | null, placement: FilePlacement): void {
    if (this.#known !== null) changeTotals(this.#known, before, after, placement);
    for (const changes of this.#open) changeTotals(changes, before, after, placement);
  }

  /** @param isEmpty whether there is nothing to count */
  reset(isEmpty: boolean): void {
    this.#known = isEmpty ? new FileTotals() : null;
    this.#open.clear();
  }

  /** Counts a view that was made just before, in steps of `stepBlobs` blobs. */
  *count(
    blobs: Iterable<FileBlob>,
    placement: FilePlacement,
    stepBlobs: number,
  ): Generator<void, FileTotals> {
    const changes = new FileTotals();
    this.#open.add(changes);
    try {
      const counted = new FileTotals();
      let steps = 0;
      for (const blob of blobs) {
        counted.add(blob, placement, 1);
        if (++steps % stepBlobs === 0) yield;
      }
      if (this.#open.has(changes)) {
        changes.addAll(counted);
        this.#known = changes;
      }
      return counted;
    } finally {
      this.#open.delete(changes);
    }
  }
}

function changeTotals(
  totals: FileTotals,
  before: FileBlob | null,
  after: FileBlob | null,
  placement: FilePlacement,
): void {
  if (before !== null) totals.add(before, placement, -1);
  if (after !== null) totals.add(after, placement, 1);
}
