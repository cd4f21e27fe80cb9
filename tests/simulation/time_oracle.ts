import type { FaultPlan } from "./fault_plan.ts";
import type { HostClock } from "./sim_process.ts";

/** What the right clocks show when the simulation begins: milliseconds of the Unix epoch. */
export const TRUE_START_MS = 1_700_000_000_000;
/** By how much right clocks may differ at the beginning. */
export const RIGHT_MS = 50;
/** How wrong clocks are: by up to ten years, back or forth. */
const WRONG_MS = 10 * 365 * 24 * 3600 * 1000;
/** An answer to "what time is it there" may be wrong by half of how long it took, a second at most. */
const MEASURED_MS_MAX = 500;
/** How much time the log may lose while nobody is there to count it: all nodes are down. */
const LOST_MS_MAX = 6_000;
/** How long a deadline may wait for the leader to look, and for a majority to hear of it. */
const LATE_MS_MAX = 3_000;

/** A key with a time to live. */
interface Passing {
  readonly key: string;
  readonly value: string;
  readonly forMs: number;
  readonly invokedMs: number;
  /** When it was acknowledged; `Infinity`: never. */
  ackedMs: number;
  /** Otherwise it may only have taken the place of another: the log's time was not known yet. */
  readonly isJudged: boolean;
}

export interface TimeOracleOptions {
  readonly plan: FaultPlan;
  readonly fail: (what: string) => never;
}

/**
 * Judges time by the simulation's own, which no node knows: with a majority of clocks that are right
 * the log's time goes at the pace of true time, and keys live as long as their clients were told.
 * Asks neither the state machine for deadlines nor the log for what time it is.
 */
export class TimeOracle {
  readonly #options: TimeOracleOptions;
  readonly #passing: Passing[] = [];
  /**
   * By how much the log's time is ahead since entries of a time when all clocks were; `null` before it
   * is known: with a majority of which one clock is wrong, a log may begin too early.
   */
  #leadMs: number | null = null;
  /** In which a leader has appended an entry. */
  #newestTerm = 0;
  /** Of the entries that any node has applied. */
  #newestMs = -Infinity;
  #leastAheadMs = Infinity;
  #leaptMs = 0;

  constructor(options: TimeOracleOptions) {
    this.#options = options;
  }

  /** The leader of this term appends an entry with this time. */
  proposed(id: string, term: number, timeMs: number, nowMs: number): void {
    const { plan, fail } = this.#options;
    // One that was deposed and does not know it may go on with a time that was made good since.
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

  /** By how much the log's time has gained on the true time since some earlier entry, at most. */
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

  /** A client asks. @returns to be called with the time and the reply when it is answered */
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
      // Whatever may have taken its place is to last as well.
      all.every((other) =>
        other.ackedMs < one.invokedMs || other.invokedMs > nowMs || isThere(other)
      )
    );
    if (gone !== undefined) {
      const { forMs, ackedMs } = gone;
      this.#options.fail(`${key} is gone ${nowMs - ackedMs} ms after it was set for ${forMs} ms`);
    }
  }

  /** By how much right clocks, and what nodes make of them, may be off by now. */
  #slackMs(nowMs: number): number {
    const driftMs = 2.2 * this.#options.plan.clockRateMax * nowMs;
    return Math.round(2 * RIGHT_MS + MEASURED_MS_MAX + driftMs);
  }

  /** How much time the log may have lost, and made good later, while too few nodes were up to tell it. */
  #lostMsMax(nowMs: number): number {
    const { wrongClocks, clocksAheadMs, every } = this.#options.plan;
    if (wrongClocks === 0 && clocksAheadMs === 0) return 0;
    const isDownOften = every.crash !== null || every.crashAll !== null;
    return LOST_MS_MAX + (isDownOften ? nowMs : 0);
  }

  get #lateMsMax(): number {
    const { syncMs, syncSpike, syncSpikeMsMax } = this.#options.plan;
    return LATE_MS_MAX + 100 * syncMs + (syncSpike > 0 ? 31 * syncSpikeMsMax : 0);
  }
}

/** Keys that do not last, by their first letter. */
function isPassing(key: string): boolean {
  return key.startsWith("t");
}

/** Sets a clock wrong by years. @param chance 0 … 1 */
export function setWrong(clock: HostClock, chance: number): void {
  clock.wallOffsetMs = TRUE_START_MS + (chance * 2 - 1) * WRONG_MS;
}
