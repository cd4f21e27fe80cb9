import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BlobStorage } from "./blobs.ts";
import type { HealerLimits } from "./healer_limits.ts";
import { Loop } from "./loop.ts";
import { Rate } from "./rate.ts";
import type { Reports } from "./reports.ts";
import { TokenBucket } from "./token_bucket.ts";
import { checkSignal, wait } from "./waits.ts";

/** A small blob costs as many bytes as this, for opening it. */
const BLOB_COST_BYTES = 16 * 1024;
/** How often the place is saved, in milliseconds. */
const SAVE_MS = 10_000;

/** Remembers over restarts how far the scrub has come. */
export interface ScrubPlace {
  /** The last blob that was verified; "" before the first. */
  load(): Promise<string>;
  save(blob: string): Promise<void>;
}

export interface ScrubberOptions {
  readonly local: BlobStorage;
  readonly reports: Reports;
  readonly place: ScrubPlace;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: HealerLimits;
  /** Is called after a corrupt blob was found. */
  readonly onCorrupt: () => void;
}

export interface ScrubStatus {
  /** Number of blobs of this round that are verified, and of all. */
  readonly done: number;
  readonly total: number;
  /** Since the start of the process. */
  readonly rounds: number;
  readonly bytes: number;
  /** Over the last seconds, and at most. */
  readonly bytesPerSecond: number;
  readonly bytesPerSecondMax: number;
  readonly corrupt: number;
}

/** Reads all blobs of this node again and again, at a limited rate, to find those that decay. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #bucket: TokenBucket;
  readonly #rate: Rate;
  readonly #loop: Loop;
  /** The last blob that was verified; `null` before it is loaded. */
  #last: string | null = null;
  #savedMs = -Infinity;
  #status = { done: 0, total: 0, rounds: 0, bytes: 0, corrupt: 0 };

  constructor(options: ScrubberOptions) {
    this.#options = options;
    const { clock, logger, limits } = options;
    this.#bucket = new TokenBucket(clock, limits.scrubBytesPerSecond);
    this.#rate = new Rate(clock);
    this.#loop = new Loop({ name: "scrub", clock, logger, work: (signal) => this.#round(signal) });
  }

  get status(): ScrubStatus {
    return {
      ...this.#status,
      bytesPerSecond: this.#rate.perSecond,
      bytesPerSecondMax: this.#options.limits.scrubBytesPerSecond,
    };
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#save();
  }

  /** Verifies what is left of this round. */
  async #round(signal: AbortSignal): Promise<number> {
    const { local, clock, limits, place } = this.#options;
    const startMs = clock.monotonicMs();
    const last = this.#last ??= await place.load();
    const ids = [...local.ids()].sort();
    const left = ids.filter((id) => id > last);
    this.#status.total = ids.length;
    this.#status.done = ids.length - left.length;
    for (const id of left) {
      if (signal.aborted) return 0;
      await this.#verify(id, signal);
      if (signal.aborted) return 0; // this one is verified the next time
      this.#last = id;
      this.#status.done++;
      if (clock.monotonicMs() - this.#savedMs >= SAVE_MS) await this.#save();
    }
    this.#last = "";
    this.#status.rounds++;
    await this.#save();
    return Math.max(0, limits.scrubRoundMs - (clock.monotonicMs() - startMs));
  }

  async #verify(id: string, signal: AbortSignal): Promise<void> {
    const { local, reports, logger, onCorrupt, clock } = this.#options;
    await this.#bucket.take(BLOB_COST_BYTES, signal);
    if (!local.has(id)) return; // removed meanwhile
    try {
      const isGood = await local.verify(id, async (bytes) => {
        this.#status.bytes += bytes;
        this.#rate.add(bytes);
        await this.#bucket.take(bytes, signal);
        checkSignal(signal);
      });
      if (isGood) return;
    } catch (error) {
      if (signal.aborted) return;
      logger.warn(`scrub of blob ${id} failed: ${messageOf(error)}`);
      if (local.has(id)) return await wait(clock, 1_000, signal);
    }
    this.#status.corrupt++;
    if (local.has(id)) return; // somebody else has found the damage, and it is repaired
    // It may have been removed meanwhile. Then the report changes nothing.
    reports.addLost(id);
    onCorrupt();
  }

  async #save(): Promise<void> {
    if (this.#last === null) return;
    this.#savedMs = this.#options.clock.monotonicMs();
    try {
      await this.#options.place.save(this.#last);
    } catch (error) {
      this.#options.logger.warn(`cannot save the place of the scrub: ${messageOf(error)}`);
    }
  }
}
