import { seededRandom } from "../base/random.ts";

/** Redis's defaults: what a new key begins with, and `lfu-log-factor`. */
export const NEW_KEY_FREQUENCY = 5;
const LOG_FACTOR = 10;
/** Number of minutes in which a frequency falls by one: Redis's `lfu-decay-time`. */
const DECAY_MINUTES = 1;
/** The highest frequency. */
export const FREQUENCY_MAX = 255;
/** One access in N is counted, and stands for N. Counting each one cost 18 ns of a GET's 160. */
export const ACCESSES_PER_COUNT = 16;

/** Size of a stamp. */
export const STAMP_BITS = 17;
const STAMP_MASK = 2 ** STAMP_BITS - 1;
/** How far time may go back before the highest frequencies count as 0. */
const MINUTES_BACK_MAX = 60;
const MINUTE_MS = 60_000 * DECAY_MINUTES;

/**
 * How often keys are accessed, by the logarithmic counter of Redis's LFU (`OBJECT FREQ`): an access
 * raises a frequency with a probability that falls with its height, and each minute lowers it by
 * one.
 *
 * A key carries a stamp of `STAMP_BITS`: the minute, modulo 2^17, in which its frequency will have
 * fallen to 0. So nothing needs to be done as time passes. The stamp of a key without any access
 * recurs after 91 days, and then reads as a frequency for 5 hours.
 */
export class KeyFrequencies {
  readonly #random = seededRandom(1);
  #nowMs = 0;

  /** Takes the current time, in milliseconds of the Unix epoch. */
  noteTime(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** The stamp of a new key. */
  newStamp(): number {
    return this.#stampOf(NEW_KEY_FREQUENCY);
  }

  /** The frequency of a key with this stamp now: 0 … 255. */
  of(stamp: number): number {
    const frequency = (stamp - this.#minute()) & STAMP_MASK;
    if (frequency <= FREQUENCY_MAX) return frequency;
    return frequency <= FREQUENCY_MAX + MINUTES_BACK_MAX ? FREQUENCY_MAX : 0;
  }

  /**
   * The access that is counted next: 1 is the next one. Chance decides, so that no pattern of
   * accesses hides a key.
   */
  drawNext(): number {
    return 1 + Math.floor(this.#random() * (2 * ACCESSES_PER_COUNT - 1));
  }

  /** The stamp after one more access that is counted: mostly the same for a high frequency. */
  afterAccess(stamp: number): number {
    const frequency = this.of(stamp);
    if (frequency === FREQUENCY_MAX) return stamp;
    const odds = Math.max(0, frequency - NEW_KEY_FREQUENCY) * LOG_FACTOR + 1;
    return this.#random() * odds < ACCESSES_PER_COUNT ? this.#stampOf(frequency + 1) : stamp;
  }

  #stampOf(frequency: number): number {
    return (this.#minute() + frequency) & STAMP_MASK;
  }

  #minute(): number {
    return Math.floor(this.#nowMs / MINUTE_MS) & STAMP_MASK;
  }
}
