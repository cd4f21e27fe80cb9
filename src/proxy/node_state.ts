import type { NodeId } from "../raft/types.ts";
import { MapReply, PushReply, type Reply } from "../resp/reply.ts";

/** What a node says of itself and of the others (`CLUSTER WATCH`). */
export interface NodeState {
  readonly id: NodeId;
  /** Empty when the node does not tell. */
  readonly clusterId: string;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** A leader whose first entry is committed, or a follower that hears a leader. */
  readonly isServing: boolean;
  /** Requests the node has taken and not answered. */
  readonly queued: number;
  /** `host:port` for clients of each member that the node knows it of. */
  readonly addresses: ReadonlyMap<NodeId, string>;
}

const ROLES = ["leader", "follower", "candidate", "learner"] as const;

/** The state in a pushed message; `null` when it is none or malformed. Unknown fields are allowed. */
export function parseNodeState(message: Reply): NodeState | null {
  if (!(message instanceof PushReply) || message.items[0] !== "regent-state") return null;
  const map = message.items[1];
  if (!(map instanceof MapReply)) return null;
  const fields = new Map(map.pairs.map(([name, value]) => [name, value]));
  const id = fields.get("id");
  const role = ROLES.find((known) => known === fields.get("role"));
  const numbers = ["term", "commit-index", "applied-index", "queue"].map((name) =>
    fields.get(name)
  );
  const [term, commitIndex, appliedIndex, queued] = numbers;
  const addresses = parseAddresses(fields.get("nodes"));
  const isWhole = (value: Reply | undefined): value is number => Number.isSafeInteger(value);
  if (typeof id !== "string" || role === undefined || addresses === null) return null;
  if (!isWhole(term) || !isWhole(commitIndex) || !isWhole(appliedIndex) || !isWhole(queued)) {
    return null;
  }
  const leader = fields.get("leader-id");
  const clusterId = fields.get("cluster-id");
  return {
    id,
    clusterId: typeof clusterId === "string" ? clusterId : "",
    role,
    term,
    leaderId: typeof leader === "string" && leader !== "" ? leader : null,
    commitIndex,
    appliedIndex,
    isServing: fields.get("serving") === 1,
    queued,
    addresses,
  };
}

function parseAddresses(nodes: Reply | undefined): Map<NodeId, string> | null {
  if (!Array.isArray(nodes)) return null;
  const addresses = new Map<NodeId, string>();
  for (const node of nodes as readonly Reply[]) {
    if (!Array.isArray(node)) return null;
    const [id, address] = node as readonly Reply[];
    if (typeof id !== "string" || typeof address !== "string") return null;
    if (address !== "") addresses.set(id, address);
  }
  return addresses;
}
