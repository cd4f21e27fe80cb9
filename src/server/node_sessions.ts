import { checkRequest } from "../commands/table.ts";
import type { Clock } from "../node/clock.ts";
import type { Node } from "../node/node.ts";
import { LEADER_CHANGED, REFUSED_BEFORE, slotOf } from "../node/refusals.ts";
import { Request } from "../node/request.ts";
import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { ClusterCommands } from "./cluster_commands.ts";
import type { Connection } from "./connection.ts";
import type { RequestHandler } from "./listener.ts";
import { faultCommand } from "./fault_commands.ts";
import { runLocal } from "./local_commands.ts";
import type { ProcessCommands } from "./process_commands.ts";
import { nodeInfo, type NodeInfoSources, redisRole } from "./node_info.ts";
import type { PendingReply } from "./pending_reply.ts";
import { Session } from "./session.ts";
import { SnapshotCommands } from "./snapshot_commands.ts";

export interface NodeSessionsOptions extends Omit<NodeInfoSources, "node"> {
  readonly node: Node;
  readonly clock: Clock;
  readonly config: ReadonlyMap<string, string>;
}

/** Answers the clients of a node: local commands here, reads and writes by the node. */
export class NodeSessions implements RequestHandler, ProcessCommands {
  readonly clock: Clock;
  readonly config: ReadonlyMap<string, string>;
  readonly #node: Node;
  readonly #options: NodeSessionsOptions;
  readonly #sessions = new WeakMap<Connection, Session>();
  readonly #cluster: ClusterCommands;
  readonly #snapshots: SnapshotCommands;

  constructor(options: NodeSessionsOptions) {
    this.clock = options.clock;
    this.config = options.config;
    this.#node = options.node;
    this.#options = options;
    this.#snapshots = new SnapshotCommands(options.node);
    const faults = options.faultTools?.faults ?? null;
    this.#cluster = new ClusterCommands(options.node, options.clock, faults);
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.#options.listener().connections;
  }

  handle(connection: Connection, args: string[], reply: PendingReply): void {
    const command = checkRequest(args);
    if (command instanceof ErrorReply) return reply.settle(command);
    connection.lastCommand = command.name;
    if (command.kind === "local") return runLocal(this, command.name, args, reply);
    const session = this.#session(connection);
    if (session.fenceTerm !== null && !this.#node.leadsIn(session.fenceTerm)) {
      return reply.settle(this.#node.refusal(slotOf({ command, args })) ?? LEADER_CHANGED);
    }
    if (session.hasRefused) return reply.settle(REFUSED_BEFORE);
    this.#node.submit(new Request(command, args, session.order, reply));
    // It does nothing before the turn's end: what is answered by now was refused.
    if (session.fenceTerm !== null && reply.text !== null) session.hasRefused = true;
  }

  closed(connection: Connection): void {
    this.#cluster.unwatch(connection);
    this.#snapshots.closed(connection);
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

  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Reply | null {
    return this.#cluster.run(connection, this.#session(connection), args, reply);
  }

  get snapshots(): NodeSnapshots | null {
    return this.#node.snapshots;
  }

  snapshot(args: readonly string[], reply: PendingReply): Reply | null {
    return this.#snapshots.run(this.#session(reply.connection).order, args, reply);
  }

  fault(args: readonly string[]): Reply {
    return faultCommand(this.#options.faultTools ?? null, this.#node, args);
  }

  wait(_connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void {
    const refusal = this.#node.refusal(0);
    if (refusal !== null) return reply.settle(refusal);
    this.#node.whenReplicated(replicas, timeoutMs, (count) => reply.settle(count));
  }

  #session(connection: Connection): Session {
    let session = this.#sessions.get(connection);
    if (session === undefined) {
      session = new Session();
      this.#sessions.set(connection, session);
    }
    return session;
  }
}
