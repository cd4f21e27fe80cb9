import type { Logger } from "../../base/logger.ts";
import type { Random } from "../../base/random.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Batch } from "../log/entry.ts";
import type { Members } from "../members/members.ts";
import type { TimeReport } from "../members/report.ts";
import type { ClockMessage, PeerMessage } from "../peers/peer_message.ts";
import { LogTime, type TimedRaft } from "./log_time.ts";
import { MemberClocks } from "./member_clocks.ts";

type GuardedRaft =
  & TimedRaft
  & Pick<Raft<Batch>, "leaderId" | "mayLead" | "stepDown" | "transfer" | "transferringTo">;

export interface TimekeepingOptions {
  readonly id: NodeId;
  readonly raft: GuardedRaft;
  readonly machine: StateMachine;
  /** Index of the last entry that the machine has applied. */
  readonly appliedIndex: () => number;
  readonly members: Members;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Maximum offset from the median in milliseconds, above which a clock is wrong. */
  readonly clockOffsetMsMax: number;
  /** The best member to lead instead; `null` when none is reachable. */
  readonly successor: () => NodeId | null;
  readonly send: (message: PeerMessage) => void;
}

/**
 * Everything that a node does with time: it measures clocks, keeps the log's time, and decides
 * whether this node may lead.
 */
export class Timekeeping {
  readonly log: LogTime;
  readonly #options: TimekeepingOptions;
  readonly #clocks: MemberClocks;
  readonly #guard: ClockGuard;
  readonly #voters: () => readonly NodeId[];
  #leader: { readonly id: NodeId | null; readonly term: number } | null = null;
  /** Monotonic time at which that leader was noticed. */
  #leaderSinceMs = 0;

  constructor(options: TimekeepingOptions) {
    const { id, raft, machine, members, clock, random, logger } = options;
    const { appliedIndex, clockOffsetMsMax, successor } = options;
    const voters = () => members.voters;
    const clocks = new MemberClocks({ id, clock, random, clockOffsetMsMax });
    this.#options = options;
    this.#voters = voters;
    this.#clocks = clocks;
    this.log = new LogTime({ raft, machine, appliedIndex, clock, clocks, voters });
    this.#guard = new ClockGuard({
      id,
      raft,
      clock,
      clocks,
      time: this.log,
      logger,
      clockOffsetMsMax,
      voters,
      successor,
    });
  }

  handle(message: ClockMessage): void {
    const { raft, send, clock } = this.#options;
    if (message.type === "clock") return send(this.#clocks.reply(message, this.log.leaderTimeMs));
    this.#noteLeader();
    const tripMs = this.#clocks.handleReply(message);
    const { from, logTimeMs } = message;
    if (tripMs !== null && logTimeMs !== null && from === raft.leaderId) {
      // The sender may have led before as well. A reply to a request from then does not count.
      const isOfNow = clock.monotonicMs() - tripMs >= this.#leaderSinceMs;
      if (isOfNow) this.log.noteLeaderTime(logTimeMs, tripMs);
    }
    this.#guard.check();
  }

  /** Asks the others for their time, and judges the known clocks. */
  tick(): void {
    const { members, send } = this.#options;
    this.#noteLeader();
    const ids = members.newest.configuration.members.map(({ id }) => id);
    for (const request of this.#clocks.requests(ids)) send(request);
    this.#guard.tick();
    this.log.nowMs(); // continues from the newest applied entry
  }

  /** Asks a new leader for the log's time at once. */
  #noteLeader(): void {
    const { leaderId: id, term } = this.#options.raft;
    if (this.#leader?.id === id && this.#leader.term === term) return;
    this.#leader = { id, term };
    this.#leaderSinceMs = this.#options.clock.monotonicMs();
    this.#clocks.askAnew();
  }

  /** Never lets the node lead again. */
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

/** Interval in milliseconds between log lines about the same wrong clock. */
const COMPLAIN_MS = 60_000;

interface ClockGuardOptions {
  readonly id: NodeId;
  readonly raft: GuardedRaft;
  readonly clock: Clock;
  readonly clocks: MemberClocks;
  readonly time: LogTime;
  readonly logger: Logger;
  readonly clockOffsetMsMax: number;
  readonly voters: () => readonly NodeId[];
  /** The best member to lead instead; `null` when none is reachable. */
  readonly successor: () => NodeId | null;
}

/**
 * Keeps a node from leading while it cannot tell the time: it does not know the clocks of a
 * majority yet, or its own clock is far from theirs.
 */
class ClockGuard {
  readonly #options: ClockGuardOptions;
  #isWrong = false;
  #complainedMs = -Infinity;
  /** A handover was attempted since the clock of this leader is wrong. */
  #hasOffered = false;
  #isRetired = false;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
    this.check();
  }

  /** Never lets the node lead again: it was removed, or is stopping. */
  retire(): void {
    this.#isRetired = true;
    this.#options.raft.mayLead = false;
  }

  /** Judges the clocks as currently measured. */
  check(): void {
    const { raft, clocks, time, voters } = this.#options;
    const isWrong = clocks.isWrong(voters());
    if (isWrong) this.#complain();
    else if (this.#isWrong) this.#options.logger.info(`its clock is right again: it may lead`);
    this.#isWrong = isWrong;
    time.noteClocks();
    raft.mayLead = time.isKnown && !isWrong && !this.#isRetired;
    if (!isWrong || raft.role !== "leader") this.#hasOffered = false;
  }

  /** Hands over when this leader's clock is wrong, or steps down when nobody takes over in time. */
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
