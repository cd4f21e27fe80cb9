import { createHash } from "node:crypto";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { BlobStorage, BlobWriter } from "./blobs.ts";
import type { Downloads } from "./download.ts";
import { FileError } from "./file_error.ts";
import type { WorkItem } from "./file_metadata.ts";
import { Rate } from "./rate.ts";
import type { Reports } from "./reports.ts";
import { TokenBucket } from "./token_bucket.ts";
import { checkSignal } from "./waits.ts";

/** Maximum number of blobs that wait to be fetched. The next sweep finds the others. */
const WAITING_MAX = 10_000;
/** Pauses before a blob is tried again, in milliseconds. Each is twice as long as the last. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
/** Time in milliseconds for which another failure with the same cause is not logged. */
const QUIET_MS = 60_000;
/** Maximum number of causes that are kept apart. */
const CAUSES_MAX = 100;

export interface PullsOptions {
  readonly local: BlobStorage;
  readonly downloads: Downloads;
  readonly reports: Reports;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly bytesPerSecond: number;
  readonly pullsMax: number;
  /** Is called when nothing waits any more, and when a blob that has failed may be tried again. */
  readonly onIdle: () => void;
}

/** What is being fetched. Sizes are in bytes. */
export interface PullStatus {
  /** Those that are being fetched, with what has come of them. */
  readonly blobs: readonly {
    readonly blob: string;
    readonly size: number;
    readonly bytes: number;
  }[];
  /** Number of copies to be fetched, with those that are. At most some 10,000 are known. */
  readonly left: number;
  readonly bytesLeft: number;
  /** Over the last seconds, and at most. */
  readonly bytesPerSecond: number;
  readonly bytesPerSecondMax: number;
  /** Since the start of the process. */
  readonly blobsDone: number;
  readonly bytesDone: number;
  readonly failures: number;
}

interface Retry {
  readonly atMs: number;
  readonly delayMs: number;
}

/** Fetches the copies that this node should have, a few at a time and at a limited rate. */
export class Pulls {
  readonly #options: PullsOptions;
  readonly #bucket: TokenBucket;
  readonly #rate: Rate;
  readonly #waiting = new Map<string, WorkItem>();
  readonly #running = new Map<string, { item: WorkItem; bytes: number; done: Promise<void> }>();
  readonly #retries = new Map<string, Retry>();
  #stopping: AbortController | null = null;
  #blobsDone = 0;
  #bytesDone = 0;
  #failures = 0;
  #cancelRetry: Cancel | null = null;
  /** By cause: when it was last logged, and how many failures were not. */
  readonly #causes = new Map<string, { readonly loggedMs: number; unlogged: number }>();

