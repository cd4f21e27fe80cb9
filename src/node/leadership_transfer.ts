import type { Raft } from "../raft/mod.ts";
import type { NodeId } from "../raft/types.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Clock } from "./clock.ts";
import type { Batch } from "./entry.ts";
import { isMember, isVoter, noMember } from "./member_changes.ts";
import type { Members } from "./members.ts";

export interface LeadershipTransferOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly members: Members;
  readonly clock: Clock;
  /** How long the outcome may stay unknown. */
  readonly waitMs: number;
  readonly redirect: () => ErrorReply;
  readonly schedule: () => void;
}

interface UnderWay {
  readonly to: NodeId;
  readonly deadlineMs: number;
  readonly done: (reply: Reply) => void;
}

/** Hands leadership over when somebody asks, and tells how it went. */
export class LeadershipTransfer {
  readonly #options: LeadershipTransferOptions;
  readonly #isLive: (id: NodeId) => boolean;
  #underWay: UnderWay[] = [];

  constructor(options: LeadershipTransferOptions, isLive: (id: NodeId) => boolean) {
    this.#options = options;
    this.#isLive = isLive;
  }

  /** `done` gets OK when `to` leads, or a refusal. */
  start(to: NodeId, done: (reply: Reply) => void): void {
    const { id, raft, members, clock, waitMs, redirect, schedule } = this.#options;
    if (raft.role !== "leader") return done(redirect());
    if (to === id) return done(OK);
    const { configuration } = members.newest;
    if (!isMember(configuration, to)) return done(refusal(noMember(configuration, to)));
    if (!isVoter(configuration, to)) {
      return done(refusal(`${to} is a learner, and only a voting member can lead`));
    }
    if (!this.#isLive(to)) return done(refusal(`${to} does not answer, and cannot lead`));
    if (!raft.transfer(to)) {
      return done(refusal(`leadership is on its way to ${raft.transferringTo} already`));
    }
    this.#underWay.push({ to, done, deadlineMs: clock.monotonicMs() + waitMs });
    schedule();
  }

  /** Tells those who wait, once it is decided. */
  turn(): void {
    if (this.#underWay.length === 0) return;
    const { role, leaderId, transferringTo } = this.#options.raft;
    this.#settle(({ to }) => {
      if (leaderId === to) return OK;
      if (role === "leader") {
        return transferringTo === to
          ? null
          : refusal(`${to} did not take over in time, ${this.#options.id} leads on`);
      }
      return leaderId === null ? null : refusal(`${leaderId} leads now instead of ${to}`);
    });
  }

  tick(nowMs: number): void {
    this.#settle(({ to, deadlineMs }) =>
      nowMs < deadlineMs ? null : new ErrorReply(`UNKNOWN It is not known whether ${to} leads`)
    );
  }

  stop(reply: ErrorReply): void {
    this.#settle(() => reply);
  }

  #settle(replyTo: (one: UnderWay) => Reply | null): void {
    for (const one of this.#underWay) {
      const reply = replyTo(one);
      if (reply === null) continue;
      this.#underWay = this.#underWay.filter((other) => other !== one);
      one.done(reply);
    }
  }
}

function refusal(sentence: string): ErrorReply {
  return new ErrorReply(`ERR ${sentence}`);
}
