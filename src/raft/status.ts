import type { Core } from "./core.ts";
import type { ProgressState } from "./progress.ts";
import type { NodeId, Role } from "./types.ts";

/** A picture of one node's consensus state. */
export interface RaftStatus {
  readonly id: NodeId;
  readonly role: Role;
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly vote: NodeId | null;
  readonly commitIndex: number;
  /** Handed out to be applied. */
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly durableIndex: number;
  /** The leader's knowledge of the others; empty elsewhere. */
  readonly peers: readonly PeerStatus[];
  /** Leader: an entry of its term is committed. Follower: a leader is known. */
  readonly servesReads: boolean;
}

/** What the leader knows of a peer. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  /** It answered within the longest election timeout. */
  readonly recentlyActive: boolean;
}

/** The status of a core. */
export function raftStatus<T>(core: Core<T>, hasCommittedInTerm: boolean): RaftStatus {
  const peers: PeerStatus[] = [];
  for (const [id, peer] of core.leadership?.progress ?? []) {
    const { match, next, state } = peer;
    peers.push({ id, match, next, state, recentlyActive: core.isActive(peer) });
  }
  return {
    id: core.id,
    role: core.role,
    term: core.term,
    leaderId: core.leaderId,
    vote: core.vote,
    commitIndex: core.log.commitIndex(),
    appliedIndex: core.log.appliedIndex(),
    lastIndex: core.log.lastIndex(),
    durableIndex: core.log.durableIndex(),
    peers,
    servesReads: core.role === "leader" ? hasCommittedInTerm : core.leaderId !== null,
  };
}
