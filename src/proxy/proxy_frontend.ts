import { textOf } from "../base/byte_string.ts";
import { assert } from "../base/errors.ts";
import { type Random, randomInteger } from "../base/random.ts";
import type { Command } from "../commands/command.ts";
import { errorReplyOf } from "../commands/command_error.ts";
import { MAXMEMORY } from "../commands/config_set.ts";
import { SESSION_OPEN, sessionOpenOf } from "../commands/session_rows.ts";
import { checkRequest, hasRightArity, lookup } from "../commands/table.ts";
import type { Clock } from "../platform/clock.ts";
import type { ProcessFacts } from "../platform/process.ts";
import type { Reply } from "../resp/reply.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { ClientPause } from "../server/client_pause.ts";
import { MEMBER_SUBCOMMANDS } from "../server/cluster_commands.ts";
import type { Connection } from "../server/connection.ts";
import type { ForwardingHandler, RespListener } from "../server/listener.ts";
import { refuseTransaction, runLocal } from "../server/local_commands.ts";
import { type Answer, type PendingReply, SETTLED_BY_HANDLER } from "../server/pending_reply.ts";
import type { ProcessCommands } from "../server/process_commands.ts";
import type { ClientQueue } from "./client_queue.ts";
import { proxyCluster, proxyInfo, type ProxyStatus } from "./proxy_view.ts";
import type { Router } from "./router.ts";

const NAMES_KEPT = 32;

interface NamedCommand {
  readonly name: string;
  readonly command: Command | undefined;
}

export interface ProxyFrontendOptions {
  readonly router: Router;
  readonly status: () => ProxyStatus;
  /** To be called only once there is a client. */
  readonly listener: () => RespListener;
  readonly clock: Clock;
  readonly random: Random;
  readonly facts: ProcessFacts;
  /** The flags that `CONFIG GET` shows. */
  readonly config: ReadonlyMap<string, string>;
}

/** Answers the clients of a proxy. Local commands run here, reads and writes go to the router. */
export class ProxyFrontend implements ForwardingHandler, ProcessCommands {
  readonly clock: Clock;
  readonly pause: ClientPause;
  readonly snapshots = null;
  readonly ofNode = null;
  readonly #options: ProxyFrontendOptions;
  readonly #clients = new Map<Connection, ClientQueue>();
  /** The last request's client: a client's requests often arrive together. */
  #lastConnection: Connection | null = null;
  #lastClient: ClientQueue | null = null;
  /** The last command looked up for each first character, modulo `NAMES_KEPT`. */
  readonly #commands: NamedCommand[] = new Array(NAMES_KEPT).fill({ name: "", command: undefined });
  readonly #id: string;

  constructor(options: ProxyFrontendOptions) {
    this.clock = options.clock;
    this.pause = new ClientPause(options.clock);
    this.#options = options;
    const digits = Array.from({ length: 40 }, () => randomInteger(options.random, 16).toString(16));
    this.#id = digits.join("");
  }

  /** `maxmemory` is what the nodes reported last. */
  get config(): ReadonlyMap<string, string> {
    const { config, status } = this.#options;
    return new Map([...config, [MAXMEMORY, String(status().memoryBytesMax)]]);
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.#options.listener().connections;
  }

  forward(connection: Connection, request: RequestText, reply: PendingReply): void {
    let command: Command;
    try {
      command = this.#commandOf(request);
    } catch (error) {
      return this.#refuse(connection, request, reply, errorReplyOf(error));
    }
    const isWrite = command.kind === "write";
    if (this.pause.isOn && this.#isHeld(connection, request, reply, isWrite)) return;
    if (connection.isInRefusedTransaction) {
      const refusal = refuseTransaction(connection, request.name);
      if (refusal !== null) return reply.settle(refusal);
    }
    connection.lastCommand = command.name;
    if (command.name === SESSION_OPEN) {
      return this.#openSession(connection, command, request, reply);
    }
    if (command.kind !== "local") return this.#submit(connection, command, request, reply);
    runLocal(this, connection, command, request.args().map(textOf), reply);
    this.#options.router.expect(connection.protocol);
  }

  get isFull(): boolean {
    return this.#options.router.hold.isFull;
  }

  /** Opens a session that counts against its client, not against this proxy. */
  #openSession(
    connection: Connection,
    command: Command,
    request: RequestText,
    reply: PendingReply,
  ): void {
    try {
      const args = sessionOpenOf(request.args().map(textOf), connection.id);
      this.#submit(connection, command, RequestText.of(args), reply);
    } catch (error) {
      reply.settle(errorReplyOf(error));
    }
  }

