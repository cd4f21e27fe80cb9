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

/** A learner with at most this many committed entries missing has caught up. */
const CAUGHT_UP_ENTRIES = 32;
/** Maximum number of changes waiting for their turn. */
const WAITING_MAX = 64;

export interface MembershipOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly members: Members;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time limit of a change, in milliseconds. */
  readonly waitMs: number;
  readonly isConnected: (peer: NodeId) => boolean;
  /** The Raft address that a member announced; `null` if it announced none. */
  readonly addressOf: (id: NodeId) => Address | null;
  /** The incarnation that a member announced; `null` if it announced none. */
  readonly incarnationOf: (id: NodeId) => string | null;
  /** The log's time for an entry proposed now. */
  readonly logTime: () => number;
  /** Whether a member's clock is known to be far from the others'. */
  readonly hasWrongClock: (id: NodeId) => boolean;
  /** The refusal of a node that does not lead. */
  readonly redirect: () => ErrorReply;
  /** Asks for another turn. */
  readonly schedule: () => void;
}

/** A change with a caller waiting for it. */
interface Waiting {
  change(configuration: ClusterConfiguration): Change;
  isDone(configuration: ClusterConfiguration): boolean;
  readonly done: (reply: Reply) => void;
  readonly deadlineMs: number;
  /** The change may be committed from now on, whoever leads. */
  isProposed: boolean;
}

/**
 * The leader's part in membership. It adds and removes members one at a time, each after the
 * previous change is committed; makes learners voters once they have caught up; and records
 * members' new addresses.
 */
export class Membership {
  readonly transfer: LeadershipTransfer;
  readonly #options: MembershipOptions;
  #waiting: Waiting[] = [];

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.transfer = new LeadershipTransfer(options, (id) => this.#isLive(id));
  }

  /** Whether new writes wait because leadership is about to move. */
  get holdsWrites(): boolean {
    const { raft, members, id } = this.#options;
    return raft.transferringTo !== null || !isVoter(members.newest.configuration, id);
  }

  /** The committed configuration. */
  get committed(): ClusterConfiguration {
    return this.#options.members.at(this.#options.raft.commitIndex).configuration;
  }