  constructor(options: PullsOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.clock, options.bytesPerSecond);
    this.#rate = new Rate(options.clock);
  }

  get status(): PullStatus {
    let bytesLeft = 0;
    for (const { size } of this.#waiting.values()) bytesLeft += size;
    for (const { item, bytes } of this.#running.values()) bytesLeft += item.size - bytes;
    return {
      blobs: [...this.#running.values()].map(({ item: { blob, size }, bytes }) => (
        { blob, size, bytes }
      )),
      left: this.#running.size + this.#waiting.size,
      bytesLeft,
      bytesPerSecond: this.#rate.perSecond,
      bytesPerSecondMax: this.#options.bytesPerSecond,
      blobsDone: this.#blobsDone,
      bytesDone: this.#bytesDone,
      failures: this.#failures,
    };
  }

  /** Whether the blob is being fetched, or waits for that. */
  has(blob: string): boolean {
    return this.#waiting.has(blob) || this.#running.has(blob);
  }

  start(): void {
    this.#stopping ??= new AbortController();
  }

  /** Nothing is left half fetched. */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#waiting.clear();
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    this.#stopping = null;
  }

  /** Fetches a blob, unless it has failed shortly before. @returns false if there is no room */
  add(item: WorkItem): boolean {
    if (this.#stopping === null || this.has(item.blob)) return true;
    const retry = this.#retries.get(item.blob);
    if (retry !== undefined && retry.atMs > this.#options.clock.monotonicMs()) return true;
    if (this.#waiting.size >= WAITING_MAX) return false;
    this.#waiting.set(item.blob, item);
    this.#runNext();
    return true;
  }

  #runNext(): void {
    const signal = this.#stopping?.signal;
    if (signal === undefined || signal.aborted) return;
    for (const [blob, item] of this.#waiting) {
      if (this.#running.size >= this.#options.pullsMax) return;
      this.#waiting.delete(blob);
      const running = { item, bytes: 0, done: Promise.resolve() };
      this.#running.set(blob, running);
      running.done = this.#pull(item, signal, (bytes) => {
        running.bytes += bytes;
        this.#bytesDone += bytes;
        this.#rate.add(bytes);
      }).finally(() => {
        this.#running.delete(blob);
        if (this.#waiting.size > 0) this.#runNext();
        else if (this.#running.size === 0 && !signal.aborted) this.#options.onIdle();
      });
    }
  }

  async #pull(
    item: WorkItem,
    signal: AbortSignal,
    count: (bytes: number) => void,
  ): Promise<void> {
    const { local, reports } = this.#options;
    const { blob } = item;
    try {
      if (reports.isHeld(blob)) return;
      if (local.has(blob)) await this.#verifyOwn(item, signal);
      else await this.#fetch(item, signal, count);
      this.#retries.delete(blob);
      this.#blobsDone++;
      reports.addHeld(blob);
    } catch (error) {
      if (signal.aborted) return;
      this.#failures++;
      this.#retryLater(blob);
      // While an upload is still writing it, there is nothing to tell.
      if (error instanceof FileError && error.code === "busy") return;
      this.#logFailure(blob, messageOf(error));
    }
  }

  /** A disk that fails does so for thousands of blobs: one of them is enough each minute. */
  #logFailure(blob: string, message: string): void {
    const { clock, logger } = this.#options;
    const cause = message.replaceAll(/[0-9a-f]{32}/g, "…");
    const nowMs = clock.monotonicMs();
    const known = this.#causes.get(cause);
    if (known !== undefined && nowMs - known.loggedMs < QUIET_MS) return void known.unlogged++;
    if (this.#causes.size >= CAUSES_MAX) this.#causes.clear();
    this.#causes.set(cause, { loggedMs: nowMs, unlogged: 0 });
    const others = known?.unlogged ?? 0;
    const more = others === 0 ? "" : ` (and ${others} times more since the last such line)`;
    logger.warn(`fetching blob ${blob} failed: ${message}${more}`);
  }

  /** A copy that is there already, but not known to the log. It goes if it is not the right one. */
  async #verifyOwn({ blob, size, sha256 }: WorkItem, signal: AbortSignal): Promise<void> {
    const { local } = this.#options;
    const hash = createHash("sha256");
    if (local.sizeOf(blob) === size) {
      for await (const chunk of local.read(blob, 0, size)) {
        hash.update(chunk);
        await this.#bucket.take(chunk.length, signal);
        checkSignal(signal);
      }
      if (hash.digest("hex") === sha256) return;
    }
    await local.remove(blob);
    throw new FileError("checksum-mismatch", "the copy on the disk has other bytes");
  }

  async #fetch(
    item: WorkItem,
    signal: AbortSignal,
    count: (bytes: number) => void,
  ): Promise<void> {
    const { local, downloads } = this.#options;
    const { blob, size, sha256 } = item;
    const writer: BlobWriter = await local.create(blob, size);
    const hash = createHash("sha256");
    try {
      for await (const chunk of downloads.read(item, 0, size, { signal, avoidsOwn: true })) {
        hash.update(chunk);
        await writer.write(chunk);
        count(chunk.length);
        await this.#bucket.take(chunk.length, signal);
        checkSignal(signal);
      }
      checkSignal(signal);
    } catch (error) {
      await writer.abort();
      throw error;
    }
    if (hash.digest("hex") === sha256) return void await writer.finish(sha256);
    await writer.abort();
    throw new FileError("checksum-mismatch", "the other node has sent other bytes");
  }

  #retryLater(blob: string): void {
    const last = this.#retries.get(blob)?.delayMs ?? RETRY_MS_MIN / 2;
    const delayMs = Math.min(RETRY_MS_MAX, 2 * last);
    if (this.#retries.size >= WAITING_MAX) this.#retries.clear();
    this.#retries.set(blob, { atMs: this.#options.clock.monotonicMs() + delayMs, delayMs });
    this.#awaitRetry(delayMs);
  }

  #awaitRetry(delayMs: number): void {
    const { clock, onIdle } = this.#options;
    this.#cancelRetry ??= clock.after(delayMs, () => {
      this.#cancelRetry = null;
      onIdle();
      const nowMs = clock.monotonicMs();
      const later = [...this.#retries.values()].map(({ atMs }) => atMs).filter((at) => at > nowMs);
      if (later.length > 0) this.#awaitRetry(later.reduce((a, b) => Math.min(a, b)) - nowMs);
    });
  }
}
