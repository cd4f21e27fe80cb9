import type { NodeId } from "../raft/types.ts";
import type { ClusterConfiguration, Member } from "./configuration.ts";
import type { Address } from "./network.ts";

/** The configuration that a change asks for, or the sentence that says why there is none. */
export type Change = ClusterConfiguration | string;

/** What is known of how the members are, for the judgement whether a change is safe. */
export interface MemberHealth {
  /** Whether it answers. */
  isLive(id: NodeId): boolean;
  /** Whether it is known to hold anything of the log. */
  hasData(id: NodeId): boolean;
}

/**
 * Enters a learner. An id that has data already is refused: it asks because its directory is empty,
 * and what it once confirmed would be missing without a sign.
 */
export function withLearner(
  configuration: ClusterConfiguration,
  id: NodeId,
  raftAddress: Address,
  health: MemberHealth,
): Change {
  const { members, removed } = configuration;
  if (removed.includes(id)) {
    return `${id} was removed from this cluster, and a removed id is never used again: ` +
      `choose another`;
  }
  const present = members.find((member) => member.id === id);
  const host = members.find((one) => one.id !== id && isSame(one.raftAddress, raftAddress));
  if (host !== undefined) {
    return `${raftAddress.host}:${raftAddress.port} is the address of ${host.id}: ` +
      `remove that one first, or choose another port`;
  }
  if (present === undefined) {
    return { members: [...members, { id, raftAddress, isLearner: true }], removed };
  }
  if (!present.isLearner) {
    return `${id} is a voting member already, and its data would be forgotten: ` +
      `remove it first and join under a new id`;
  }
  if (health.hasData(id)) {
    return `${id} has joined already and has data: start it on its directory, ` +
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
