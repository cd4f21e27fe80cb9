import { type Address, formatAddress, formatRedisAddress, parseAddress } from "../base/address.ts";
import { keySlot, SLOTS } from "../commands/command.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "../commands/command_error.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { Faults } from "../faults/faults.ts";
import { LEADER_CHANGED } from "../node/clients/request.ts";
import type { MemberReport, StateReport } from "../node/members/report.ts";
import type { Node } from "../node/node.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import { ErrorReply, MapReply, OK, PushReply, type Reply } from "../resp/reply.ts";
import type { ClientState } from "./client_state.ts";
import type { Connection } from "./connection.ts";
import { type Answer, type PendingReply, SETTLED_BY_HANDLER } from "./pending_reply.ts";

/** `host:port` with an IPv6 host in brackets; empty while the address is unknown. */
export function clientAddressText(address: Address | null): string {
  return address === null ? "" : formatAddress(address);
}

/** The connections, mostly of proxies, that get the node's state pushed as it changes. */
export class StateSubscribers {
  readonly #node: Node;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #timers = new Map<Connection, Cancel>();
  #cancelWatch: Cancel | null = null;

  constructor(node: Node, machine: StateMachine, clock: Clock) {
    this.#node = node;
    this.#machine = machine;
    this.#clock = clock;
  }

