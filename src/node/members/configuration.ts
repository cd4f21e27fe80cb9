import type { Address } from "../../platform/network.ts";
import type { Configuration, NodeId } from "../../raft/types.ts";

/** A member of the cluster, as the replicated configuration knows it. */
export interface Member {
  readonly id: NodeId;
  /** Where its peers reach it, as last announced; it may have moved since. */
  readonly raftAddress: Address;
  /** A learner gets the log and has no vote. */
  readonly isLearner: boolean;
  /** Which data directory is this member's, for life; absent while nobody has heard of it. */
  readonly incarnation?: string;
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

/** Which incarnation each member has, as far as it is recorded. */
export function incarnationsOf({ members }: ClusterConfiguration): ReadonlyMap<NodeId, string> {
  const known = new Map<NodeId, string>();
  for (const { id, incarnation } of members) {
    if (incarnation !== undefined) known.set(id, incarnation);
  }
  return known;
}

/** Records incarnations where none is recorded; the configuration itself where that changes nothing. */
export function withIncarnations(
  configuration: ClusterConfiguration,
  incarnationOf: (id: NodeId) => string | null,
): ClusterConfiguration {
  let isNews = false;
  const members = configuration.members.map((member) => {
    const incarnation = member.incarnation === undefined ? incarnationOf(member.id) : null;
    if (incarnation === null) return member;
    isNews = true;
    return { ...member, incarnation };
  });
  return isNews ? { members, removed: configuration.removed } : configuration;
}

/**
 * A configuration as it is stored and sent, ready for `JSON.stringify`:
 * `{"members":[{"id":"n1","raftAddress":{"host":"h","port":17001},"isLearner":false,
 * "incarnation":"…"}],"removed":["n2"]}`.
 */
export function configurationFields(
  { members, removed }: ClusterConfiguration,
): ClusterConfiguration {
  // Only what belongs there, in a fixed order.
  return {
    members: members.map(({ id, raftAddress: { host, port }, isLearner, incarnation }) => ({
      ...{ id, raftAddress: { host, port }, isLearner },
      ...(incarnation === undefined ? {} : { incarnation }),
    })),
    removed,
  };
}

/** The configuration of parsed JSON; `null` when it is none, nobody votes, or an id is there twice. */
export function parseConfiguration(value: unknown): ClusterConfiguration | null {
  const { members, removed } = fieldsOf(value);
  if (!Array.isArray(members) || !Array.isArray(removed)) return null;
  const parsed = members.map(parseMember).filter((member) => member !== null);
  if (parsed.length !== members.length || !removed.every(isId)) return null;
  if (!parsed.some(({ isLearner }) => !isLearner)) return null;
  const ids = [...parsed.map(({ id }) => id), ...removed];
  if (new Set(ids).size !== ids.length) return null;
  return { members: parsed, removed };
}

function parseMember(value: unknown): Member | null {
  const { id, raftAddress, isLearner, incarnation } = fieldsOf(value);
  const address = storedAddress(raftAddress);
  if (!isId(id) || address === null || typeof isLearner !== "boolean") return null;
  if (incarnation === undefined) return { id, raftAddress: address, isLearner };
  return isId(incarnation) ? { id, raftAddress: address, isLearner, incarnation } : null;
}

/** An address as the log holds it: an object with the fields of `Address`. */
function storedAddress(value: unknown): Address | null {
  const { host, port } = fieldsOf(value);
  if (typeof host !== "string" || host === "") return null;
  const isPort = Number.isSafeInteger(port) && (port as number) >= 0 && (port as number) <= 65_535;
  return isPort ? { host, port: port as number } : null;
}

function isId(value: unknown): value is NodeId {
  return typeof value === "string" && value !== "";
}

/** The own fields of a JSON object; of anything else, none. */
function fieldsOf(value: unknown): Record<string, unknown> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return Object.assign(Object.create(null), isObject ? value : {});
}
