import type { NodeId } from "../raft/types.ts";
import type { Address } from "./network.ts";

/** What a node tells others about itself: `CLUSTER ROLE`, `INFO`, the proxies' watchers. */
export interface StateReport {
  readonly clusterId: string;
  readonly id: NodeId;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  /** Where clients reach the leader, once it is known. */
  readonly leaderAddress: Address | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /** A leader whose first entry is committed, or a follower that hears a leader. */
  readonly isServing: boolean;
  /** Requests taken and not answered yet. */
  readonly queued: number;
  readonly members: readonly MemberReport[];
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
