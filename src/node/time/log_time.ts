import type { StateMachine } from "../../commands/state_machine.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { LogReader, NodeId } from "../../raft/types.ts";
import { Batch } from "../log/entry.ts";
import type { MemberClocks } from "./member_clocks.ts";

/** How fast the log's time goes on where it is ahead of the clocks: slower by what nobody notices. */
const PACE_AHEAD = 0.999;
/** It is ahead from so much on; less is the noise of measuring. */
const AHEAD_MS = 1;

export interface LogTimeOptions {
  readonly raft: Raft<Batch>;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly clocks: MemberClocks;
  /** Whose clocks count. */
  readonly voters: () => readonly NodeId[];
}

/** What was said of the log's time, and by the leader of which term. */
interface Said {
  readonly term: number;
  readonly timeMs: number;
}

/**
 * The log's time as it is now: what a leader's entries say, and entries that only let it pass.
 *
 * It goes on at the pace of this node's monotonic clock. A leader's follows the clocks of a majority of
 * the voters where they are ahead of it. No clock alone moves it, the leader's neither. Where it is
 * ahead of them, it does not wait for them.
 *
 * Who does not lead goes by the log and by what the leader says, and by nothing that the clocks have
 * shown: they may be put right before it leads itself. So its time may go back, to what the leader
 * says, but never behind what it has applied. Keys and sessions end by entries alone, so that whatever
 * a client has seen ended is in the log of every later leader.
 */
export class LogTime {
  readonly #options: LogTimeOptions;
  /** Of the newest entry that this node proposed. */
  #lastMs = 0;
  #index = 0;
  /** The log's time, when the monotonic clock last showed `#atMs`. */
  #nowMs: number;
  /** The same by what was applied alone, with the time since then. */
  #loggedMs: number;
  #atMs: number;
  /** The clocks of a majority have been known. */
  #wasKnown = false;
  /** The term in which this node leads; `null`: in none. */
  #leadsIn: number | null = null;
  /** By the last leader, which may have been this node. */
  #said: Said | null = null;

  constructor(options: LogTimeOptions) {
    this.#options = options;
    this.#nowMs = options.machine.timeMs;
    this.#loggedMs = options.machine.timeMs;
    this.#atMs = options.clock.monotonicMs();
  }

  /** The newest entry that only let time pass: reads see what it did to keys. */
  get index(): number {
    return this.#index;
  }

  /**
   * Whether this node may say what the time is: it knows the clocks of a majority, or has known them
   * and goes by what a leader has said. Before that it knows neither how long it was down nor whether
   * its own clock is right.
   */
  get isKnown(): boolean {
    const isKnownNow = this.#majorityMs() !== null;
    this.#wasKnown ||= isKnownNow;
    return isKnownNow || (this.#wasKnown && (this.#said !== null || this.#leadsIn !== null));
  }

  /** The log's time at this moment, as far as this node knows. Never goes back while it leads. */
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

  /** What this node tells the others as their leader; `null` when it is not. */
  get word(): number | null {
    const { role, term } = this.#options.raft;
    return role === "leader" && term === this.#leadsIn ? this.nowMs() : null;
  }

  /**
   * The leader says what the log's time is.
   *
   * @param tripMs how long ago it may have said so
   */
  heard(timeMs: number, tripMs: number): void {
    this.nowMs();
    this.#notBefore(timeMs);
    this.#nowMs = Math.min(this.#nowMs, timeMs + tripMs);
    this.#loggedMs = Math.min(this.#loggedMs, timeMs + tripMs);
    this.#said = { term: this.#options.raft.term, timeMs };
    this.#notBefore(this.#options.machine.timeMs);
  }

  /** How far the log's time is ahead of the clocks of a majority; `null` while one is not known. */
  aheadMs(): number | null {
    const majorityMs = this.#majorityMs();
    const isTimeKnown = this.#said !== null || this.#leadsIn !== null;
    return majorityMs === null || !isTimeKnown ? null : this.nowMs() - Math.floor(majorityMs);
  }

  /** What an entry says that is proposed now. */
  next(): number {
    this.#lastMs = Math.max(this.#lastMs, this.nowMs());
    return this.#lastMs;
  }

  /** For reads: a deadline that has come and that no proposal takes care of yet must be seen. */
  passBeforeRead(): void {
    this.#passIfDue(this.#lastMs);
  }

  /** On an idle cluster keys expire too. @param isBusy proposals of clients let time pass anyway */
  tick(isBusy: boolean): void {
    const isProposed = this.#index > this.#options.raft.status().appliedIndex;
    if (!isBusy && !isProposed) this.#passIfDue(0);
  }

  /**
   * This node leads from now on: it begins with what the log says, with what the last leader said, and
   * with the clocks as they are now.
   */
  lead(log: LogReader<Batch>): void {
    const { machine, raft } = this.#options;
    this.nowMs();
    const last = lastTime(log) ??
      { index: 0, term: log.term(log.lastIndex()), timeMs: machine.timeMs };
    const said = this.#said;
    // A later leader did not go on from there: this node alone has heard it, or has thought so.
    const isOutdated = said !== null && last.term > said.term && last.timeMs < said.timeMs;
    if (isOutdated) this.#nowMs = this.#loggedMs;
    this.#notBefore(last.timeMs);
    this.#notBefore(this.#majorityMs());
    this.#leadsIn = raft.term;
    // What ended while nobody led is not to be seen at the followers either: their reads wait for the
    // first entry of the term, and this one goes with it.
    if (last.index > raft.status().appliedIndex) this.#letPass(); // who knows what ends there
    else this.#passIfDue(last.timeMs);
  }

  /** This node leads no more. */
  forget(): void {
    const timeMs = this.nowMs();
    if (this.#leadsIn !== null) this.#said = { term: this.#leadsIn, timeMs };
    this.#leadsIn = null;
    this.#lastMs = 0;
    this.#index = 0;
  }

  #majorityMs(): number | null {
    const { clocks, voters } = this.#options;
    return clocks.majorityMs(voters());
  }

  #notBefore(timeMs: number | null): void {
    if (timeMs !== null && timeMs > this.#nowMs) this.#nowMs = timeMs;
  }

  /**
   * Lets the log's time pass when a key's deadline has come and nothing else is being written.
   *
   * @param proposedMs the time up to which deadlines are being taken care of already
   */
  #passIfDue(proposedMs: number): void {
    const { machine } = this.#options;
    const deadlineMs = machine.nextDeadlineMs();
    if (deadlineMs === null || deadlineMs <= proposedMs) return;
    if (this.isKnown && deadlineMs <= this.nowMs()) this.#letPass();
  }

  #letPass(): void {
    this.#index = this.#options.raft.propose([new Batch(this.next(), [])]) ?? 0;
  }
}

/** What the last entry says that says anything of it; `null`: the log holds none. */
function lastTime(log: LogReader<Batch>): Said & { readonly index: number } | null {
  for (let index = log.lastIndex(); index >= log.firstIndex(); index--) {
    const entry = log.entries(index, index, 1)[0];
    const data = entry?.data ?? null;
    if (entry !== undefined && data !== null) {
      return { index, term: entry.term, timeMs: data.timeMs };
    }
  }
  return null;
}
