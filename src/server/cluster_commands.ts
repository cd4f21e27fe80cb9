import { type Address, formatAddress, parseAddress } from "../base/address.ts";
import { isOption } from "../commands/arguments.ts";
import type { ClusterView } from "../commands/cluster_view.ts";
import { CommandError, SYNTAX_ERROR } from "../commands/command_error.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { Faults } from "../faults/faults.ts";
import { ClientOrder, LEADER_CHANGED } from "../node/clients/request.ts";
import type { StateReport } from "../node/members/report.ts";
import type { Node } from "../node/node.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import { MapReply, OK, PushReply, type Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";

/** What a node knows of one client beyond its connection. */
export class ClientState {
  readonly order = new ClientOrder();
  /** Whether a request was refused under the fence, so that none that follows may be executed. */
  hasRefused = false;
  #fenceTerm: number | null = null;

  /** Set by `CLUSTER FENCE`: data commands are accepted only while this node leads in that term. */
  get fenceTerm(): number | null {
    return this.#fenceTerm;
  }

  set fenceTerm(term: number | null) {
    this.#fenceTerm = term;
    this.hasRefused = false;
  }

  /** Resets it as for a new client. Requests in flight keep their order. */
  reset(): void {
    this.fenceTerm = null;
  }
}

/** `host:port` with an IPv6 host in brackets; empty while the address is unknown. */
export function clientAddressText(address: Address | null): string {
  return address === null ? "" : formatAddress(address);
}

/** Maximum number of subscribers: one turn of the event loop pushes a change to all of them. */
export const SUBSCRIBERS_MAX = 1_024;

/** A connection that gets the node's state pushed. */
export type SubscribedConnection = Pick<Connection, "isWatching" | "protocol" | "push">;

/** The connections, mostly of proxies, that get the node's state pushed as it changes. */
export class StateSubscribers {
  readonly #node: Pick<Node, "report" | "watch">;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #timers = new Map<SubscribedConnection, Cancel>();
  #cancelWatch: Cancel | null = null;

  constructor(node: Pick<Node, "report" | "watch">, machine: StateMachine, clock: Clock) {
    this.#node = node;
    this.#machine = machine;
    this.#clock = clock;
  }

  /** Pushes the state at once, at every change, and every `intervalMs`. */
  add(connection: SubscribedConnection, intervalMs: number): void {
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

  remove(connection: SubscribedConnection): void {
    this.#timers.get(connection)?.();
    this.#timers.delete(connection);
    connection.isWatching = false;
    if (this.#timers.size > 0) return;
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  /** Whether the connection cannot be added, since the maximum number of others is reached. */
  isFullFor(connection: SubscribedConnection): boolean {
    return this.#timers.size >= SUBSCRIBERS_MAX && !this.#timers.has(connection);
  }

  #pushAll(): void {
    const state = this.#state();
    for (const connection of this.#timers.keys()) this.#push(connection, state);
  }

  #push(connection: SubscribedConnection, state = this.#state()): void {
    if (connection.protocol !== 3) return this.remove(connection); // it has sent HELLO 2
    connection.push(state);
  }

  #state(): PushReply {
    return statePush(this.#node.report(), this.#machine);
  }
}

function statePush(
  report: StateReport,
  { keyspace, memoryBytesMax, users }: StateMachine,
): PushReply {
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
      ["users-version", users.version],
      ["members", report.members.map(({ id }) => id)],
    ]),
  ]);
}

/** The form of an id, as for `--id`. */
const ID = /^[A-Za-z0-9_.-]{1,64}$/;

const INVALID_ID = new CommandError("ERR invalid node id");
const INVALID_ADDRESS = new CommandError("ERR the address is not <host>:<raft-port>");
const INVALID_INCARNATION = new CommandError("ERR invalid incarnation");

type Settle = (reply: Reply) => void;