  /** Whether this node was removed for good. Ids are never reused. */
  get isRemoved(): boolean {
    return this.committed.removed.includes(this.#options.id);
  }

  /** Adds a learner. `done` gets OK when that is committed, or a refusal. */
  join(id: NodeId, raftAddress: Address, incarnation: string, done: (reply: Reply) => void): void {
    this.#add({
      change: (configuration) => withLearner(configuration, id, raftAddress, incarnation),
      isDone: ({ members }) =>
        members.some((one) => one.id === id && one.incarnation === incarnation),
      done,
    });
  }

  /** Removes a member for good. `done` gets OK when that is committed, or a refusal. */
  forget(id: NodeId, isForced: boolean, done: (reply: Reply) => void): void {
    this.#add({
      change: (configuration) => withoutMember(configuration, id, isForced, this.#health),
      isDone: ({ removed }) => removed.includes(id),
      done,
    });
  }

  /** Proposes the next change, and answers callers whose change is committed. */
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

  /** The node stops taking part. */
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

  /** Makes one change that needs no request: an incarnation, a new address, or a learner's vote. */
  #changeByItself(): void {
    const { raft, members, logger, addressOf, incarnationOf, schedule } = this.#options;
    const status = raft.status();
    if (!this.#mayPropose(status)) return;
    const { configuration } = members.newest;
    const recorded = withIncarnations(configuration, incarnationOf);
    if (recorded !== configuration && this.#propose(recorded)) return schedule();
    for (const { id, isLearner } of configuration.members) {
      const address = addressOf(id);
      const moved = address === null ? configuration : withAddress(configuration, id, address);
      if (address !== null && moved !== configuration) {
        logger.info(`${id} is now reached at ${formatAddress(address)}`);
        if (this.#propose(moved)) return schedule();
      }
      if (!isLearner || !this.#hasCaughtUp(id, status)) continue;
      logger.info(`${id} has caught up and becomes a voter`);
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
  "TRYAGAIN Another membership change is in progress, this one was not started",
);

const NOT_COMMITTED = new ErrorReply(
  "UNKNOWN The membership change was not confirmed in time, it may or may not happen",
);

export interface LeadershipTransferOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly members: Members;
  readonly clock: Clock;
  /** Time in milliseconds after which a caller hears that the outcome is unknown. */
  readonly waitMs: number;
  readonly hasWrongClock: (id: NodeId) => boolean;
  readonly redirect: () => ErrorReply;
  readonly schedule: () => void;
}

interface PendingTransfer {
  readonly to: NodeId;
  readonly deadlineMs: number;
  readonly done: (reply: Reply) => void;
}

/** Transfers leadership on request, and reports the outcome. */
export class LeadershipTransfer {
  readonly #options: LeadershipTransferOptions;
  readonly #isLive: (id: NodeId) => boolean;
  #pending: PendingTransfer[] = [];

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
      return done(refusal(`${to} is a learner: only a voting member can lead`));
    }
    if (!this.#isLive(to)) return done(refusal(`${to} does not answer: it cannot lead`));
    if (hasWrongClock(to)) {
      return done(refusal(`the clock of ${to} is far from the others': it cannot lead`));
    }
    if (!raft.transfer(to)) {
      return done(refusal(`leadership is being transferred to ${raft.transferringTo} already`));
    }
    this.#pending.push({ to, done, deadlineMs: clock.monotonicMs() + waitMs });
    schedule();
  }

  /** The voter that should lead in this leader's place; `null` when none answers. */
  successor(): NodeId | null {
    const { raft, hasWrongClock } = this.#options;
    const fit = raft.status().peers.filter(({ id, isLearner }) =>
      !isLearner && this.#isLive(id) && !hasWrongClock(id)
    );
    fit.sort((a, b) => b.match - a.match);
    return fit[0]?.id ?? null;
  }

  /** Answers callers whose outcome is known. */
  turn(): void {
    if (this.#pending.length === 0) return;
    const { role, leaderId, transferringTo } = this.#options.raft;
    this.#settle(({ to }) => {
      if (leaderId === to) return OK;
      if (role === "leader") {
        return transferringTo === to
          ? null
          : refusal(`${to} did not take over in time, ${this.#options.id} stays the leader`);
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

  #settle(replyTo: (one: PendingTransfer) => SimpleString | ErrorReply | null): void {
    for (const one of this.#pending) {
      const reply = replyTo(one);
      if (reply === null) continue;
      this.#pending = this.#pending.filter((other) => other !== one);
      one.done(reply);
    }
  }
}

function refusal(sentence: string): ErrorReply {
  return new ErrorReply(`ERR ${sentence}`);
}

/** The new configuration, or a sentence that says why it is refused. */
export type Change = ClusterConfiguration | string;

/** What the leader knows about the members' health, to judge whether a change is safe. */
export interface MemberHealth {
  /** Whether the member answers. */
  isLive(id: NodeId): boolean;
}

/**
 * Adds a learner. A member that asks again from another data directory than the recorded one is
 * refused, since entries that it once acknowledged would be missing. From the recorded one it may
 * ask again.
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

/**
 * Removes a member for good.
 *
 * @param isForced whether to remove it even if too few of the remaining voters answer
 */
export function withoutMember(
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

/** Makes a learner a voter. */
export function withVoter(configuration: ClusterConfiguration, id: NodeId): ClusterConfiguration {
  return changed(configuration, id, (member) => ({ ...member, isLearner: false }));
}

/**
 * Records a member's new address. Returns the same configuration if it has this address already.
 */
export function withAddress(
  configuration: ClusterConfiguration,
  id: NodeId,
  raftAddress: Address,
): ClusterConfiguration {
  const present = configuration.members.find((member) => member.id === id);
  if (present === undefined || isSame(present.raftAddress, raftAddress)) return configuration;
  return changed(configuration, id, (member) => ({ ...member, raftAddress }));
}

function isVoter({ members }: ClusterConfiguration, id: NodeId): boolean {
  return members.some((member) => member.id === id && !member.isLearner);
}

function isMember({ members }: ClusterConfiguration, id: NodeId): boolean {
  return members.some((member) => member.id === id);
}

/** The refusal for an id that no member has. */
function noMember({ members }: ClusterConfiguration, id: NodeId): string {
  const ids = members.map((member) => member.id);
  return `${id} is not a member of this cluster: its members are ${ids.join(", ")}`;
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
