import { type Address, formatRedisAddress } from "../base/address.ts";
import { MapReply, type Reply } from "../resp/reply.ts";
import { SLOTS } from "./key_slot.ts";

/**
 * A server as clients of Redis Cluster see it: a member as a node sees it, or a proxy as itself.
 */
export interface ClusterNode {
  readonly id: string;
  /** The address for clients; `null` while it is unknown. */
  readonly address: Address | null;
  /** The port after `@` in `CLUSTER NODES`. */
  readonly busPort: number;
  readonly isConnected: boolean;
  /** Index of the last entry that it is known to have. */
  readonly offset: number;
  /** The epoch of its configuration in `CLUSTER NODES`: the term, or 0 for a proxy. */
  readonly epoch: number;
}

/**
 * The cluster as one node or proxy sees it now. Both render the replies of Redis's `CLUSTER`,
 * `ROLE` and `INFO` from this value.
 */
export interface ClusterView {
  /** The id of the node or proxy that answers. */
  readonly id: string;
  readonly term: number;
  /** Whether this server serves reads and writes, or forwards them to a node that does. */
  readonly isServing: boolean;
  readonly isCatchingUp: boolean;
  /** The servers for clients. A proxy serves all slots by itself. */
  readonly nodes: readonly ClusterNode[];
  /** The id, among `nodes`, of the master of all slots: the leader or the last one known. */
  readonly masterId: string | null;
  /** Whether the answering server accepts writes. */
  readonly isMaster: boolean;
  /** The address to which writes are sent. */
  readonly masterAddress: Address | null;
  /**
   * Index of an entry: at a leader the last one in its log, at a follower the last one it applied,
   * at a proxy the last one it knows to be committed.
   */
  readonly offset: number;
  /** The ids of all members with their `host:port` for clients, which is empty while unknown. */
  readonly members: readonly (readonly [id: string, address: string])[];
}

type Fields = readonly (readonly [string, string | number])[];

function linesOf(fields: Fields): string {
  return fields.map(([name, value]) => `${name}:${value}\r\n`).join("");
}

/** `CLUSTER MEMBERS` */
export function membersReply({ members }: ClusterView): Reply {
  return new MapReply(members);
}

/** `CLUSTER NODES`: Redis's line for each. */
export function nodesText({ id: ownId, nodes, masterId }: ClusterView): string {
  return nodes.map(({ id, address, busPort, isConnected, epoch }) => {
    const isMaster = id === masterId;
    const flags = [
      ...(id === ownId ? ["myself"] : []),
      isMaster ? "master" : "slave",
      ...(address === null ? ["noaddr"] : []),
    ];
    const master = isMaster ? "-" : masterId ?? "-";
    const link = isConnected ? "connected" : "disconnected";
    const slots = isMaster ? ` 0-${SLOTS - 1}` : "";
    const place = formatRedisAddress(address ?? { host: "", port: 0 });
    return `${id} ${place}@${busPort} ${flags.join(",")} ${master} 0 0 ${epoch} ${link}${slots}\n`;
  }).join("");
}

type KnownNode = ClusterNode & { readonly address: Address };

function isKnown(node: ClusterNode): node is KnownNode {
  return node.address !== null;
}

/**
 * The servers with known addresses, the last known leader first. Members that this node cannot
 * reach are listed too: a client that gets an empty list forgets all nodes, and one that finds a
 * dead node asks another.
 */
function mastersFirst({ nodes, masterId }: ClusterView): KnownNode[] {
  const master = nodes.find(({ id }) => id === masterId);
  if (master === undefined || !isKnown(master)) return [];
  return [master, ...nodes.filter(isKnown).filter((node) => node !== master)];
}

/** `CLUSTER SLOTS` */
export function slotsReply(view: ClusterView): Reply {
  const known = mastersFirst(view);
  if (known.length === 0) return [];
  const nodes = known.map(({ id, address: { host, port } }): Reply => [host, port, id, []]);
  return [[0, SLOTS - 1, ...nodes]];
}

/** `CLUSTER SHARDS` */
export function shardsReply(view: ClusterView): Reply {
  const known = mastersFirst(view);
  if (known.length === 0) return [];
  const nodes = known.map(({ id, address: { host, port }, offset, isConnected }, at) =>
    new MapReply([
      ["id", id],
      ["port", port],
      ["ip", host],
      ["endpoint", host],
      ["role", at === 0 ? "master" : "replica"],
      ["replication-offset", offset],
      ["health", isConnected ? "online" : "fail"],
    ])
  );
  return [new MapReply([["slots", [0, SLOTS - 1]], ["nodes", nodes]])];
}

/** `CLUSTER INFO` */
export function clusterInfoText({ isServing, nodes, term }: ClusterView): string {
  const slotsOk = isServing ? SLOTS : 0;
  return linesOf([
    ["cluster_enabled", 1],
    ["cluster_state", isServing ? "ok" : "fail"],
    ["cluster_slots_assigned", SLOTS],
    ["cluster_slots_ok", slotsOk],
    ["cluster_slots_pfail", 0],
    ["cluster_slots_fail", SLOTS - slotsOk],
    ["cluster_known_nodes", nodes.length],
    ["cluster_size", 1],
    ["cluster_current_epoch", term],
    ["cluster_my_epoch", term],
  ]);
}

function replicasOf({ id: ownId, nodes }: ClusterView): readonly ClusterNode[] {
  return nodes.filter(({ id, isConnected }) => id !== ownId && isConnected);
}

/** `ROLE` in Redis's own shape. */
export function redisRole(view: ClusterView): Reply {
  if (!view.isMaster) {
    const { host, port } = view.masterAddress ?? { host: "", port: 0 };
    return ["slave", host, port, view.isServing ? "connected" : "connect", view.offset];
  }
  const replicas = replicasOf(view).map(({ address, offset }): Reply => [
    address?.host ?? "",
    String(address?.port ?? 0),
    String(offset),
  ]);
  return ["master", view.offset, replicas];
}

/** The section `replication` of `INFO`. */
export function replicationFields(view: ClusterView): Fields {
  if (!view.isMaster) {
    return [
      ["role", "slave"],
      ["master_host", view.masterAddress?.host ?? ""],
      ["master_port", view.masterAddress?.port ?? 0],
      ["master_link_status", view.isServing ? "up" : "down"],
      ["master_sync_in_progress", view.isCatchingUp ? 1 : 0],
      ["slave_repl_offset", view.offset],
      ["slave_read_only", 1],
      ["connected_slaves", 0],
    ];
  }
  const replicas = replicasOf(view);
  return [
    ["role", "master"],
    ["connected_slaves", replicas.length],
    ...replicas.map(({ address, offset }, number): [string, string] => [
      `slave${number}`,
      `ip=${address?.host ?? ""},port=${address?.port ?? 0},state=online,` +
      `offset=${offset},lag=${view.offset - offset}`,
    ]),
    ["master_repl_offset", view.offset],
  ];
}