/** `CLUSTER JOIN`, settled when the change is committed. */
export function joinMember(
  node: Node,
  id: string,
  raftAddress: string,
  incarnation: string,
  settle: Settle,
): void {
  if (!ID.test(id)) throw INVALID_ID;
  const address = parseAddress(raftAddress);
  if (address === null) throw INVALID_ADDRESS;
  if (!ID.test(incarnation)) throw INVALID_INCARNATION;
  node.membership.join(id, address, incarnation, (reply) => {
    settle(reply === OK ? joinedReply(node.report()) : reply);
  });
}

/** `CLUSTER FORGET`, settled when the change is committed. */
export function forgetMember(
  node: Node,
  id: string,
  option: string | undefined,
  settle: Settle,
): void {
  if (!ID.test(id)) throw INVALID_ID;
  if (option !== undefined && !isOption(option, "FORCE")) throw SYNTAX_ERROR;
  node.membership.forget(id, option !== undefined, settle);
}

/** `CLUSTER TRANSFER`, settled when the successor leads. */
export function transferLeadership(node: Node, id: string, settle: Settle): void {
  if (!ID.test(id)) throw INVALID_ID;
  node.membership.transfer.start(id, settle);
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

/** Subscribes a connection to the node's state: `CLUSTER WATCH`. */
export function watchState(
  subscribers: StateSubscribers,
  connection: Connection,
  intervalMs: number,
): Reply {
  if (connection.protocol !== 3) {
    throw new CommandError("ERR CLUSTER WATCH needs RESP3, send HELLO 3 first");
  }
  if (!Number.isInteger(intervalMs) || intervalMs < 10 || intervalMs > 60_000) {
    throw new CommandError("ERR the interval must be from 10 to 60000 milliseconds");
  }
  if (subscribers.isFullFor(connection)) {
    throw new CommandError(`ERR too many connections watch, the maximum is ${SUBSCRIBERS_MAX}`);
  }
  subscribers.add(connection, intervalMs);
  return OK;
}

/** `CLUSTER FENCE`: accepts data commands only while this node leads in that term. */
export function fence(node: Node, state: ClientState, term: number): Reply {
  if (!Number.isSafeInteger(term) || term < 0) {
    throw new CommandError("ERR the term is not an integer");
  }
  state.fenceTerm = term;
  return node.leadsIn(term) ? OK : LEADER_CHANGED;
}

/** `CLUSTER ROLE` */
export function roleReply(report: StateReport, faults: Faults | null): Reply {
  return new MapReply([
    ["id", report.id],
    ["role", report.role],
    ["term", report.term],
    ["leader-id", report.leaderId ?? ""],
    ["leader-address", clientAddressText(report.leaderAddress)],
    ["commit-index", report.commitIndex],
    ["applied-index", report.appliedIndex],
    ["serving", report.isServing ? 1 : 0],
    ["catching-up", report.isCatchingUp ? 1 : 0],
    ["clock-offset-ms", report.time.clockOffsetMs],
    ["protocol-version", report.protocolVersion],
    ["machine-version", report.machineVersion],
    ["machine-version-max", report.machineVersionMax],
    ...(faults === null ? [] : [["faults", faults.texts()] as const]),
  ]);
}

/** The cluster as this node sees it. */
export function nodeView(report: StateReport): ClusterView {
  const { id, term, members, isServing, isCatchingUp, leaderAddress, lastLeaderId } = report;
  const isMaster = report.role === "leader";
  return {
    id,
    term,
    isServing,
    isCatchingUp,
    nodes: members.map((member) => ({
      id: member.id,
      address: member.clientAddress,
      busPort: member.raftAddress.port,
      isConnected: member.isConnected,
      offset: member.matchIndex ?? report.appliedIndex,
      epoch: term,
    })),
    masterId: members.some((member) => member.id === lastLeaderId) ? lastLeaderId : null,
    isMaster,
    masterAddress: leaderAddress,
    offset: isMaster ? report.lastIndex : report.appliedIndex,
    members: members.map((member) => [member.id, clientAddressText(member.clientAddress)]),
  };
}
