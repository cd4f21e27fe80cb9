import type { RaftStatus } from "../raft/mod.ts";
import type { NodeId, Role } from "../raft/types.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import type { Address } from "./network.ts";
import type { MemberReport, StateReport } from "./state_report.ts";

export interface NodeReportSources {
  readonly clusterId: string;
  readonly status: RaftStatus;
  readonly configuration: ClusterConfiguration;
  /** The node has no place in the cluster any more. */
  readonly isRemoved: boolean;
  readonly queued: number;
  readonly leaderAddress: Address | null;
  readonly clientAddress: (id: NodeId) => Address | null;
  readonly isConnected: (id: NodeId) => boolean;
}

/** What a node tells of itself and of the others. */
export function nodeReport(sources: NodeReportSources): StateReport {
  const { clusterId, status, leaderAddress, isRemoved, queued } = sources;
  const { id, role, term, leaderId, commitIndex, appliedIndex, lastIndex, servesReads } = status;
  return {
    id,
    clusterId,
    role: role === "preCandidate" ? "candidate" : role,
    term,
    leaderId,
    leaderAddress,
    commitIndex,
    appliedIndex,
    lastIndex,
    isServing: servesReads && !isRemoved,
    queued,
    members: memberReports(sources),
  };
}

function memberReports(sources: NodeReportSources): MemberReport[] {
  const { status: { id, role, peers, durableIndex }, configuration } = sources;
  const match = new Map(peers.map((peer) => [peer.id, peer.match]));
  match.set(id, durableIndex);
  return configuration.members.map(({ id: member, raftAddress, isLearner }) => ({
    id: member,
    raftAddress,
    clientAddress: sources.clientAddress(member),
    isLearner,
    isConnected: member === id || sources.isConnected(member),
    matchIndex: role === "leader" ? match.get(member) ?? 0 : null,
  }));
}

/** A line for the log when the role changes. */
export function describeRole(role: Role, term: number, leaderId: NodeId | null): string {
  if (role === "leader") return `leads in term ${term}`;
  if (role === "learner" && leaderId !== null) return `learns from ${leaderId} in term ${term}`;
  if (leaderId !== null) return `follows ${leaderId} in term ${term}`;
  return role === "follower" || role === "learner"
    ? `knows no leader in term ${term}`
    : `stands for election, term ${term}`;
}

/** A line for the log when the members change. */
export function describeMembers({ members, removed }: ClusterConfiguration): string {
  const names = members.map(({ id, isLearner }) => isLearner ? `${id} (learner)` : id);
  const gone = removed.length === 0 ? "" : `; removed: ${removed.join(", ")}`;
  return `the members are ${names.join(", ")}${gone}`;
}
