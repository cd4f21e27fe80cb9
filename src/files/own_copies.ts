import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BlobStorage } from "./blobs.ts";
import type {
  BlobState,
  FileList,
  FileMetadata,
  ListQuery,
  WorkItem,
  WorkPage,
} from "./file_metadata.ts";
import { FirstSeen } from "./first_seen.ts";
import type { HealerLimits } from "./healer_limits.ts";
import type { Pulls } from "./pulls.ts";
import { BATCH_MAX, type Reports } from "./reports.ts";
import { checkSignal, unlessAborted } from "./waits.ts";

/** Number of blobs of a page of work, and of those that are asked for at once. */
const PAGE = 500;

export interface OwnCopiesOptions {
  readonly node: string;
  readonly metadata: FileMetadata;
  readonly local: BlobStorage;
  readonly pulls: Pulls;
  readonly reports: Reports;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HealerLimits;
}

/**
 * Makes the blobs on this node's disk what they should be according to the log. A content goes only
 * when the log has said so right before, never since something is absent.
 */
export class OwnCopies {
  readonly #options: OwnCopiesOptions;
  readonly #missing = new FirstSeen();
  readonly #dead = new FirstSeen();
  readonly #orphans = new FirstSeen();
  readonly #unrecorded = new FirstSeen();

  constructor(options: OwnCopiesOptions) {
    this.#options = options;
  }

  /**
   * Does what the log says is to be done, and has what is missing fetched.
   *
   * @returns whether something is left that has to wait
   */
  async sweep(signal: AbortSignal): Promise<boolean> {
    const { node, metadata } = this.#options;
    let hasMore = false;
    let cursor: string | null = null;
    do {
      const page: WorkPage = await unlessAborted(metadata.work(node, cursor, PAGE), signal);
      for (const item of page.items) {
        if (item.action === "pull" && !this.#pull(item)) hasMore = true;
      }
      await this.#release(blobsOf(page.items, "release"), signal);
      if (await this.#reap(blobsOf(page.items, "reap"), signal)) hasMore = true;
      cursor = page.cursor;
    } while (cursor !== null);
    this.#missing.endRound();
    this.#dead.endRound();
    return hasMore;
  }

  /** @returns false if it has to be done later */
  #pull(item: WorkItem): boolean {
    const { clock, limits, pulls } = this.#options;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#missing.note(item.blob, nowMs);
    return nowMs - sinceMs >= limits.pullGraceMs && pulls.add(item);
  }

  async #release(blobs: readonly string[], signal: AbortSignal): Promise<void> {
    const { node, metadata, pulls } = this.#options;
    for (const batch of batches(blobs.filter((blob) => !pulls.has(blob)))) {
      const mayGo = await unlessAborted(metadata.release(node, batch), signal);
      for (const [at, blob] of batch.entries()) if (mayGo[at]) await this.#remove(blob, signal);
    }
  }

