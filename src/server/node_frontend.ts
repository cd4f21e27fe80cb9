import { AccessControl } from "../access/access_control.ts";
import { PEER } from "../access/accounts.ts";
import type { ClusterSecret } from "../access/peer_proof.ts";
import { type Arguments, textOf } from "../base/byte_string.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { REDIS_VERSION } from "../base/version.ts";
import type { ClusterView } from "../commands/cluster_view.ts";
import type { Command } from "../commands/command.ts";
import { MAXMEMORY } from "../commands/config_set.ts";
import type {
  FaultServer,
  LeaderServer,
  LocalReply,
  LocalServer,
  NodeServer,
  SnapshotPiece,
} from "../commands/local.ts";
import { ownedSessionOpen, SESSION_OPEN } from "../commands/session_rows.ts";
import { checkRequest } from "../commands/table.ts";
import { DELETE_USERS, USER_RULES, userRulesRequest } from "../commands/user_writes.ts";
import {
  LEADER_CHANGED,
  REFUSED_BEFORE,
  type ReplySink,
  Request,
  slotOf,
} from "../node/clients/request.ts";
import type { Node } from "../node/node.ts";
import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import type { Clock } from "../platform/clock.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { AclError } from "../security/mod.ts";
import {
  ClientState,
  fence,
  forgetMember,
  joinMember,
  nodeView,
  roleReply,
  StateSubscribers,
  transferLeadership,
  watchState,
} from "./cluster_commands.ts";
import type { Connection } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { FaultCommands } from "./fault_commands.ts";
import { type CountsBefore, NO_COUNTS_BEFORE, nodeInfo, type NodeInfoSources } from "./info.ts";
import type { RequestHandler, RespListener } from "./listener.ts";
import type { PendingReply } from "./pending_reply.ts";
import { SnapshotCommands } from "./snapshot_commands.ts";

export interface NodeFrontendOptions extends Omit<NodeInfoSources, "countsBefore" | "node"> {
  readonly node: Node;
  readonly clock: Clock;
  /** To be called only once there is a client. */
  readonly listener: () => RespListener;
  /** The flags that `CONFIG GET` shows. */
  readonly config: ReadonlyMap<string, string>;
  /** The secret by which other processes of the cluster prove themselves. @default none */
  readonly secret?: ClusterSecret | null;
  /** Gets lines about refusals and administrative actions. @default they are dropped */
  readonly logger?: Logger;
}

