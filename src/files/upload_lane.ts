import { messageOf } from "../base/errors.ts";
import { Fifo } from "../base/queues.ts";
import type { Clock } from "../platform/clock.ts";
import type { BlobSummary, BlobWriter } from "./blobs.ts";
import { FileError } from "./file_error.ts";
import type { Piece } from "./pieces.ts";
import { within } from "./waits.ts";

/** Maximum time in milliseconds for which `discard` waits for each answer of a holder. */
const SETTLED_MS_MAX = 30_000;

export interface LaneOptions {
  /** The id of the holder. */
  readonly node: string;
  readonly open: () => Promise<BlobWriter>;
  /** Removes the blob from the holder. */
  readonly remove: () => Promise<void>;
  readonly clock: Clock;
  /** Is called when there is more room, when it is finished, and when it has failed. */
  readonly changed: () => void;
}

/** The way of an upload's bytes to one holder. */
export class UploadLane {
  readonly node: string;
  readonly #options: LaneOptions;
  readonly #queue = new Fifo<Piece>();
  #queuedBytes = 0;
  #hasAgreed = false;
  #isStarted = false;
  #isEnded = false;
  #sha256 = "";
  #failure: FileError | null = null;
  #summary: BlobSummary | null = null;
  #writer: BlobWriter | null = null;
  /** Whether the holder may have the whole blob on its disk. */
  #mayBeComplete = false;
  /** Since when the holder lets us wait, on the monotonic clock; `null` while it does not. */
  #waitsSinceMs: number | null;
  #wake: () => void = () => {};
  /** Resolves when nothing is asked of the holder any more, if it ever answers. */
  readonly #done: Promise<void>;
  readonly #settled = Promise.withResolvers<void>();

  constructor(options: LaneOptions) {
    this.node = options.node;
    this.#options = options;
    this.#waitsSinceMs = options.clock.monotonicMs();
    this.#done = this.#run().finally(this.#settled.resolve);
  }

  /** Number of bytes that wait for the holder. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Whether the holder has said that it takes the blob. */
  get hasAgreed(): boolean {
    return this.#hasAgreed;
  }

  /** Whether the holder has taken the first bytes. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  get failure(): FileError | null {
    return this.#failure;
  }

  /** What the holder has computed; `null` before it is finished. */
  get summary(): BlobSummary | null {
    return this.#summary;
  }

  /** Retains the piece until the holder has taken it. */
  push(piece: Piece): void {
    if (this.#failure !== null) return;
    piece.retain();
    this.#queue.push(piece);
    this.#queuedBytes += piece.bytes.length;
    this.#wake();
  }

  /** No more bytes follow. @param sha256 of all of them */
  end(sha256: string): void {
    this.#sha256 = sha256;
    this.#isEnded = true;
    this.#wake();
  }

  /** Gives the holder up if it has let us wait for longer than this many milliseconds. */
  failIfStalled(limitMs: number): void {
    if (this.#waitsSinceMs === null || this.#summary !== null) return;
    if (this.#options.clock.monotonicMs() - this.#waitsSinceMs <= limitMs) return;
    this.fail(new FileError("unavailable", `Node ${this.node} took nothing for too long.`));
  }

  /** Whether it has neither finished nor failed. */
  get isWorking(): boolean {
    return this.#summary === null && this.#failure === null;
  }

  /** Whether it waits for the holder to finish. */
  get isFinishing(): boolean {
    return this.#mayBeComplete && this.isWorking;
  }

  fail(error: FileError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#summary = null;
    for (let piece = this.#queue.shift(); piece !== undefined; piece = this.#queue.shift()) {
      piece.release();
    }
    this.#queuedBytes = 0;
    this.#abort();
    this.#wake();
    this.#settled.resolve();
    this.#options.changed();
  }

  /** Resolves when the holder has finished or failed. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Takes back everything, of an upload that becomes visible nowhere. */
  async discard(): Promise<void> {
    this.fail(new FileError("aborted", "The upload was given up."));
    if (!this.#mayBeComplete) return;
    // What finishes after this becomes an orphan, which its holder removes in time.
    const { clock, remove } = this.#options;
    await within(clock, SETTLED_MS_MAX, this.#done, "The end of a lane").catch(() => {});
    await within(clock, SETTLED_MS_MAX, remove(), "Removing a blob");
  }

  #abort(): void {
    this.#writer?.abort().catch(() => {});
  }

  async #run(): Promise<void> {
    try {
      this.#writer = await this.#options.open();
      if (this.#failure !== null) return this.#abort();
      await this.#writer.ready?.();
      if (this.#failure !== null) return;
      this.#waitsSinceMs = null;
      this.#hasAgreed = true;
      this.#options.changed();
      await this.#writeAll(this.#writer);
      if (this.#failure !== null) return;
      this.#mayBeComplete = true;
      this.#waitsSinceMs = this.#options.clock.monotonicMs();
      const summary = await this.#writer.finish(this.#sha256);
      if (this.#failure === null) this.#summary = summary;
      this.#options.changed();
    } catch (error) {
      this.fail(
        error instanceof FileError
          ? error
          : new FileError("unavailable", `Node ${this.node} has failed: ${messageOf(error)}`),
      );
    }
  }

  async #writeAll(writer: BlobWriter): Promise<void> {
    while (this.#failure === null) {
      const piece = this.#queue.shift();
      if (piece !== undefined) {
        this.#waitsSinceMs = this.#options.clock.monotonicMs();
        try {
          await writer.write(piece.bytes);
        } finally {
          piece.release();
        }
        this.#waitsSinceMs = null;
        this.#isStarted = true;
        if (this.#failure !== null) return;
        this.#queuedBytes -= piece.bytes.length;
        this.#options.changed();
      } else if (this.#isEnded) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    }
  }
}
