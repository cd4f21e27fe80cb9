import { keySlot, SLOTS } from "../commands/key_slot.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "../commands/request_errors.ts";
import type { Address } from "../node/network.ts";
import { DoubleReply, ErrorReply, MapReply, type Reply, SimpleString } from "../resp/reply.ts";
import { MEMBER_HELP } from "../server/member_commands.ts";
import { parseAddressText } from "./address_text.ts";
import type { NodeStatus, ProxyStatus } from "./proxy_view.ts";

const HELP = [
  "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "ROLE",
  "    Return the proxy's view: the leader, and each node's state.",
  "MEMBERS",
  "    Return the nodes' ids and addresses.",
  "NODES | SLOTS | SHARDS | INFO",
  "    Return the forms of Redis Cluster; this proxy serves all slots.",
  "MYID",
  "    Return the proxy's id.",
  "KEYSLOT <key>",
  "    Return the hash slot for <key>.",
  ...MEMBER_HELP,
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));

export interface ProxyClusterSources {
  readonly status: ProxyStatus;
  /** 40 hexadecimal digits, as Redis has them. */
  readonly id: string;
  /** `host:port` at which the client reached the proxy. */
  readonly local: string;
}

/**
 * `CLUSTER …` on a proxy. To clients of Redis Cluster the proxy is the single master of all slots, at
 * the address at which they reached it; `ROLE` and `MEMBERS` tell of the nodes behind it.
 */
export function proxyCluster(sources: ProxyClusterSources, args: readonly string[]): Reply {
  const { status, id } = sources;
  const self = parseAddressText(sources.local) ?? { host: "", port: 0 };
  const subcommand = args[1]?.toLowerCase() ?? "";
  const length = subcommand === "keyslot" ? 3 : 2;
  const answer = answers.get(subcommand);
  if (answer === undefined) {
    return subcommand === "watch" || subcommand === "fence"
      ? new ErrorReply(`ERR CLUSTER ${subcommand.toUpperCase()} is for nodes, this is a proxy`)
      : unknownSubcommand(args);
  }
  if (args.length !== length) return wrongNumberOfArguments(`cluster|${subcommand}`);
  return answer(status, id, self, args[2] ?? "");
}

type Answer = (status: ProxyStatus, id: string, self: Address, argument: string) => Reply;

const answers: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["role", (status) => roleReply(status)],
  ["members", ({ nodes }) => membersReply(nodes)],
  ["myid", (_status, id) => id],
  ["keyslot", (_status, _id, _self, key) => keySlot(key)],
  ["info", (status) => infoReply(status)],
  [
    "nodes",
    (_status, id, { host, port }) =>
      `${id} ${host}:${port}@${port} myself,master - 0 0 0 connected 0-${SLOTS - 1}\n`,
  ],
  ["slots", (_status, id, { host, port }) => [[0, SLOTS - 1, [host, port, id, []]]]],
  ["shards", (_status, id, self) => [shardReply(id, self)]],
  ["help", () => HELP],
]);

function roleReply({ leader, term, nodes }: ProxyStatus): Reply {
  return new MapReply([
    ["role", "proxy"],
    ["term", term],
    ["leader-id", leader?.id ?? ""],
    ["leader-address", leader?.address ?? ""],
    ["nodes", nodes.map(nodeReply)],
  ]);
}

function nodeReply(node: NodeStatus): Reply {
  return new MapReply([
    ["id", node.id],
    ["address", node.address],
    ["role", node.role],
    ["term", node.term],
    ["responsive", node.isResponsive ? 1 : 0],
    ["in-flight", node.inFlight],
    ["latency-ms", new DoubleReply(Math.round(node.latencyMs * 1000) / 1000)],
    ["commit-index", node.commitIndex],
    ["applied-index", node.appliedIndex],
  ]);
}

function membersReply(nodes: readonly NodeStatus[]): Reply {
  return new MapReply(
    nodes.filter(({ id }) => id !== "").map(({ id, address }) => [id, address]),
  );
}

function shardReply(id: string, { host, port }: Address): Reply {
  const node = new MapReply([
    ["id", id],
    ["port", port],
    ["ip", host],
    ["endpoint", host],
    ["role", "master"],
    ["replication-offset", 0],
    ["health", "online"],
  ]);
  return new MapReply([["slots", [0, SLOTS - 1]], ["nodes", [node]]]);
}

function infoReply({ leader, term }: ProxyStatus): string {
  const slotsOk = leader === null ? 0 : SLOTS;
  const fields: [string, string | number][] = [
    ["cluster_enabled", 1],
    ["cluster_state", leader === null ? "fail" : "ok"],
    ["cluster_slots_assigned", SLOTS],
    ["cluster_slots_ok", slotsOk],
    ["cluster_slots_pfail", 0],
    ["cluster_slots_fail", SLOTS - slotsOk],
    ["cluster_known_nodes", 1],
    ["cluster_size", 1],
    ["cluster_current_epoch", term],
    ["cluster_my_epoch", term],
  ];
  return fields.map(([name, value]) => `${name}:${value}\r\n`).join("");
}
