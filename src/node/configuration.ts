import type { Configuration, NodeId } from "../raft/types.ts";
import type { Address } from "./network.ts";

/** A member of the cluster, as the replicated configuration knows it. */
export interface Member {
  readonly id: NodeId;
  /** Where its peers reach it, as last announced; it may have moved since. */
  readonly raftAddress: Address;
  /** A learner gets the log and has no vote. */
  readonly isLearner: boolean;
}

/** Who belongs to the cluster: part of the log, and of each snapshot. */
export interface ClusterConfiguration {
  /** In the order of their coming. */
  readonly members: readonly Member[];
  /** Ids that were members once and must never be used again. */
  readonly removed: readonly NodeId[];
}

/** What the consensus core needs of it. */
export function configurationOf({ members }: ClusterConfiguration): Configuration {
  return {
    voters: members.filter(({ isLearner }) => !isLearner).map(({ id }) => id),
    learners: members.filter(({ isLearner }) => isLearner).map(({ id }) => id),
  };
}
