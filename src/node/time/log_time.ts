import type { StateMachine } from "../../commands/state_machine.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { LogReader, NodeId } from "../../raft/types.ts";
import { Batch } from "../log/entry.ts";
import type { MemberClocks } from "./member_clocks.ts";

/**
 * Rate of the log's time while it is ahead of the clocks. The slowdown is too small to be noticed.
 */
const PACE_AHEAD = 0.999;
/** Minimum lead in milliseconds that counts as ahead. Less is measurement noise. */
const AHEAD_MS = 1;

/** The part of the consensus core that the log's time needs. */
export type TimedRaft = Pick<Raft<Batch>, "propose" | "role" | "term">;

export interface LogTimeOptions {
  readonly raft: TimedRaft;
  readonly machine: StateMachine;
  /** Index of the last entry that the machine has applied. The core's may be ahead of it. */
  readonly appliedIndex: () => number;
  readonly clock: Clock;
  readonly clocks: MemberClocks;
  /** The members whose clocks count. */
  readonly voters: () => readonly NodeId[];
}

/** The log's time as a leader reported it, and that leader's term. */
interface ReportedTime {
  readonly term: number;
  readonly timeMs: number;
}

/**
 * The log's current time: the time in a leader's entries, and in entries that only let time pass.
 *
 * It advances at the rate of this node's monotonic clock. A leader's time also follows the clocks
 * of a majority of the voters when they are ahead of it. No single clock moves it, not even the
 * leader's own. When it is ahead of the clocks, it does not stop to wait for them, but runs
 * slightly slower.
 *
 * A node that does not lead follows the log and the leader's reports, and ignores the clocks, which
 * may be corrected before it leads. So its time may go back to what the leader reports, but never
 * below what it has applied. Keys and sessions expire by entries alone. So whatever a client has
 * seen expire is in the log of every later leader.
 */
export class LogTime {
  readonly #options: LogTimeOptions;
  /** Time of the newest entry that this node proposed. */
  #lastMs = 0;
  /** See `timeEntryIndex`. */
  #timeEntryIndex = 0;
  /** The log's time when the monotonic clock showed `#atMs`. */
  #nowMs: number;
  /** The same, counted from applied entries alone. */
  #loggedMs: number;
  #atMs: number;
  /** Whether the clocks of a majority have ever been known. */
  #wereClocksKnown = false;
  /** The term in which this node leads; `null` while it does not lead. */
  #leadsIn: number | null = null;
  /** From the last leader, which may have been this node. */
  #reported: ReportedTime | null = null;

  constructor(options: LogTimeOptions) {
    this.#options = options;
    this.#nowMs = options.machine.timeMs;
    this.#loggedMs = options.machine.timeMs;
    this.#atMs = options.clock.monotonicMs();
  }

  /**
   * Index of the newest entry that only lets time pass. Reads wait for it to see which keys
   * expired.
   */
  get timeEntryIndex(): number {
    return this.#timeEntryIndex;
  }

