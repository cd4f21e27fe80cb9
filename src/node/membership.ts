import type { Logger } from "../base/logger.ts";
import type { Raft, RaftStatus } from "../raft/mod.ts";
import type { NodeId } from "../raft/types.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Clock } from "./clock.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import { Batch } from "./entry.ts";
import { LeadershipTransfer } from "./leadership_transfer.ts";
import {
  type Change,
  isMember,
  isVoter,
  type MemberHealth,
  withAddress,
  withLearner,
  without,
  withVoter,
} from "./member_changes.ts";
import type { Members } from "./members.ts";
import type { Address } from "./network.ts";

/** A learner so few entries behind the commit index has caught up. */
const CAUGHT_UP_ENTRIES = 32;
/** Changes that wait for their turn. */
const WAITING_MAX = 64;

export interface MembershipOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly members: Members;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a change may take. */
  readonly waitMs: number;
  readonly isConnected: (peer: NodeId) => boolean;
  /** Where a member says that its peers reach it; `null` while it said nothing. */
  readonly announced: (id: NodeId) => Address | null;
  /** The time that an entry proposed now carries. */
  readonly logTime: () => number;
  /** How a node that does not lead refuses. */
  readonly redirect: () => ErrorReply;
  /** There is something to do in the next turn. */
  readonly schedule: () => void;
}

/** A change that somebody waits for. */
interface Waiting {
  change(configuration: ClusterConfiguration): Change;
  isDone(configuration: ClusterConfiguration): boolean;
  readonly done: (reply: Reply) => void;
  readonly deadlineMs: number;
  /** The change may come about from now on, whoever leads. */
  isProposed: boolean;
}

/**
 * The leader's part in who belongs to the cluster: takes members in and out one at a time, each
 * change after the one before is committed; gives learners that have caught up their vote; and
 * writes down where members have moved.
 */
export class Membership {
  readonly transfer: LeadershipTransfer;
  readonly #options: MembershipOptions;
  #waiting: Waiting[] = [];

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.transfer = new LeadershipTransfer(options, (id) => this.#isLive(id));
  }

  /** Whether new writes must wait: leadership is about to go to another node. */
  get holdsWrites(): boolean {
    const { raft, members, id } = this.#options;
    return raft.transferringTo !== null || !isVoter(members.newest.configuration, id);
  }

  /** The configuration that is committed. */
  get committed(): ClusterConfiguration {
    return this.#options.members.at(this.#options.raft.commitIndex).configuration;
  }

  /** Whether this node has been removed for good: ids are not used again. */
  get isRemoved(): boolean {
    return this.committed.removed.includes(this.#options.id);
  }

  /** Enters a learner; `done` gets OK when that is committed, or a refusal. */
  join(id: NodeId, raftAddress: Address, done: (reply: Reply) => void): void {
    this.#add({
      change: (configuration) => withLearner(configuration, id, raftAddress, this.#health),
      isDone: (configuration) => isMember(configuration, id),
      done,
    });
  }

