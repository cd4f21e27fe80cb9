import type { NodeId } from "../raft/types.ts";
import type { ClusterConfiguration, Member } from "./configuration.ts";
import type { Address } from "./network.ts";

/**
 * A configuration as it is stored and sent, ready for `JSON.stringify`:
 * `{"members":[{"id":"n1","raftAddress":{"host":"h","port":17001},"isLearner":false}],"removed":["n2"]}`.
 */
export function configurationFields(
  { members, removed }: ClusterConfiguration,
): ClusterConfiguration {
  // Only what belongs there, in a fixed order.
  return {
    members: members.map(({ id, raftAddress: { host, port }, isLearner }) => (
      { id, raftAddress: { host, port }, isLearner }
    )),
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
  const { id, raftAddress, isLearner } = fieldsOf(value);
  const address = parseAddress(raftAddress);
  if (!isId(id) || address === null || typeof isLearner !== "boolean") return null;
  return { id, raftAddress: address, isLearner };
}

function parseAddress(value: unknown): Address | null {
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
