import type { FaultPlan } from "./fault_plan.ts";
import type { HostClock } from "./sim_process.ts";

/** The time of the right clocks when the simulation begins, in milliseconds of the Unix epoch. */
export const TRUE_START_MS = 1_700_000_000_000;
/** Maximum difference between right clocks at the beginning. */
export const RIGHT_MS = 50;
/** Maximum error of wrong clocks, in either direction: ten years. */
const WRONG_MS = 10 * 365 * 24 * 3600 * 1000;
/** A measured clock may be wrong by half of the round trip, which takes a second at most. */
const MEASURED_MS_MAX = 500;
/** Maximum time that the log may lose while all nodes are down. */
const LOST_MS_MAX = 6_000;
/** Maximum time for which a deadline may wait for the leader and a majority. */
const LATE_MS_MAX = 3_000;

/** A key with a time to live. */
interface Passing {
  readonly key: string;
  readonly value: string;
  readonly forMs: number;
  readonly invokedMs: number;
  /** When it was acknowledged; `Infinity` if it was not. */
  ackedMs: number;
  /** False if it may only have replaced another key before the log's time was known. */
  readonly isJudged: boolean;
}

export interface TimeOracleOptions {
  readonly plan: FaultPlan;
  readonly fail: (what: string) => never;
}

/**
 * Judges time by the simulation's own, which no node knows. With a majority of right clocks the
 * log's time runs at the pace of true time, and keys live as long as their clients asked for. It
 * reads neither the state machine's deadlines nor the log's time.
 */
export class TimeOracle {
  readonly #options: TimeOracleOptions;
  readonly #passing: Passing[] = [];
  /**
   * How far the log's time is ahead since entries from a time when all clocks were ahead. `null`
   * before it is known: with a majority that includes a wrong clock, a log may begin too early.
   */
  #leadMs: number | null = null;
  /** The newest term in which a leader has appended an entry. */
  #newestTerm = 0;
  /** The latest time of an entry that any node has applied. */
  #newestMs = -Infinity;
  #leastAheadMs = Infinity;
  #leaptMs = 0;

  constructor(options: TimeOracleOptions) {
    this.#options = options;
  }

  /** The leader of this term appends an entry with this time. */
  proposed(id: string, term: number, timeMs: number, nowMs: number): void {
    const { plan, fail } = this.#options;
    // A leader that was deposed and does not know it may go on with a time that was corrected
    // since.
    if (!plan.areClocksRight || term < this.#newestTerm) return;
    this.#newestTerm = term;
    const aheadMs = timeMs - (TRUE_START_MS + nowMs);
    const slackMs = this.#slackMs(nowMs);
    const lateMs = Math.round(aheadMs - (this.#leadMs ?? plan.clocksAheadMs));
    if (lateMs > slackMs) fail(`${id} says it is ${lateMs} ms later than it is, not ${slackMs}`);
    if (this.#leadMs === null) return;
    const earlyMs = Math.round(this.#leadMs - aheadMs);
    if (earlyMs > slackMs + this.#lostMsMax(nowMs)) {
      fail(`${id} says it is ${earlyMs} ms earlier than it is, not ${slackMs}`);
    }
  }

  /** Maximum amount by which the log's time has gained on true time since any earlier entry. */
  get leaptMs(): number {
    return this.#leaptMs;
  }

  /** An entry with this time is committed, and is being applied. */
  applied(timeMs: number, nowMs: number): void {
    const { clocksAheadMs } = this.#options.plan;
    const aheadMs = timeMs - (TRUE_START_MS + nowMs);
    if (timeMs > this.#newestMs) {
      this.#newestMs = timeMs;
      this.#leastAheadMs = Math.min(this.#leastAheadMs, aheadMs);
      this.#leaptMs = Math.max(this.#leaptMs, aheadMs - this.#leastAheadMs);
    }
    const slackMs = this.#slackMs(nowMs) + this.#lostMsMax(nowMs);
    if (Math.abs(aheadMs - clocksAheadMs) <= slackMs) this.#leadMs = clocksAheadMs;
    else if (Math.abs(aheadMs) <= slackMs) this.#leadMs ??= 0;
  }

  /** A client sends a request. @returns a function to call with the time and the reply */
  asked(
    [command = "", key = "", value = "", ...rest]: readonly string[],
    invokedMs: number,
  ): (nowMs: number, reply: string | null) => void {
    const isJudged = this.#leadMs !== null;
    if (!this.#options.plan.areClocksRight || !isPassing(key)) return () => {};
    if (command === "GET" && isJudged) {
      return (nowMs, reply) => this.#judge(key, reply, invokedMs, nowMs);
    }
    if (command !== "SET") return () => {};
    const forMs = Number(rest.at(-1));
    const passing = { key, value, forMs, invokedMs, ackedMs: Infinity, isJudged };
    this.#passing.push(passing);
    return (nowMs, reply) => {
      if (reply !== null) passing.ackedMs = nowMs;
    };
  }

  #judge(key: string, reply: string | null, fromMs: number, nowMs: number): void {
    const slackMs = this.#slackMs(nowMs) + this.#lostMsMax(nowMs);
    const all = this.#passing.filter((one) => one.key === key);
    const found = all.find(({ value }) => value === reply);
    if (found?.isJudged === true) {
      const livedMs = fromMs - found.ackedMs;
      if (livedMs > found.forMs + slackMs + this.#lateMsMax) {
        this.#options.fail(`${key} is there ${livedMs} ms after it was set for ${found.forMs} ms`);
      }
    }
    if (reply !== null) return;
    const isThere = ({ invokedMs, forMs }: Passing) => invokedMs + forMs - slackMs > nowMs;
    const gone = all.find((one) =>
      one.isJudged && one.ackedMs < fromMs && isThere(one) &&
      // A write that may have replaced it must last at least as long.
      all.every((other) =>
        other.ackedMs < one.invokedMs || other.invokedMs > nowMs || isThere(other)
      )
    );
    if (gone !== undefined) {
      const { forMs, ackedMs } = gone;
      this.#options.fail(`${key} is gone ${nowMs - ackedMs} ms after it was set for ${forMs} ms`);
    }
  }

  /** Maximum error of right clocks, and of what nodes compute from them, by now. */
  #slackMs(nowMs: number): number {
    const driftMs = 2.2 * this.#options.plan.clockRateMax * nowMs;
    return Math.round(2 * RIGHT_MS + MEASURED_MS_MAX + driftMs);
  }

  /**
   * Maximum time that the log may have lost, and caught up later, while too few nodes were up to
   * know it.
   */
  #lostMsMax(nowMs: number): number {
    const { wrongClocks, clocksAheadMs, every } = this.#options.plan;
    if (wrongClocks === 0 && clocksAheadMs === 0) return 0;
    const { crash, crashAll, crashInDisk } = every;
    const isDownOften = [crash, crashAll, crashInDisk].some((interval) => interval !== null);
    return LOST_MS_MAX + (isDownOften ? nowMs : 0);
  }

  get #lateMsMax(): number {
    const { syncMs, syncSpike, syncSpikeMsMax } = this.#options.plan;
    return LATE_MS_MAX + 100 * syncMs + (syncSpike > 0 ? 31 * syncSpikeMsMax : 0);
  }
}

/** Whether a key expires, by its first letter. */
function isPassing(key: string): boolean {
  return key.startsWith("t");
}

/** Makes a clock wrong by years. @param chance 0 … 1 */
export function setWrong(clock: HostClock, chance: number): void {
  clock.wallOffsetMs = TRUE_START_MS + (chance * 2 - 1) * WRONG_MS;
}