  /** Pushes the state at once, at every change, and every `intervalMs`. */
  add(connection: Connection, intervalMs: number): void {
    this.#timers.get(connection)?.();
    connection.isWatching = true;
    this.#cancelWatch ??= this.#node.watch(() => this.#pushAll());
    const beat = () => {
      this.#push(connection);
      if (!this.#timers.has(connection)) return;
      this.#timers.set(connection, this.#clock.after(intervalMs, beat));
    };
    this.#timers.set(connection, this.#clock.after(0, beat));
  }

  remove(connection: Connection): void {
    this.#timers.get(connection)?.();
    this.#timers.delete(connection);
    connection.isWatching = false;
    if (this.#timers.size > 0) return;
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  #pushAll(): void {
    for (const connection of this.#timers.keys()) this.#push(connection);
  }

  #push(connection: Connection): void {
    if (connection.protocol !== 3) return this.remove(connection); // it has said HELLO 2
    connection.push(statePush(this.#node.report(), this.#machine));
  }
}

function statePush(report: StateReport, { keyspace, memoryBytesMax }: StateMachine): PushReply {
  const nodes = report.members
    .filter(({ clientAddress }) => clientAddress !== null)
    .map(({ id, clientAddress }) => [id, clientAddressText(clientAddress)]);
  return new PushReply([
    "regent-state",
    new MapReply([
      ["id", report.id],
      ["cluster-id", report.clusterId],
      ["role", report.role],
      ["term", report.term],
      ["leader-id", report.leaderId ?? ""],
      ["leader-address", clientAddressText(report.leaderAddress)],
      ["commit-index", report.commitIndex],
      ["applied-index", report.appliedIndex],
      ["serving", report.isServing ? 1 : 0],
      ["catching-up", report.isCatchingUp ? 1 : 0],
      ["queue", report.queued],
      ["nodes", nodes],
      ["keys", keyspace.size],
      ["expires", keyspace.volatileSize],
      ["memory-bytes-max", memoryBytesMax],
      ["members", report.members.map(({ id }) => id)],
    ]),
  ]);
}

/**
 * Subcommands that only the leader can execute. Other nodes answer `-MOVED`; a proxy forwards them.
 */
export const MEMBER_SUBCOMMANDS: readonly string[] = ["JOIN", "FORGET", "TRANSFER"];

/** What an id may be, as for `--id`. */
const ID = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * `CLUSTER JOIN`, `FORGET` and `TRANSFER`. Answered when the change is committed, or the successor
 * leads.
 *
 * @param args the whole request, with `CLUSTER` and the subcommand
 */
export function memberCommand(
  node: Node,
  args: readonly string[],
  settle: (reply: Reply) => void,
): void {
  const [, name = "", id = "", option, incarnation = ""] = args;
  const subcommand = name.toUpperCase();
  const counts = { JOIN: [5], FORGET: [3, 4], TRANSFER: [3] }[subcommand] ?? [];
  if (!counts.includes(args.length)) {
    throw wrongNumberOfArguments(`cluster|${subcommand.toLowerCase()}`);
  }
  if (!ID.test(id)) return settle(new ErrorReply("ERR the id is not one that a node can have"));
  const { membership } = node;
  if (subcommand === "TRANSFER") return membership.transfer.start(id, settle);
  if (subcommand === "FORGET") {
    if (option !== undefined && option.toUpperCase() !== "FORCE") {
      return settle(new ErrorReply("ERR syntax error"));
    }
    return membership.forget(id, option !== undefined, settle);
  }
  const address = parseAddress(option ?? "");
  if (address === null) return settle(new ErrorReply("ERR the address is not <host>:<raft-port>"));
  if (!ID.test(incarnation)) return settle(new ErrorReply("ERR the incarnation is not one"));
  membership.join(id, address, incarnation, (reply) => {
    settle(reply === OK ? joinedReply(node.report()) : reply);
  });
}

/** What a new node needs to start: the id of its cluster, and the members it can connect to. */
function joinedReply({ clusterId, members }: StateReport): Reply {
  return new MapReply([
    ["cluster-id", clusterId],
    [
      "members",
      new MapReply(members.map(({ id, raftAddress }) => [id, formatAddress(raftAddress)])),
    ],
  ]);
}

/** `CLUSTER …` on a node: Redis Cluster's view of the members, and Regent's own. */
export class ClusterCommands {
  readonly #node: Node;
  readonly #faults: Faults | null;
  readonly #subscribers: StateSubscribers;

  /** @param faults `null`: failures on purpose are not allowed */
  constructor(node: Node, machine: StateMachine, clock: Clock, faults: Faults | null) {
    this.#node = node;
    this.#faults = faults;
    this.#subscribers = new StateSubscribers(node, machine, clock);
  }

  run(
    connection: Connection,
    state: ClientState,
    args: readonly string[],
    reply: PendingReply,
  ): Answer {
    const subcommand = args[1]?.toUpperCase() ?? "";
    if (MEMBER_SUBCOMMANDS.includes(subcommand)) {
      memberCommand(this.#node, args, (answer) => reply.settle(answer));
      return SETTLED_BY_HANDLER;
    }
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
        return this.#fence(state, Number(args[2]));
      default:
        throw unknownSubcommand(args);
    }
  }

  unwatch(connection: Connection): void {
    this.#subscribers.remove(connection);
  }

  #watch(connection: Connection, intervalMs: number): Reply {
    if (connection.protocol !== 3) {
      return new ErrorReply("ERR CLUSTER WATCH needs RESP3, say HELLO 3 first");
    }
    if (!Number.isInteger(intervalMs) || intervalMs < 10 || intervalMs > 60_000) {
      return new ErrorReply("ERR the interval is from 10 to 60000 milliseconds");
    }
    this.#subscribers.add(connection, intervalMs);
    return OK;
  }

  #fence(state: ClientState, term: number): Reply {
    if (!Number.isSafeInteger(term) || term < 0) {
      return new ErrorReply("ERR the term is not an integer");
    }
    state.fenceTerm = term;
    return this.#node.leadsIn(term) ? OK : LEADER_CHANGED;
  }
}

function roleReply(report: StateReport, faults: Faults | null): Reply {
  return new MapReply([
    ["id", report.id],
    ["role", report.role],
    ["term", report.term],
    ["leader-id", report.leaderId ?? ""],
    ["leader-address", clientAddressText(report.leaderAddress)],
    ["commit-index", report.commitIndex],
    ["applied-index", report.appliedIndex],
    ["catching-up", report.isCatchingUp ? 1 : 0],
    ["clock-offset-ms", report.time.clockOffsetMs],
    ["protocol-version", report.protocolVersion],
    ["machine-version", report.machineVersion],
    ["machine-version-max", report.machineVersionMax],
    ...(faults === null ? [] : [["faults", faults.texts()] as const]),
  ]);
}

function membersReply({ members }: StateReport): Reply {
  return new MapReply(
    members.map(({ id, clientAddress }) => [id, clientAddressText(clientAddress)]),
  );
}

/**
 * A line of Redis's `CLUSTER NODES` for each member. The last known leader is master of all slots.
 */
function nodesText(report: StateReport): string {
  const masterId = masterOf(report)?.id ?? null;
  return report.members.map((member) => {
    const address = formatRedisAddress(member.clientAddress ?? { host: "", port: 0 });
    const isMaster = member.id === masterId;
    const flags = [
      ...(member.id === report.id ? ["myself"] : []),
      isMaster ? "master" : "slave",
      ...(member.clientAddress === null ? ["noaddr"] : []),
    ];
    const master = isMaster ? "-" : masterId ?? "-";
    const link = member.isConnected ? "connected" : "disconnected";
    const slots = isMaster ? ` 0-${SLOTS - 1}` : "";
    return `${member.id} ${address}@${member.raftAddress.port} ${flags.join(",")} ${master} ` +
      `0 0 ${report.term} ${link}${slots}\n`;
  }).join("");
}

type KnownMember = MemberReport & { readonly clientAddress: Address };

function isKnown(member: MemberReport): member is KnownMember {
  return member.clientAddress !== null;
}

function masterOf(report: StateReport): MemberReport | undefined {
  return report.members.find(({ id }) => id === report.lastLeaderId);
}

/**
 * The members with known addresses, the last known leader first. Members that this node cannot
 * reach are listed too: a client that gets an empty list forgets all nodes, and one that finds a
 * dead node asks another.
 */
function mastersFirst(report: StateReport): KnownMember[] {
  const master = masterOf(report);
  if (master === undefined || !isKnown(master)) return [];
  return [master, ...report.members.filter(isKnown).filter((member) => member !== master)];
}

function slotsReply(report: StateReport): Reply {
  const members = mastersFirst(report);
  if (members.length === 0) return [];
  const nodes = members.map(({ id, clientAddress: { host, port } }): Reply => [host, port, id, []]);
  return [[0, SLOTS - 1, ...nodes]];
}

function shardsReply(report: StateReport): Reply {
  const members = mastersFirst(report);
  if (members.length === 0) return [];
  const nodes = members.map(({ id, clientAddress: { host, port }, matchIndex, isConnected }, i) =>
    new MapReply([
      ["id", id],
      ["port", port],
      ["ip", host],
      ["endpoint", host],
      ["role", i === 0 ? "master" : "replica"],
      ["replication-offset", matchIndex ?? report.appliedIndex],
      ["health", isConnected ? "online" : "fail"],
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
