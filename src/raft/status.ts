import { type Core, hasCommittedInTerm } from "./core.ts";
import type { ProgressState } from "./progress.ts";
import type { Configuration, NodeId, Role } from "./types.ts";

/** A picture of one node's consensus state. */
export interface RaftStatus {
  readonly id: NodeId;
  /** `learner` for whoever would follow and has no vote in the newest configuration. */
  readonly role: Role;
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly vote: NodeId | null;
  readonly commitIndex: number;
  /** Handed out to be applied. */
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  /** The newest in the log, which holds. */
  readonly configuration: Configuration;
  readonly isConfigurationCommitted: boolean;
  /** Leader: whom it is handing leadership to; it takes no proposals meanwhile. */
  readonly transferringTo: NodeId | null;
  /** The leader's knowledge of the other members; empty elsewhere. */
  readonly peers: readonly PeerStatus[];
  /** Leader: an entry of its term is committed. Follower: a leader is known. */
  readonly servesReads: boolean;
}

/** What the leader knows of a peer. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly isLearner: boolean;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  /** It answered within the longest election timeout. */
  readonly recentlyActive: boolean;
}

/** See `RaftStatus.role`. */
export function roleOf<T>(core: Core<T>): Role {
  return core.role === "follower" && !core.isVoter(core.id) ? "learner" : core.role;
}

/** See `RaftStatus.servesReads`. */
export function servesReads<T>(core: Core<T>): boolean {
  return core.role === "leader" ? hasCommittedInTerm(core) : core.leaderId !== null;
}

/** The status of a core. */
export function raftStatus<T>(core: Core<T>): RaftStatus {
  const peers: PeerStatus[] = [];
  for (const [id, peer] of core.leadership?.progress ?? []) {
    if (core.leadership?.leaving.has(id)) continue;
    const { match, next, state } = peer;
    const isLearner = !core.isVoter(id);
    peers.push({ id, isLearner, match, next, state, recentlyActive: core.isActive(peer) });
  }
  return {
    id: core.id,
    role: roleOf(core),
    term: core.term,
    leaderId: core.leaderId,
    vote: core.vote,
    commitIndex: core.log.commitIndex(),
    appliedIndex: core.log.appliedIndex(),
    lastIndex: core.log.lastIndex(),
    durableIndex: core.log.durableIndex(),
    configuration: core.configuration,
    isConfigurationCommitted: core.isConfigurationCommitted,
    transferringTo: core.leadership?.transfer?.to ?? null,
    peers,
    servesReads: servesReads(core),
  };
}
