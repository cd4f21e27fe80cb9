import type { Cancel } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import type { RaftStatus } from "../../raft/mod.ts";
import type { NodeId, Role } from "../../raft/types.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/** A node's report about itself, for `CLUSTER ROLE`, `INFO` and the proxies. */
export interface StateReport {
  readonly clusterId: string;
  readonly id: NodeId;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  /**
   * The leader, or the last known one; `null` before the first. During an election, clients of
   * Redis Cluster need some node to ask.
   */
  readonly lastLeaderId: NodeId | null;
  /** Where clients reach the leader, if known. */
  readonly leaderAddress: Address | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /**
   * Whether reads should be sent to this node. True for a leader whose first entry is committed,
   * and for a follower that hears a leader and is not catching up.
   */
  readonly isServing: boolean;
  /**
   * Whether the node lags so far that reads would wait for long. It is receiving or installing a
   * snapshot, applies entries late, or has just started.
   */
  readonly isCatchingUp: boolean;
  readonly time: TimeReport;
  /** Number of clients' reads and writes that it has taken and not executed yet. */
  readonly queued: number;
  /** The newest version of the peer protocol that this node speaks. */
  readonly protocolVersion: number;
  /** Version of the state machine according to the log; 0 while the log has none. */
  readonly machineVersion: number;
  /** The newest machine version that this build understands. */
  readonly machineVersionMax: number;
  readonly members: readonly MemberReport[];
}

export interface TimeReport {
  /**
   * Offset of the node's clock from the median of the members' clocks, in milliseconds; negative
   * means behind. `null` while fewer than a majority of the clocks are known.
   */
  readonly clockOffsetMs: number | null;
  /** The log's current time, in milliseconds since the Unix epoch. */
  readonly logTimeMs: number;
  /** How far the log's time is ahead of the clocks of a majority; `null` while they are unknown. */
  readonly logTimeAheadMs: number | null;
}

/** A member of the cluster as one node sees it. */
export interface MemberReport {
  readonly id: NodeId;
  readonly raftAddress: Address;
  /** Where clients reach it; `null` if unknown. */
  readonly clientAddress: Address | null;
  /** Whether it receives the log without having a vote. */
  readonly isLearner: boolean;
  readonly isConnected: boolean;
  /** On the leader: the last index known to be durable on this member. Otherwise `null`. */
  readonly matchIndex: number | null;
}

export interface NodeReportSources {
  readonly clusterId: string;
  readonly status: RaftStatus;
  readonly configuration: ClusterConfiguration;
  /** Whether the node is no longer a member. */
  readonly isRemoved: boolean;
  readonly isCatchingUp: boolean;
  readonly time: TimeReport;
  readonly queued: number;
  readonly protocolVersion: number;
  readonly machineVersion: number;
  readonly machineVersionMax: number;
  readonly lastLeaderId: NodeId | null;
  readonly leaderAddress: Address | null;
  readonly clientAddress: (id: NodeId) => Address | null;
  readonly isConnected: (id: NodeId) => boolean;
}

/** The report of a node on itself and the other members. */
export function nodeReport(sources: NodeReportSources): StateReport {
  const { clusterId, status, lastLeaderId, leaderAddress, isRemoved, isCatchingUp, time, queued } =
    sources;
  const { id, role, term, leaderId, commitIndex, appliedIndex, lastIndex, servesReads } = status;
  return {
    id,
    clusterId,
    role: role === "preCandidate" ? "candidate" : role,
    term,
    leaderId,
    lastLeaderId,
    leaderAddress,
    commitIndex,
    appliedIndex,
    lastIndex,
    isServing: servesReads && !isRemoved && !isCatchingUp,
    isCatchingUp,
    time,
    queued,
    protocolVersion: sources.protocolVersion,
    machineVersion: sources.machineVersion,
    machineVersionMax: sources.machineVersionMax,
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

/** A log line for a change of role. */
export function describeRole(role: Role, term: number, leaderId: NodeId | null): string {
  if (role === "leader") return `leads in term ${term}`;
  if (role === "learner" && leaderId !== null) return `learns from ${leaderId} in term ${term}`;
  if (leaderId !== null) return `follows ${leaderId} in term ${term}`;
  return role === "follower" || role === "learner"
    ? `knows no leader in term ${term}`
    : `stands for election, term ${term}`;
}

/** A log line for a change of members. */
export function describeMembers({ members, removed }: ClusterConfiguration): string {
  const names = members.map(({ id, isLearner }) => isLearner ? `${id} (learner)` : id);
  const gone = removed.length === 0 ? "" : `; removed: ${removed.join(", ")}`;
  return `the members are ${names.join(", ")}${gone}`;
}

/** The part of the consensus state whose changes observers get at once. */
export type WatchedState = Pick<RaftStatus, "role" | "term" | "leaderId" | "servesReads">;

/** Notifies observers when the node's report about itself has changed. */
export class StateObservers {
  readonly #observers = new Set<() => void>();
  #reported: WatchedState & { readonly isCatchingUp: boolean } | null = null;
  #reportedVersion = 0;
  #reportedMemoryBytesMax = 0;
  #reportedUsersVersion = 0;

  add(changed: () => void): Cancel {
    this.#observers.add(changed);
    return () => this.#observers.delete(changed);
  }

  /** @param addressesVersion changes whenever the members or their addresses change */
  check(
    now: WatchedState,
    isCatchingUp: boolean,
    addressesVersion: number,
    memoryBytesMax: number,
    usersVersion: number,
  ): void {
    if (this.#observers.size === 0) return;
    const last = this.#reported;
    const isSame = last !== null && addressesVersion === this.#reportedVersion &&
      memoryBytesMax === this.#reportedMemoryBytesMax &&
      usersVersion === this.#reportedUsersVersion &&
      isCatchingUp === last.isCatchingUp && isEqual(now, last);
    if (isSame) return;
    const { role, term, leaderId, servesReads } = now;
    this.#reported = { role, term, leaderId, servesReads, isCatchingUp };
    this.#reportedVersion = addressesVersion;
    this.#reportedMemoryBytesMax = memoryBytesMax;
    this.#reportedUsersVersion = usersVersion;
    for (const changed of this.#observers) changed();
  }
}

function isEqual(a: WatchedState, b: WatchedState): boolean {
  return a.role === b.role && a.term === b.term && a.leaderId === b.leaderId &&
    a.servesReads === b.servesReads;
}
