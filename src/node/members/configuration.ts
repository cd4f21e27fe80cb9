import type { Address } from "../../platform/network.ts";
import type { Configuration, NodeId } from "../../raft/types.ts";

/** A member of the cluster in the replicated configuration. */
export interface Member {
  readonly id: NodeId;
  /** Where peers reach it, as last announced. It may have moved since. */
  readonly raftAddress: Address;
  /** A learner receives the log and has no vote. */
  readonly isLearner: boolean;
  /** Identity of this member's data directory, for life. Absent while it is unknown. */
  readonly incarnation?: string;
}

/** The members of the cluster: part of the log, and of each snapshot. */
export interface ClusterConfiguration {
  /** In the order in which they joined. */
  readonly members: readonly Member[];
  /** Ids of former members, which must never be reused. */
  readonly removed: readonly NodeId[];
}

/** The part that the consensus core needs. */
export function configurationOf({ members }: ClusterConfiguration): Configuration {
  return {
    voters: members.filter(({ isLearner }) => !isLearner).map(({ id }) => id),
    learners: members.filter(({ isLearner }) => isLearner).map(({ id }) => id),
  };
}

/** The recorded incarnation of each member. */
export function incarnationsOf({ members }: ClusterConfiguration): ReadonlyMap<NodeId, string> {
  const known = new Map<NodeId, string>();
  for (const { id, incarnation } of members) {
    if (incarnation !== undefined) known.set(id, incarnation);
  }
  return known;
}

/** Adds missing incarnations. Returns the same configuration if that changes nothing. */
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
 * The stored and transmitted form of a configuration, ready for `JSON.stringify`:
 * `{"members":[{"id":"n1","raftAddress":{"host":"h","port":17001},"isLearner":false,
 * "incarnation":"…"}],"removed":["n2"]}`.
 */
export function configurationFields(
  { members, removed }: ClusterConfiguration,
): ClusterConfiguration {
  // Only the known fields, in a fixed order.
  return {
    members: members.map(({ id, raftAddress: { host, port }, isLearner, incarnation }) => ({
      ...{ id, raftAddress: { host, port }, isLearner },
      ...(incarnation === undefined ? {} : { incarnation }),
    })),
    removed,
  };
}

/**
 * Reads a configuration from parsed JSON. `null` if it is malformed, has no voter, or has an id
 * twice.
 */
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

/** The own fields of a JSON object. Anything else has none. */
function fieldsOf(value: unknown): Record<string, unknown> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return Object.assign(Object.create(null), isObject ? value : {});
}
