import { keySlot, SLOTS } from "../commands/key_slot.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "../commands/request_errors.ts";
import type { Clock } from "../node/clock.ts";
import type { Faults } from "../node/faults/faults.ts";
import type { Node } from "../node/node.ts";
import { LEADER_CHANGED } from "../node/refusals.ts";
import type { MemberReport, StateReport } from "../node/state_report.ts";
import { ErrorReply, MapReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import { MEMBER_HELP, MEMBER_SUBCOMMANDS, memberCommand } from "./member_commands.ts";
import type { Session } from "./session.ts";
import type { PendingReply } from "./pending_reply.ts";
import { clientAddressText, StateWatchers } from "./state_watchers.ts";

const HELP = [
  "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "ROLE",
  "    Return id, role, term, leader and indexes of this node.",
  "MEMBERS",
  "    Return the members' ids and addresses.",
  "NODES | SLOTS | SHARDS | INFO",
  "    Return the members in the forms of Redis Cluster; the leader serves all slots.",
  "MYID",
  "    Return the node's id.",
  "KEYSLOT <key>",
  "    Return the hash slot for <key>.",
  "WATCH <milliseconds>",
  "    Push this node's state at every change and at least that often (RESP3).",
  "FENCE <term>",
  "    Take data commands on this connection only while this node leads in <term>.",
  ...MEMBER_HELP,
  "HELP",
  "    Print this help.",
];

/** `CLUSTER …` on a node: Redis Cluster's view of the members, and Regent's own. */
export class ClusterCommands {
  readonly #node: Node;
  readonly #faults: Faults | null;
  readonly #watchers: StateWatchers;

  /** @param faults `null`: failures on purpose are not allowed */
  constructor(node: Node, clock: Clock, faults: Faults | null) {
    this.#node = node;
    this.#faults = faults;
    this.#watchers = new StateWatchers(node, clock);
  }

  run(
    connection: Connection,
    session: Session,
    args: readonly string[],
    reply: PendingReply,
  ): Reply | null {
    const subcommand = args[1]?.toUpperCase() ?? "";
    if (MEMBER_SUBCOMMANDS.includes(subcommand)) {
      memberCommand(this.#node, args, (answer) => reply.settle(answer));
      return null;
    }
    const arity = ARITIES.get(subcommand);
    if (arity === undefined) return unknownSubcommand(args);
    if (arity !== args.length) return wrongNumberOfArguments(`cluster|${subcommand.toLowerCase()}`);
    switch (subcommand) {
      case "ROLE":
        return roleReply(this.#node.report(), this.#faults);
      case "MYID":
        return this.#node.report().id;
      case "MEMBERS":
        return membersReply(this.#node.report());
      case "NODES":
        return nodesText(this.#node.report());
      case "SLOTS":
        return slotsReply(this.#node.report());
      case "SHARDS":
        return shardsReply(this.#node.report());
      case "INFO":
        return infoReply(this.#node.report());
      case "KEYSLOT":
        return keySlot(args[2] ?? "");
      case "WATCH":
        return this.#watch(connection, Number(args[2]));
      case "FENCE":
        return this.#fence(session, Number(args[2]));
      default:
        return HELP.map((line) => new SimpleString(line));
    }
  }

  unwatch(connection: Connection): void {
    this.#watchers.remove(connection);
  }

  #watch(connection: Connection, intervalMs: number): Reply {
    if (connection.protocol !== 3) {
      return new ErrorReply("ERR CLUSTER WATCH needs RESP3, say HELLO 3 first");
    }
    if (!Number.isInteger(intervalMs) || intervalMs < 10 || intervalMs > 60_000) {
      return new ErrorReply("ERR the interval is from 10 to 60000 milliseconds");
    }
    this.#watchers.add(connection, intervalMs);
    return OK;
  }

  #fence(session: Session, term: number): Reply {
    if (!Number.isSafeInteger(term) || term < 0) {
      return new ErrorReply("ERR the term is not an integer");
    }
    session.fenceTerm = term;
    return this.#node.leadsIn(term) ? OK : LEADER_CHANGED;
  }
}

/** Arguments of each subcommand with `CLUSTER` and its name. */
const ARITIES: ReadonlyMap<string, number> = new Map([
  ["ROLE", 2],
  ["MYID", 2],
  ["MEMBERS", 2],
  ["NODES", 2],
  ["SLOTS", 2],
  ["SHARDS", 2],
  ["INFO", 2],
  ["KEYSLOT", 3],
  ["WATCH", 3],
  ["FENCE", 3],
  ["HELP", 2],
]);

function roleReply(report: StateReport, faults: Faults | null): Reply {
  return new MapReply([
    ["id", report.id],
    ["role", report.role],
    ["term", report.term],
    ["leader-id", report.leaderId ?? ""],
    ["leader-address", clientAddressText(report.leaderAddress)],
    ["commit-index", report.commitIndex],
    ["applied-index", report.appliedIndex],
    ...(faults === null ? [] : [["faults", faults.texts()] as const]),
  ]);
}

function membersReply({ members }: StateReport): Reply {
  return new MapReply(
    members.map(({ id, clientAddress }) => [id, clientAddressText(clientAddress)]),
  );
}

/** Redis's line for each member; the leader is the master of all slots. */
function nodesText(report: StateReport): string {
  return report.members.map((member) => {
    const { host, port } = member.clientAddress ?? { host: "", port: 0 };
    const isLeader = member.id === report.leaderId;
    const flags = [
      ...(member.id === report.id ? ["myself"] : []),
      isLeader ? "master" : "slave",
      ...(member.clientAddress === null ? ["noaddr"] : []),
    ];
    const master = isLeader ? "-" : report.leaderId ?? "-";
    const link = member.isConnected ? "connected" : "disconnected";
    const slots = isLeader ? ` 0-${SLOTS - 1}` : "";
    return `${member.id} ${host}:${port}@${member.raftAddress.port} ${flags.join(",")} ${master} ` +
      `0 0 ${report.term} ${link}${slots}\n`;
  }).join("");
}

/** The leader first, then who else can be reached. */
function reachable(report: StateReport): (MemberReport & { clientAddress: object })[] {
  const isKnown = (member: MemberReport) => member.clientAddress !== null && member.isConnected;
  const leader = report.members.filter((member) =>
    member.id === report.leaderId && isKnown(member)
  );
  if (leader.length === 0) return [];
  const others = report.members.filter((member) =>
    member.id !== report.leaderId && isKnown(member)
  );
  return [...leader, ...others] as (MemberReport & { clientAddress: object })[];
}

function slotsReply(report: StateReport): Reply {
  const members = reachable(report);
  if (members.length === 0) return [];
  const nodes = members.map(({ id, clientAddress }): Reply => [
    clientAddress?.host ?? "",
    clientAddress?.port ?? 0,
    id,
    [],
  ]);
  return [[0, SLOTS - 1, ...nodes]];
}

function shardsReply(report: StateReport): Reply {
  const members = reachable(report);
  if (members.length === 0) return [];
  const nodes = members.map(({ id, clientAddress, matchIndex }) =>
    new MapReply([
      ["id", id],
      ["port", clientAddress?.port ?? 0],
      ["ip", clientAddress?.host ?? ""],
      ["endpoint", clientAddress?.host ?? ""],
      ["role", id === report.leaderId ? "master" : "replica"],
      ["replication-offset", matchIndex ?? report.appliedIndex],
      ["health", "online"],
    ])
  );
  return [new MapReply([["slots", [0, SLOTS - 1]], ["nodes", nodes]])];
}

function infoReply(report: StateReport): string {
  const isOk = report.isServing;
  const slots = isOk ? SLOTS : 0;
  const fields: [string, string | number][] = [
    ["cluster_enabled", 1],
    ["cluster_state", isOk ? "ok" : "fail"],
    ["cluster_slots_assigned", SLOTS],
    ["cluster_slots_ok", slots],
    ["cluster_slots_pfail", 0],
    ["cluster_slots_fail", SLOTS - slots],
    ["cluster_known_nodes", report.members.length],
    ["cluster_size", 1],
    ["cluster_current_epoch", report.term],
    ["cluster_my_epoch", report.term],
  ];
  return fields.map(([name, value]) => `${name}:${value}\r\n`).join("");
}
