import { formatAddress } from "../../base/address.ts";
import type { Logger } from "../../base/logger.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import type { Raft, RaftStatus } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import { ErrorReply, OK, type Reply, type SimpleString } from "../../resp/reply.ts";
import { Batch } from "../log/entry.ts";
import { type ClusterConfiguration, type Member, withIncarnations } from "./configuration.ts";
import type { Members } from "./members.ts";

/** The configuration that a change asks for, or the sentence that says why there is none. */
export type Change = ClusterConfiguration | string;

/** What is known of how the members are, for the judgement whether a change is safe. */
export interface MemberHealth {
  /** Whether it answers. */
  isLive(id: NodeId): boolean;
}

/**
 * Enters a learner. A member that asks from another data directory than the recorded one is refused:
 * what it once confirmed would be missing without a sign. From the recorded one it may ask again.
 */
export function withLearner(
  configuration: ClusterConfiguration,
  id: NodeId,
  raftAddress: Address,
  incarnation: string,
): Change {
  const { members, removed } = configuration;
  if (removed.includes(id)) {
    return `${id} was removed from this cluster, and a removed id is never used again: ` +
      `choose another`;
  }
  const present = members.find((member) => member.id === id);
  const host = members.find((one) => one.id !== id && isSame(one.raftAddress, raftAddress));
  if (host !== undefined) {
    return `${formatAddress(raftAddress)} is the address of ${host.id}: ` +
      `remove that one first, or choose another port`;
  }
  if (present === undefined) {
    const member = { id, raftAddress, isLearner: true, incarnation };
    return { members: [...members, member], removed };
  }
  if (present.incarnation !== incarnation) {
    return `${id} is a member already, with another data directory: start it on that one, ` +
      `or remove it and join under a new id`;
  }
  return withAddress(configuration, id, raftAddress);
}

/** Takes a member out for ever. @param isForced also where it leaves too few that answer */
export function without(
  configuration: ClusterConfiguration,
  id: NodeId,
  isForced: boolean,
  health: MemberHealth,
): Change {
  const { members, removed } = configuration;
  if (removed.includes(id)) return configuration;
  if (!members.some((member) => member.id === id)) return noMember(configuration, id);
  const left = members.filter((member) => member.id !== id);
  const next = { members: left, removed: [...removed, id] };
  const votersBefore = votersOf(members);
  const voters = votersOf(left);
  if (voters.length === 0) return `${id} is the only voting member, and a cluster needs one`;
  if (isForced || voters.length === votersBefore.length) return next;
  const missing = voters.filter((voter) => !health.isLive(voter));
  const liveCount = voters.length - missing.length;
  const needed = Math.floor(voters.length / 2) + 1;
  if (liveCount >= needed) return next;
  return `Removing ${id} would leave ${liveCount} of ${voters.length} voting members that answer, ` +
    `and ${needed} are needed: ${missing.join(", ")} ${missing.length === 1 ? "does" : "do"} ` +
    `not answer; start ${missing.length === 1 ? "it" : "them"} again, or use FORCE`;
}

/** Gives a learner its vote. */
export function withVoter(configuration: ClusterConfiguration, id: NodeId): ClusterConfiguration {
  return changed(configuration, id, (member) => ({ ...member, isLearner: false }));
}

/** Notes where a member is reached now; the configuration itself when it says so already. */
export function withAddress(
  configuration: ClusterConfiguration,
  id: NodeId,
  raftAddress: Address,
): ClusterConfiguration {
  const present = configuration.members.find((member) => member.id === id);
  if (present === undefined || isSame(present.raftAddress, raftAddress)) return configuration;
  return changed(configuration, id, (member) => ({ ...member, raftAddress }));
}

export function isVoter({ members }: ClusterConfiguration, id: NodeId): boolean {
  return members.some((member) => member.id === id && !member.isLearner);
}

export function isMember({ members }: ClusterConfiguration, id: NodeId): boolean {
  return members.some((member) => member.id === id);
}

/** The sentence for an id that nobody has. */
export function noMember({ members }: ClusterConfiguration, id: NodeId): string {
  return `${id} is no member of this cluster: it has ${members.map(({ id }) => id).join(", ")}`;
}

export function isSame(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port;
}

function votersOf(members: readonly Member[]): NodeId[] {
  return members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
}

function changed(
  { members, removed }: ClusterConfiguration,
  id: NodeId,
  change: (member: Member) => Member,
): ClusterConfiguration {
  return { members: members.map((one) => one.id === id ? change(one) : one), removed };
}

export interface LeadershipTransferOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly members: Members;
  readonly clock: Clock;
  /** How long the outcome may stay unknown. */
  readonly waitMs: number;
  readonly hasWrongClock: (id: NodeId) => boolean;
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
    const { id, raft, members, clock, waitMs, hasWrongClock, redirect, schedule } = this.#options;
    if (raft.role !== "leader") return done(redirect());
    if (to === id) return done(OK);
    const { configuration } = members.newest;
    if (!isMember(configuration, to)) return done(refusal(noMember(configuration, to)));
    if (!isVoter(configuration, to)) {
      return done(refusal(`${to} is a learner, and only a voting member can lead`));
    }
    if (!this.#isLive(to)) return done(refusal(`${to} does not answer, and cannot lead`));
    if (hasWrongClock(to)) {
      return done(refusal(`the clock of ${to} is far from the others', and it cannot lead`));
    }
    if (!raft.transfer(to)) {
      return done(refusal(`leadership is on its way to ${raft.transferringTo} already`));
    }
    this.#underWay.push({ to, done, deadlineMs: clock.monotonicMs() + waitMs });
    schedule();
  }

  /** The voter that could lead best in this leader's place; `null` where none answers. */
  successor(): NodeId | null {
    const { raft, hasWrongClock } = this.#options;
    const fit = raft.status().peers.filter(({ id, isLearner }) =>
      !isLearner && this.#isLive(id) && !hasWrongClock(id)
    );
    fit.sort((a, b) => b.match - a.match);
    return fit[0]?.id ?? null;
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

  #settle(replyTo: (one: UnderWay) => SimpleString | ErrorReply | null): void {
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
  /** Of a member that has been heard of; `null` of others. */
  readonly incarnationOf: (id: NodeId) => string | null;
  /** The time that an entry proposed now carries. */
  readonly logTime: () => number;
  /** Whether a member's clock is known to be far from the others'. */
  readonly hasWrongClock: (id: NodeId) => boolean;
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
  join(id: NodeId, raftAddress: Address, incarnation: string, done: (reply: Reply) => void): void {
    this.#add({
      change: (configuration) => withLearner(configuration, id, raftAddress, incarnation),
      isDone: ({ members }) =>
        members.some((one) => one.id === id && one.incarnation === incarnation),
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

  /** One thing that needs no asking: an incarnation, a new address, a vote for who has caught up. */
  #changeByItself(): void {
    const { raft, members, logger, announced, incarnationOf, schedule } = this.#options;
    const status = raft.status();
    if (!this.#mayPropose(status)) return;
    const { configuration } = members.newest;
    const recorded = withIncarnations(configuration, incarnationOf);
    if (recorded !== configuration && this.#propose(recorded)) return schedule();
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
    return { isLive: (id) => this.#isLive(id) };
  }

  #isLive(id: NodeId): boolean {
    const { raft, isConnected } = this.#options;
    if (id === this.#options.id) return true;
    const peer = raft.status().peers.find((one) => one.id === id);
    return isConnected(id) && (peer?.recentlyActive ?? false);
  }

  #settle(replyTo: (one: Waiting) => SimpleString | ErrorReply | null): void {
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