  /** Answers a wrong or unknown request. It waits for `CLIENT PAUSE` as others do. */
  #refuse(
    connection: Connection,
    request: RequestText,
    reply: PendingReply,
    refusal: Reply,
  ): void {
    if (this.pause.isOn && this.#isHeld(connection, request, reply, false)) return;
    reply.settle(refuseTransaction(connection, request.name) ?? refusal);
  }

  /** Whether the request waits until `CLIENT PAUSE` ends. */
  #isHeld(
    connection: Connection,
    request: RequestText,
    reply: PendingReply,
    isWrite: boolean,
  ): boolean {
    return this.pause.holds(
      connection,
      reply,
      isWrite,
      () => this.forward(connection, request, reply),
    );
  }

  forget(connection: Connection): void {
    if (connection === this.#lastConnection) this.#lastConnection = this.#lastClient = null;
    this.pause.forget(connection);
    const client = this.#clients.get(connection);
    if (client === undefined) return;
    this.#clients.delete(connection);
    this.#options.router.closeClient(client);
  }

  hello(): { mode: string; role: string } {
    return { mode: "standalone", role: "master" };
  }

  info(sections: readonly string[]): string {
    const { status, listener, facts, clock } = this.#options;
    const sources = { status: status(), listener: listener(), facts, nowMs: clock.nowMs() };
    return proxyInfo(sources, sections);
  }

  role(): Reply {
    return ["master", this.#options.status().leader?.commitIndex ?? 0, []];
  }

  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Answer {
    if (MEMBER_SUBCOMMANDS.includes(args[1]?.toUpperCase() ?? "")) {
      this.#askLeader("cluster", connection, args, reply);
      return SETTLED_BY_HANDLER;
    }
    const sources = { status: this.#options.status(), id: this.#id, local: connection.local };
    return proxyCluster(sources, args);
  }

  /** A proxy keeps no state of a client beyond its connection. */
  reset(_connection: Connection): void {}

  wait(connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void {
    this.#askLeader("wait", connection, ["WAIT", String(replicas), String(timeoutMs)], reply);
  }

  /** Asks the leader over a dedicated connection, since the answer may take long. */
  #askLeader(
    name: string,
    connection: Connection,
    args: readonly string[],
    reply: PendingReply,
  ): void {
    const command = lookup(name);
    assert(command !== undefined, `${name} is not in the command table`);
    reply.whenGone(() => {}); // `forget` ends the connection that it waits on
    this.#submit(connection, command, RequestText.of(args), reply);
  }

  #submit(
    connection: Connection,
    command: Command,
    request: RequestText,
    reply: PendingReply,
  ): void {
    const client = this.#client(connection);
    this.#options.router.submit(client, command, request, reply, connection.lastReadMs);
  }

  /** Parses the arguments only where their number does not suffice to check the request. */
  #commandOf(request: RequestText): Command {
    const command = this.#lookup(request.name);
    const isKnown = command !== undefined && command.inner === undefined &&
      command.subcommands === undefined && hasRightArity(command, request.count);
    return isKnown ? command : checkRequest(request.args());
  }

  /** Comparing two names is cheaper than a lookup, which has to hash the name. */
  #lookup(name: string): Command | undefined {
    const place = name.charCodeAt(0) % NAMES_KEPT;
    const kept = this.#commands[place];
    if (kept?.name === name) return kept.command;
    const command = lookup(name);
    if (command !== undefined) this.#commands[place] = { name, command };
    return command;
  }

  #client(connection: Connection): ClientQueue {
    if (connection === this.#lastConnection && this.#lastClient !== null) return this.#lastClient;
    let client = this.#clients.get(connection);
    if (client === undefined) {
      client = this.#options.router.openClient();
      this.#clients.set(connection, client);
    }
    this.#lastConnection = connection;
    this.#lastClient = client;
    return client;
  }
}
