import { type Arguments, textOf } from "../base/byte_string.ts";
import type { Command } from "../commands/command.ts";
import { errorReplyOf } from "../commands/command_error.ts";
import { MAXMEMORY } from "../commands/config_set.ts";
import { ownedSessionOpen, SESSION_OPEN } from "../commands/session_rows.ts";
import { checkRequest } from "../commands/table.ts";
import { LEADER_CHANGED, REFUSED_BEFORE, Request, slotOf } from "../node/clients/request.ts";
import type { Node } from "../node/node.ts";
import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import type { Clock } from "../platform/clock.ts";
import type { Reply } from "../resp/reply.ts";
import { ClientPause } from "./client_pause.ts";
import { ClientState } from "./client_state.ts";
import { ClusterCommands } from "./cluster_commands.ts";
import type { Connection } from "./connection.ts";
import { faultCommand } from "./fault_commands.ts";
import { nodeInfo, type NodeInfoSources, redisRole } from "./info.ts";
import type { RequestHandler } from "./listener.ts";
import { refuseTransaction, runLocal } from "./local_commands.ts";
import type { Answer, PendingReply } from "./pending_reply.ts";
import type { NodeOnlyCommands, ProcessCommands } from "./process_commands.ts";
import { SnapshotCommands } from "./snapshot_commands.ts";

export interface NodeFrontendOptions extends Omit<NodeInfoSources, "node"> {
  readonly node: Node;
  readonly clock: Clock;
  /** The flags that `CONFIG GET` shows. */
  readonly config: ReadonlyMap<string, string>;
}

/** Answers the clients of a node. Local commands run here, reads and writes go to the node. */
export class NodeFrontend implements RequestHandler, ProcessCommands, NodeOnlyCommands {
  readonly clock: Clock;
  readonly pause: ClientPause;
  readonly #node: Node;
  readonly #options: NodeFrontendOptions;
  readonly #states = new WeakMap<Connection, ClientState>();
  readonly #cluster: ClusterCommands;
  readonly #snapshots: SnapshotCommands;

  constructor(options: NodeFrontendOptions) {
    this.clock = options.clock;
    this.pause = new ClientPause(options.clock);
    this.#node = options.node;
    this.#options = options;
    this.#snapshots = new SnapshotCommands(options.node);
    const faults = options.faultTools?.faults ?? null;
    this.#cluster = new ClusterCommands(options.node, options.machine, options.clock, faults);
  }

  get config(): ReadonlyMap<string, string> {
    const { config, machine } = this.#options;
    return new Map([...config, [MAXMEMORY, String(machine.memoryBytesMax)]]);
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.#options.listener().connections;
  }

  handle(connection: Connection, args: Arguments, reply: PendingReply): void {
    let command: Command;
    try {
      command = checkRequest(args);
    } catch (error) {
      return this.#refuse(connection, args, reply, errorReplyOf(error));
    }
    if (this.pause.isOn && this.#isHeld(connection, args, reply, command.kind === "write")) return;
    if (connection.isInRefusedTransaction) {
      const refusal = refuseTransaction(connection, textOf(args[0] ?? ""));
      if (refusal !== null) return reply.settle(refusal);
    }
    connection.lastCommand = command.name;
    if (command.kind === "local") {
      return runLocal(this, connection, command, args.map(textOf), reply);
    }
    const state = this.#stateOf(connection);
    if (state.fenceTerm !== null && !this.#node.leadsIn(state.fenceTerm)) {
      return reply.settle(this.#node.refusal(slotOf({ command, args })) ?? LEADER_CHANGED);
    }
    if (state.hasRefused) return reply.settle(REFUSED_BEFORE);
    let owned = args;
    if (command.name === SESSION_OPEN) {
      try {
        owned = this.#owned(connection, state, args.map(textOf));
      } catch (error) {
        return reply.settle(errorReplyOf(error));
      }
    }
    this.#node.submit(new Request(command, owned, state.order, reply));
    // The node executes nothing before the end of the turn: a reply settled by now is a refusal.
    if (state.fenceTerm !== null && reply.text !== null) state.hasRefused = true;
  }

  /** Answers a wrong or unknown request. It waits for `CLIENT PAUSE` as others do. */
  #refuse(connection: Connection, args: Arguments, reply: PendingReply, refusal: Reply): void {
    if (this.pause.isOn && this.#isHeld(connection, args, reply, false)) return;
    reply.settle(refuseTransaction(connection, textOf(args[0] ?? "")) ?? refusal);
  }

  /** Whether the request waits until `CLIENT PAUSE` ends. */
  #isHeld(connection: Connection, args: Arguments, reply: PendingReply, isWrite: boolean): boolean {
    return this.pause.holds(connection, reply, isWrite, () => this.handle(connection, args, reply));
  }

  /** `SESSION OPEN` with the name of its connection, against which the session counts. */
  #owned(connection: Connection, state: ClientState, args: readonly string[]) {
    const { id } = this.#node.report();
    const name = `${id}-${this.#options.facts.runId.slice(0, 8)}-${connection.id}`;
    return ownedSessionOpen(args, name, state.fenceTerm !== null);
  }

  noteLargest(bytes: number): void {
    this.#node.noteLargest(bytes);
  }

  forget(connection: Connection): void {
    this.reset(connection);
    this.pause.forget(connection);
  }

  /** Ends what a client has set up, when it closes the connection or sends `RESET`. */
  reset(connection: Connection): void {
    this.#cluster.unwatch(connection);
    this.#snapshots.forget(connection);
    this.#stateOf(connection).reset();
  }

  hello(): { mode: string; role: string } {
    const { role } = this.#node.report();
    return { mode: "cluster", role: role === "leader" ? "master" : "replica" };
  }

  info(sections: readonly string[]): string {
    return nodeInfo(this.#options, sections);
  }

  role(): Reply {
    return redisRole(this.#node.report());
  }

  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Answer {
    return this.#cluster.run(connection, this.#stateOf(connection), args, reply);
  }

  get snapshots(): NodeSnapshots | null {
    return this.#node.snapshots;
  }

  snapshot(connection: Connection, args: readonly string[], reply: PendingReply): Answer {
    return this.#snapshots.run(connection, this.#stateOf(connection).order, args, reply);
  }

  fault(args: readonly string[]): Reply {
    return faultCommand(this.#options.faultTools ?? null, this.#node, args);
  }

  get ofNode(): NodeOnlyCommands {
    return this;
  }

  wait(_connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void {
    const refusal = this.#node.refusal(0);
    if (refusal !== null) return reply.settle(refusal);
    reply.whenGone(this.#node.whenReplicated(replicas, timeoutMs, (count) => reply.settle(count)));
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
