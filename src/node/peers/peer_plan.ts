import type { NodeId } from "../../raft/types.ts";
import type { StoredConfiguration } from "../log_store.ts";
import type { Address } from "../network.ts";

/** With whom a node is to be connected. */
export interface PeerPlan {
  /** Of the newest configuration that this node knows. */
  readonly index: number;
  /** Of the newest that is committed: whoever knows a newer one may know better who takes part. */
  readonly committedIndex: number;
  /** Its members: they take part until a configuration without them is committed. */
  readonly committedMembers: ReadonlySet<NodeId>;
  /** The other members, and where they are said to be. */
  readonly addresses: ReadonlyMap<NodeId, Address>;
  /** Who must not take part any more, for certain. */
  readonly removed: readonly NodeId[];
}

/**
 * @param committed the newest configuration that is committed: no other can say who is removed
 * @param contacts with whom a node begins that knows no configuration yet
 * @param told where members have said that they are
 */
export function peerPlan(
  self: NodeId,
  newest: StoredConfiguration,
  committed: StoredConfiguration,
  contacts: ReadonlyMap<NodeId, Address>,
  told: ReadonlyMap<NodeId, Address>,
): PeerPlan {
  const { index, configuration: { members } } = newest;
  const known = members.length === 0
    ? [...contacts]
    : members.map(({ id, raftAddress }) => [id, told.get(id) ?? raftAddress] as const);
  return {
    index,
    committedIndex: committed.index,
    committedMembers: new Set(committed.configuration.members.map(({ id }) => id)),
    addresses: new Map(known.filter(([id]) => id !== self)),
    removed: committed.configuration.removed,
  };
}
