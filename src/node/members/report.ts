import type { Cancel } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import type { RaftStatus } from "../../raft/mod.ts";
import type { NodeId, Role } from "../../raft/types.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/** What a node tells others about itself: `CLUSTER ROLE`, `INFO`, the proxies' watchers. */
export interface StateReport {
  readonly clusterId: string;
  readonly id: NodeId;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  /**
   * The leader, or the last one that this node knows of; `null` before the first. While another is
   * elected, clients of Redis Cluster need somebody to ask.
   */
  readonly lastLeaderId: NodeId | null;
  /** Where clients reach the leader, once it is known. */
  readonly leaderAddress: Address | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /**
   * A leader whose first entry is committed, or a follower that hears a leader and is not catching
   * up. Only such a node should be asked for reads.
   */
  readonly isServing: boolean;
  /**
   * The node lacks so much of what is committed that reads would wait for long: it is receiving or
   * installing a snapshot, or applies entries late, or has just started and does not know yet.
   */
  readonly isCatchingUp: boolean;
  /** What it knows of time. */
  readonly time: TimeReport;
  /** Requests taken and not answered yet. */
  readonly queued: number;
  /** The newest version of what nodes say to each other that this one speaks. */
  readonly protocolVersion: number;
  /** The state machine's, as the log says; 0 while it says nothing. */
  readonly machineVersion: number;
  /** The newest that this node's build understands. */
  readonly machineVersionMax: number;
  readonly members: readonly MemberReport[];
}

export interface TimeReport {
  /**
   * How far the node's clock is ahead of the median of the members', in milliseconds; negative:
   * behind. `null` while the clocks of a majority are not known.
   */
  readonly clockOffsetMs: number | null;
  /** The log's time as it is now: milliseconds of the Unix epoch. */
  readonly logTimeMs: number;
  /** How far that is ahead of the clocks of a majority; `null` while they are not known. */
  readonly logTimeAheadMs: number | null;
}

/** A member of the cluster as one node sees it. */
export interface MemberReport {
  readonly id: NodeId;
  readonly raftAddress: Address;
  /** Where clients reach it; `null` until it was heard of. */
  readonly clientAddress: Address | null;
  /** It gets the log and has no vote yet. */
  readonly isLearner: boolean;
  readonly isConnected: boolean;
  /** On the leader: the last index known to be durable there; otherwise `null`. */
  readonly matchIndex: number | null;
}

export interface NodeReportSources {
  readonly clusterId: string;
  readonly status: RaftStatus;
  readonly configuration: ClusterConfiguration;
  /** The node has no place in the cluster any more. */
  readonly isRemoved: boolean;
  /** See `StateReport`. */
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

/** What a node tells of itself and of the others. */
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

/** What of the consensus others want to hear as soon as it changes. */
export type WatchedState = Pick<RaftStatus, "role" | "term" | "leaderId" | "servesReads">;

/** Those who are told when what a node says of itself has changed. */
export class StateWatch {
  readonly #watchers = new Set<() => void>();
  #told: WatchedState & { readonly isCatchingUp: boolean } | null = null;
  #toldVersion = 0;
  #toldMemoryBytesMax = 0;

  add(changed: () => void): Cancel {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** @param placesVersion another one whenever the members or their addresses have changed */
  check(
    now: WatchedState,
    isCatchingUp: boolean,
    placesVersion: number,
    memoryBytesMax: number,
  ): void {
    if (this.#watchers.size === 0) return;
    const told = this.#told;
    const isSame = told !== null && placesVersion === this.#toldVersion &&
      memoryBytesMax === this.#toldMemoryBytesMax &&
      isCatchingUp === told.isCatchingUp && isEqual(now, told);
    if (isSame) return;
    const { role, term, leaderId, servesReads } = now;
    this.#told = { role, term, leaderId, servesReads, isCatchingUp };
    this.#toldVersion = placesVersion;
    this.#toldMemoryBytesMax = memoryBytesMax;
    for (const changed of this.#watchers) changed();
  }
}

function isEqual(a: WatchedState, b: WatchedState): boolean {
  return a.role === b.role && a.term === b.term && a.leaderId === b.leaderId &&
    a.servesReads === b.servesReads;
}