  /** Removes dead copies after a grace time. @returns whether some have to wait */
  async #reap(blobs: readonly string[], signal: AbortSignal): Promise<boolean> {
    const { clock, limits, reports, local, pulls } = this.#options;
    const nowMs = clock.monotonicMs();
    const due = blobs.filter((blob) =>
      nowMs - this.#dead.note(blob, nowMs) >= limits.deadGraceMs && !pulls.has(blob)
    );
    for (const batch of batches(due)) {
      const states = await this.#look(batch, signal);
      for (const [at, blob] of batch.entries()) {
        const state = states[at];
        if (state !== null && state?.isDead !== true) continue;
        await this.#remove(blob, signal);
        if (!local.has(blob)) reports.addLost(blob);
      }
    }
    return due.length < blobs.length;
  }

  /**
   * Compares the whole disk with the log.
   *
   * @returns the number of copies that are on the disk and in the log
   */
  async scan(signal: AbortSignal): Promise<number> {
    const { node, local } = this.#options;
    let recorded = 0;
    for (const batch of batches([...local.ids()], PAGE)) {
      const states = await this.#look(batch, signal);
      const gone: string[] = [];
      const unrecorded: WorkItem[] = [];
      for (const [at, blob] of batch.entries()) {
        const state = states[at] ?? null;
        if (state?.holders.includes(node)) recorded++;
        else if (state === null || state.isDead) this.#isOver(blob, state) && gone.push(blob);
        else unrecorded.push({ ...state, blob, action: "pull" });
      }
      await this.#removeGone(gone, signal);
      await this.#settle(unrecorded, signal);
    }
    this.#orphans.endRound();
    this.#unrecorded.endRound();
    return recorded;
  }

  /** Whether the grace time is over of a content that nobody needs. */
  #isOver(blob: string, state: BlobState | null): boolean {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonicMs();
    const graceMs = state === null ? limits.orphanGraceMs : limits.deadGraceMs;
    return nowMs - this.#orphans.note(blob, nowMs) >= graceMs;
  }

  async #removeGone(blobs: readonly string[], signal: AbortSignal): Promise<void> {
    const { node, logger } = this.#options;
    if (blobs.length === 0) return;
    const states = await this.#look(blobs, signal);
    for (const [at, blob] of blobs.entries()) {
      const state = states[at] ?? null;
      if (state !== null && (!state.isDead || state.holders.includes(node))) continue;
      logger.info(`removing blob ${blob}, which no file has`);
      await this.#remove(blob, signal);
    }
  }

  /** Copies of visible files that the log does not know of: it may have use for them. */
  async #settle(items: readonly WorkItem[], signal: AbortSignal): Promise<void> {
    const { node, metadata, clock, limits, pulls, reports } = this.#options;
    const nowMs = clock.monotonicMs();
    // What nobody has, as after a restore from a backup, is wanted at once.
    const due = items.filter(({ blob, holders }) =>
      (nowMs - this.#unrecorded.note(blob, nowMs) >= limits.unrecordedGraceMs ||
        holders.length === 0) &&
      !pulls.has(blob) && !reports.isHeld(blob)
    );
    for (const batch of batches(due)) {
      const blobs = batch.map(({ blob }) => blob);
      const mayGo = await unlessAborted(metadata.release(node, blobs), signal);
      for (const [at, item] of batch.entries()) {
        if (mayGo[at]) await this.#remove(item.blob, signal);
        else pulls.add(item); // it is verified, since it is there
      }
    }
  }

  /** Finds the copies that the log believes to be here and that are not. */
  async findMissing(signal: AbortSignal): Promise<void> {
    const { node, metadata, local, reports } = this.#options;
    let cursor: string | null = null;
    do {
      const query: ListQuery = { count: PAGE, ...(cursor === null ? {} : { cursor }) };
      const page: FileList = await unlessAborted(metadata.list(query), signal);
      const missing = page.files
        .filter(({ holders, blob }) => holders.includes(node) && !local.has(blob))
        .map(({ blob }) => blob);
      for (const batch of batches(missing)) {
        const states = await this.#look(batch, signal);
        for (const [at, blob] of batch.entries()) {
          if (states[at]?.holders.includes(node) && !local.has(blob)) reports.addLost(blob);
        }
      }
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async #look(blobs: readonly string[], signal: AbortSignal) {
    return await unlessAborted(this.#options.metadata.blobs(blobs), signal);
  }

  async #remove(blob: string, signal: AbortSignal): Promise<void> {
    checkSignal(signal);
    try {
      await this.#options.local.remove(blob);
    } catch (error) {
      this.#options.logger.warn(`removing blob ${blob} failed: ${messageOf(error)}`);
    }
  }
}

function blobsOf(items: readonly WorkItem[], action: WorkItem["action"]): string[] {
  return items.filter((item) => item.action === action).map(({ blob }) => blob);
}

function* batches<T>(items: readonly T[], size = BATCH_MAX): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
