import type { Logger } from "../../base/logger.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Batch } from "../log/entry.ts";
import type { Members } from "../members/members.ts";
import type { TimeReport } from "../members/report.ts";
import type { ClockMessage, PeerMessage } from "../peers/peer_message.ts";
import { LogTime, type LogTimeOptions } from "./log_time.ts";
import { MemberClocks, type MemberClocksOptions } from "./member_clocks.ts";

/** The same complaint is logged again after this time. */
const COMPLAIN_MS = 60_000;

export interface ClockGuardOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly clock: Clock;
  readonly clocks: MemberClocks;
  readonly time: LogTime;
  readonly logger: Logger;
  readonly clockOffsetMsMax: number;
  readonly voters: () => readonly NodeId[];
  /** Who should lead in this node's place; `null`: nobody that answers. */
  readonly successor: () => NodeId | null;
}

/**
 * Keeps a node from leading that cannot tell the time: because it does not know the clocks of a
 * majority yet, or because its own is far from them.
 */
export class ClockGuard {
  readonly #options: ClockGuardOptions;
  #isWrong = false;
  #complainedMs = -Infinity;
  /** Leadership was offered to another, who did not take it. */
  #hasOffered = false;
  #isRetired = false;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
    this.check();
  }

  /** The node leads no more, whatever the clocks say: it has been removed, or stops. */
  retire(): void {
    this.#isRetired = true;
    this.#options.raft.mayLead = false;
  }

  /** Looks at the clocks as they are known now. */
  check(): void {
    const { raft, clocks, time, voters } = this.#options;
    const isWrong = clocks.isWrong(voters());
    if (isWrong) this.#complain();
    else if (this.#isWrong) this.#options.logger.info(`its clock is right again: it may lead`);
    this.#isWrong = isWrong;
    raft.mayLead = time.isKnown && !isWrong && !this.#isRetired;
    if (raft.role !== "leader") this.#hasOffered = false;
  }

  /** A leader whose clock is wrong hands over, or steps down where nobody takes over in time. */
  tick(): void {
    this.check();
    const { raft, successor } = this.#options;
    if (!this.#isWrong || raft.role !== "leader" || raft.transferringTo !== null) return;
    const to = this.#hasOffered ? null : successor();
    this.#hasOffered = true;
    if (to === null || !raft.transfer(to)) raft.stepDown();
  }

  #complain(): void {
    const { clock, clocks, logger, voters, clockOffsetMsMax } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#complainedMs < COMPLAIN_MS) return;
    this.#complainedMs = nowMs;
    const offsetMs = Math.round(clocks.offsetMs(voters()) ?? 0);
    const where = offsetMs > 0 ? "ahead of" : "behind";
    logger.warn(
      `its clock is ${Math.abs(offsetMs)} ms ${where} the median of the members' clocks, ` +
        `which is more than --clock-offset-ms-max ${clockOffsetMsMax}: it does not lead`,
    );
  }
}

export interface TimekeepingOptions
  extends
    MemberClocksOptions,
    Omit<LogTimeOptions, "clocks" | "voters">,
    Omit<ClockGuardOptions, "clocks" | "time" | "voters"> {
  readonly members: Members;
  readonly send: (message: PeerMessage) => void;
}

/** All that a node has to do with time: it compares clocks, keeps the log's time, and may not lead. */
export class Timekeeping {
  readonly log: LogTime;
  readonly #options: TimekeepingOptions;
  readonly #clocks: MemberClocks;
  readonly #guard: ClockGuard;
  readonly #voters: () => readonly NodeId[];
  #leader: { readonly id: NodeId | null; readonly term: number } | null = null;
  /** When that was noticed, by the monotonic clock. */
  #leaderSinceMs = 0;

  constructor(options: TimekeepingOptions) {
    this.#options = options;
    this.#voters = () => options.members.voters;
    this.#clocks = new MemberClocks(options);
    const clocks = { ...options, clocks: this.#clocks, voters: this.#voters };
    this.log = new LogTime(clocks);
    this.#guard = new ClockGuard({ ...clocks, time: this.log });
  }

  message(message: ClockMessage): void {
    const { raft, send, clock } = this.#options;
    if (message.type === "clock") return send(this.#clocks.reply(message, this.log.word));
    this.#noteLeader();
    const tripMs = this.#clocks.answered(message);
    const { from, logTimeMs } = message;
    if (tripMs !== null && logTimeMs !== null && from === raft.leaderId) {
      // It may have led before, and answer what it was asked then.
      const isOfNow = clock.monotonicMs() - tripMs >= this.#leaderSinceMs;
      if (isOfNow) this.log.heard(logTimeMs, tripMs);
    }
    this.#guard.check();
  }

  /** Asks the others for their time, and looks at what is known of it. */
  tick(): void {
    const { members, send } = this.#options;
    this.#noteLeader();
    const ids = members.newest.configuration.members.map(({ id }) => id);
    for (const question of this.#clocks.questions(ids)) send(question);
    this.#guard.tick();
    this.log.nowMs(); // goes on from the newest entry that was applied
  }

  /** A new leader is asked at once what the log's time is. */
  #noteLeader(): void {
    const { leaderId: id, term } = this.#options.raft;
    if (this.#leader?.id === id && this.#leader.term === term) return;
    this.#leader = { id, term };
    this.#leaderSinceMs = this.#options.clock.monotonicMs();
    this.#clocks.askAnew();
  }

  /** The node is not to lead any more. */
  retire(): void {
    this.#guard.retire();
  }

  hasWrongClock(id: NodeId): boolean {
    return this.#clocks.isWrong(this.#voters(), id);
  }

  report(): TimeReport {
    const offsetMs = this.#clocks.offsetMs(this.#voters());
    return {
      clockOffsetMs: offsetMs === null ? null : Math.round(offsetMs),
      logTimeMs: this.log.nowMs(),
      logTimeAheadMs: this.log.aheadMs(),
    };
  }
}