  /**
   * Whether this node may say what the time is. It knows the clocks of a majority, or has known
   * them and follows a leader's report. Before that it knows neither how long it was down nor
   * whether its own clock is right.
   */
  get isKnown(): boolean {
    if (this.#majorityMs() !== null) return true;
    return this.#wereClocksKnown && (this.#reported !== null || this.#leadsIn !== null);
  }

  /** Remembers whether the clocks of a majority are known. Call it after each measurement. */
  noteClocks(): void {
    if (this.#majorityMs() !== null) this.#wereClocksKnown = true;
  }

  /** The log's current time as far as this node knows. It never goes back while this node leads. */
  nowMs(): number {
    const { clock, machine } = this.#options;
    const atMs = clock.monotonicMs();
    const passedMs = atMs - this.#atMs;
    if (passedMs >= 1) {
      const majorityMs = this.#majorityMs();
      const isAhead = majorityMs !== null && this.#nowMs + passedMs > majorityMs + AHEAD_MS;
      const countedMs = isAhead ? passedMs * PACE_AHEAD : passedMs;
      this.#nowMs += countedMs;
      this.#loggedMs += countedMs;
      if (this.#leadsIn !== null) this.#notBefore(majorityMs);
      this.#atMs = atMs;
    }
    this.#loggedMs = Math.max(this.#loggedMs, machine.timeMs);
    this.#notBefore(machine.timeMs);
    return Math.floor(this.#nowMs);
  }

  /**
   * The time that this node reports to the others as their leader; `null` when it does not lead.
   */
  get leaderTimeMs(): number | null {
    const { role, term } = this.#options.raft;
    return role === "leader" && term === this.#leadsIn ? this.nowMs() : null;
  }

  /**
   * Takes the leader's report of the log's time.
   *
   * @param tripMs maximum age of the report, in milliseconds
   */
  noteLeaderTime(timeMs: number, tripMs: number): void {
    this.nowMs();
    this.#notBefore(timeMs);
    this.#nowMs = Math.min(this.#nowMs, timeMs + tripMs);
    this.#loggedMs = Math.min(this.#loggedMs, timeMs + tripMs);
    this.#reported = { term: this.#options.raft.term, timeMs };
    this.#notBefore(this.#options.machine.timeMs);
  }

  /**
   * How far the log's time is ahead of the clocks of a majority; `null` while either is unknown.
   */
  aheadMs(): number | null {
    const majorityMs = this.#majorityMs();
    const isTimeKnown = this.#reported !== null || this.#leadsIn !== null;
    return majorityMs === null || !isTimeKnown ? null : this.nowMs() - Math.floor(majorityMs);
  }

  /** The time for an entry that is proposed now. */
  next(): number {
    this.#lastMs = Math.max(this.#lastMs, this.nowMs());
    return this.#lastMs;
  }

  /** For reads: proposes an entry when a deadline has passed that no proposal covers yet. */
  passBeforeRead(): void {
    this.#passIfDue(this.#lastMs);
  }

  /**
   * Lets keys expire on an idle cluster.
   *
   * @param isBusy whether clients' writes let time pass anyway
   */
  tick(isBusy: boolean): void {
    const isProposed = this.#timeEntryIndex > this.#options.appliedIndex();
    if (!isBusy && !isProposed) this.#passIfDue(0);
  }

  /**
   * This node starts to lead. It starts from the newest of three times: the log's, the last
   * leader's report, and the clocks of a majority.
   */
  lead(log: LogReader<Batch>): void {
    const { machine, raft, appliedIndex } = this.#options;
    this.nowMs();
    const last = lastTime(log) ??
      { index: 0, term: log.term(log.lastIndex()), timeMs: machine.timeMs };
    const reported = this.#reported;
    // Later leaders continued from an earlier time: only this node knew of that report.
    const isOutdated = reported !== null && last.term > reported.term &&
      last.timeMs < reported.timeMs;
    if (isOutdated) this.#nowMs = this.#loggedMs;
    this.#notBefore(last.timeMs);
    this.#notBefore(this.#majorityMs());
    this.#leadsIn = raft.term;
    // What expired while nobody led must not be visible at followers either. Their reads wait for
    // the first entry of the term, and the entry proposed here follows it directly.
    if (last.index > appliedIndex()) this.#letPass(); // it may hold new deadlines
    else this.#passIfDue(last.timeMs);
  }

  /** This node stops leading. */
  forget(): void {
    const timeMs = this.nowMs();
    if (this.#leadsIn !== null) this.#reported = { term: this.#leadsIn, timeMs };
    this.#leadsIn = null;
    this.#lastMs = 0;
    this.#timeEntryIndex = 0;
  }

  #majorityMs(): number | null {
    const { clocks, voters } = this.#options;
    return clocks.majorityMs(voters());
  }

  #notBefore(timeMs: number | null): void {
    if (timeMs !== null && timeMs > this.#nowMs) this.#nowMs = timeMs;
  }

  /**
   * Proposes an entry that lets time pass when a deadline is reached.
   *
   * @param proposedMs time up to which proposed entries cover deadlines already
   */
  #passIfDue(proposedMs: number): void {
    const { machine } = this.#options;
    const deadlineMs = machine.nextDeadlineMs();
    if (deadlineMs === null || deadlineMs <= proposedMs) return;
    if (this.isKnown && deadlineMs <= this.nowMs()) this.#letPass();
  }

  #letPass(): void {
    this.#timeEntryIndex = this.#options.raft.propose([new Batch(this.next(), [])]) ?? 0;
  }
}

/** The time of the last entry that has one; `null` when the log holds none. */
function lastTime(log: LogReader<Batch>): ReportedTime & { readonly index: number } | null {
  for (let index = log.lastIndex(); index >= log.firstIndex(); index--) {
    const entry = log.entries(index, index, 1)[0];
    const data = entry?.data ?? null;
    if (entry !== undefined && data !== null) {
      return { index, term: entry.term, timeMs: data.timeMs };
    }
  }
  return null;
}