/** Answers the clients of a node. Local commands run here, reads and writes go to the node. */
export class NodeFrontend extends Dispatcher<Arguments>
  implements RequestHandler, LocalServer, NodeServer, LeaderServer {
  protected override readonly local: LocalServer = this;
  readonly ofNode: NodeServer = this;
  readonly ofLeader: LeaderServer = this;
  readonly faults: FaultServer;
  readonly #node: Node;
  readonly #options: NodeFrontendOptions;
  readonly #states = new WeakMap<Connection, ClientState>();
  readonly #subscribers: StateSubscribers;
  readonly #snapshots: SnapshotCommands;
  #countsBefore: CountsBefore = NO_COUNTS_BEFORE;

  #usersVersion: number;

  constructor(options: NodeFrontendOptions) {
    const { clock, machine, secret = null, logger = silentLogger } = options;
    super(clock, new AccessControl({ users: () => machine.users, clock, secret, logger }));
    this.#usersVersion = machine.users.version;
    options.node.watch(() => this.#followUsers());
    this.#node = options.node;
    this.#options = options;
    this.faults = new FaultCommands(options.faultTools ?? null, options.node);
    this.#snapshots = new SnapshotCommands(options.node);
    this.#subscribers = new StateSubscribers(options.node, options.machine, options.clock);
  }

  get config(): ReadonlyMap<string, string> {
    const { config, machine } = this.#options;
    return new Map([...config, [MAXMEMORY, String(machine.memoryBytesMax)]]);
  }

  get clients(): ReadonlyMap<number, Connection> {
    return this.#options.listener().connections;
  }

  handle(connection: Connection, args: Arguments, reply: PendingReply): void {
    this.dispatch(connection, args, reply);
  }

  protected override rowOf(args: Arguments): Command {
    return checkRequest(args);
  }

  protected override nameOf(args: Arguments): string {
    return textOf(args[0] ?? "");
  }

  protected override argumentsOf(args: Arguments): Arguments {
    return args;
  }

  protected override argsOf(args: Arguments): readonly string[] {
    return args.map(textOf);
  }

  #followUsers(): void {
    const { version } = this.#options.machine.users;
    if (version === this.#usersVersion) return;
    this.#usersVersion = version;
    this.access.update(this.clients.values());
  }

  protected override submit(
    connection: Connection,
    command: Command,
    args: Arguments,
    reply: PendingReply,
  ): void {
    const state = this.#stateOf(connection);
    if (state.fenceTerm !== null && !this.#node.leadsIn(state.fenceTerm)) {
      return reply.settle(this.#node.refusal(slotOf({ command, args })) ?? LEADER_CHANGED);
    }
    if (state.hasRefused) return reply.settle(REFUSED_BEFORE);
    const isOwned = command.name === SESSION_OPEN;
    const owned = isOwned ? this.#owned(connection, state, args.map(textOf)) : args;
    if (command.name === DELETE_USERS) {
      return this.#submitChange(connection, command, args, reply);
    }
    this.#node.submit(new Request(command, owned, state.order, reply));
    // The node executes nothing before the end of the turn: a reply settled by now is a refusal.
    if (state.fenceTerm !== null && reply.text !== null) state.hasRefused = true;
  }

  /** `SESSION OPEN` with the name of the connection: sessions count against the one that opens them. */
  #owned(connection: Connection, state: ClientState, args: readonly string[]) {
    const { id } = this.#node.report();
    const name = `${id}-${this.#options.facts.runId.slice(0, 8)}-${connection.id}`;
    // Without a secret nobody can prove to be a proxy.
    const mayBeProxy = connection.account === PEER || !this.access.control.hasSecret;
    return ownedSessionOpen(args, name, mayBeProxy && state.fenceTerm !== null);
  }

  noteLargest(bytes: number): void {
    this.#node.noteLargest(bytes);
  }

  forget(connection: Connection): void {
    this.reset(connection);
    this.forgetHeld(connection);
  }

  /** Ends what a client has set up, when it closes the connection or sends `RESET`. */
  reset(connection: Connection): void {
    this.#subscribers.remove(connection);
    this.#snapshots.forget(connection);
    this.#stateOf(connection).reset();
  }

  hello() {
    const { role } = this.#node.report();
    const redisRole = role === "leader" ? "master" : "replica";
    return { version: REDIS_VERSION, mode: "cluster", role: redisRole };
  }

  info(sections: readonly string[]): string {
    return nodeInfo({ ...this.#options, countsBefore: this.#countsBefore }, sections);
  }

  resetStatistics(): void {
    const { listener, machine, node } = this.#options;
    listener().resetTotals();
    Object.assign(machine.keyspace.lookUps, { hits: 0, misses: 0 });
    this.#countsBefore = {
      expiredKeys: machine.keyspace.expiredCount,
      saves: node.snapshots?.report().count ?? 0,
    };
  }

  clusterView(): ClusterView {
    return nodeView(this.#node.report());
  }

  clusterRole(): Reply {
    return roleReply(this.#node.report(), this.#options.faultTools?.faults ?? null);
  }

  fence(connection: Connection, term: number): Reply {
    return fence(this.#node, this.#stateOf(connection), term);
  }

  watch(connection: Connection, intervalMs: number): Reply {
    return watchState(this.#subscribers, connection, intervalMs);
  }

  setUser(
    connection: Connection,
    name: string,
    rules: readonly string[],
    reply: PendingReply,
  ): void {
    const refusal = this.#node.refusal(0);
    if (refusal !== null) return reply.settle(refusal);
    this.access.holdWhile(connection, async () => {
      const finished = await this.#finishedRules(name, rules);
      if (finished instanceof ErrorReply) return () => reply.settle(finished);
      const request = userRulesRequest(name, finished);
      return () => this.#submitChange(connection, USER_RULES, request, reply);
    });
  }

  /** Submits a change of users, which the connection's later requests have to see. */
  #submitChange(
    connection: Connection,
    command: Command,
    args: Arguments,
    reply: PendingReply,
  ): void {
    const release = this.access.holdUntil(connection);
    const sink: ReplySink = {
      settle: (answer) => {
        reply.settle(answer);
        this.#followUsers();
        release();
      },
    };
    this.#node.submit(new Request(command, args, this.#stateOf(connection).order, sink));
  }

  async #finishedRules(name: string, rules: readonly string[]) {
    try {
      return await this.access.control.finishedRules(name, rules);
    } catch (error) {
      if (error instanceof AclError) return new ErrorReply(error.text);
      throw error;
    }
  }

  join(id: string, raftAddress: string, incarnation: string, reply: LocalReply): void {
    joinMember(this.#node, id, raftAddress, incarnation, (answer) => reply.settle(answer));
  }

  forgetMember(id: string, option: string | undefined, reply: LocalReply): void {
    forgetMember(this.#node, id, option, (answer) => reply.settle(answer));
  }

  transfer(id: string, reply: LocalReply): void {
    transferLeadership(this.#node, id, (answer) => reply.settle(answer));
  }

  get snapshots(): NodeSnapshots | null {
    return this.#node.snapshots;
  }

  beginSnapshot(connection: Connection, reply: PendingReply): void {
    this.#snapshots.begin(connection, this.#stateOf(connection).order, reply);
  }

  readSnapshot(connection: Connection, piece: SnapshotPiece, reply: PendingReply): void {
    this.#snapshots.read(connection, piece, reply);
  }

  endSnapshot(connection: Connection, id: string): Reply {
    return this.#snapshots.end(connection, id);
  }

  wait(replicas: number, timeoutMs: number, reply: PendingReply): void {
    const refusal = this.#node.refusal(0);
    if (refusal !== null) return reply.settle(refusal);
    reply.waitUnbounded(
      this.#node.whenReplicated(replicas, timeoutMs, (count) => reply.settle(count)),
    );
  }

  #stateOf(connection: Connection): ClientState {
    let state = this.#states.get(connection);
    if (state === undefined) {
      state = new ClientState();
      this.#states.set(connection, state);
    }
    return state;
  }
}