  /** Takes a member out for ever; `done` gets OK when that is committed, or a refusal. */
  forget(id: NodeId, isForced: boolean, done: (reply: Reply) => void): void {
    this.#add({
      change: (configuration) => without(configuration, id, isForced, this.#health),
      isDone: ({ removed }) => removed.includes(id),
      done,
    });
  }

  /** Proposes what can be proposed and tells those whose change has come about. */
  turn(): void {
    this.transfer.turn();
    if (this.#waiting.length === 0) return;
    const { raft, redirect } = this.#options;
    const { committed } = this;
    this.#settle((one) => one.isProposed && one.isDone(committed) ? OK : null);
    if (raft.role !== "leader") this.#settle((one) => one.isProposed ? null : redirect());
    else this.#proposeNext();
  }

  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#settle(({ deadlineMs, isProposed }) => {
      if (nowMs < deadlineMs) return null;
      return isProposed ? NOT_COMMITTED : NOT_BEGUN;
    });
    this.transfer.tick(nowMs);
    if (this.#waiting.length === 0) this.#changeByItself();
  }

  /** The node takes part no longer. */
  stop(reply: ErrorReply): void {
    this.#settle(() => reply);
    this.transfer.stop(reply);
  }

  #add(change: Pick<Waiting, "change" | "isDone" | "done">): void {
    const { clock, waitMs, schedule } = this.#options;
    if (this.#waiting.length >= WAITING_MAX) return change.done(NOT_BEGUN);
    const deadlineMs = clock.monotonicMs() + waitMs;
    this.#waiting.push({ ...change, deadlineMs, isProposed: false });
    schedule();
  }

  #proposeNext(): void {
    for (const one of this.#waiting.filter(({ isProposed }) => !isProposed)) {
      const status = this.#options.raft.status();
      if (!this.#mayPropose(status)) return;
      const { newest } = this.#options.members;
      const change = one.change(newest.configuration);
      if (typeof change === "string") this.#settleOne(one, new ErrorReply(`ERR ${change}`));
      else if (change === newest.configuration) this.#settleOne(one, OK);
      else one.isProposed = this.#propose(change);
    }
  }

  #mayPropose(status: RaftStatus): boolean {
    return status.role === "leader" && status.servesReads && status.isConfigurationCommitted &&
      status.transferringTo === null;
  }

  #propose(configuration: ClusterConfiguration): boolean {
    const { raft, logTime } = this.#options;
    return raft.propose([new Batch(logTime(), [], configuration)]) !== null;
  }

  /** One thing that needs no asking: a new address, or a vote for who has caught up. */
  #changeByItself(): void {
    const { raft, members, logger, announced, schedule } = this.#options;
    const status = raft.status();
    if (!this.#mayPropose(status)) return;
    const { configuration } = members.newest;
    for (const { id, isLearner } of configuration.members) {
      const address = announced(id);
      const moved = address === null ? configuration : withAddress(configuration, id, address);
      if (moved !== configuration) {
        logger.info(`${id} is reached at ${address?.host}:${address?.port} now`);
        if (this.#propose(moved)) return schedule();
      }
      if (!isLearner || !this.#hasCaughtUp(id, status)) continue;
      logger.info(`${id} has caught up and gets its vote`);
      if (this.#propose(withVoter(configuration, id))) return schedule();
    }
  }

  #hasCaughtUp(id: NodeId, { peers, commitIndex }: RaftStatus): boolean {
    const peer = peers.find((one) => one.id === id);
    return peer !== undefined && peer.match > 0 && peer.state === "replicate" &&
      peer.match >= commitIndex - CAUGHT_UP_ENTRIES && this.#isLive(id);
  }

  get #health(): MemberHealth {
    const { peers } = this.#options.raft.status();
    return {
      isLive: (id) => this.#isLive(id),
      hasData: (id) => peers.some((peer) => peer.id === id && peer.match > 0),
    };
  }

  #isLive(id: NodeId): boolean {
    const { raft, isConnected } = this.#options;
    if (id === this.#options.id) return true;
    const peer = raft.status().peers.find((one) => one.id === id);
    return isConnected(id) && (peer?.recentlyActive ?? false);
  }

  #settle(replyTo: (one: Waiting) => Reply | null): void {
    for (const one of [...this.#waiting]) {
      const reply = replyTo(one);
      if (reply !== null) this.#settleOne(one, reply);
    }
  }

  #settleOne(one: Waiting, reply: Reply): void {
    this.#waiting = this.#waiting.filter((other) => other !== one);
    one.done(reply);
  }
}

const NOT_BEGUN = new ErrorReply(
  "TRYAGAIN Another change of the members is under way, this one was not begun",
);

const NOT_COMMITTED = new ErrorReply(
  "UNKNOWN The change of the members was not confirmed in time, it may or may not come about",
);
