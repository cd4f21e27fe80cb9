import { AccessControl } from "../access/access_control.ts";
import type { ClusterSecret } from "../access/peer_proof.ts";
import { type Arguments, textOf } from "../base/byte_string.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { type Random, randomInteger } from "../base/random.ts";
import { REDIS_VERSION } from "../base/version.ts";
import type { ClusterView } from "../commands/cluster_view.ts";
import type { Command } from "../commands/command.ts";
import { MAXMEMORY } from "../commands/config_set.ts";
import type { Client, LocalServer } from "../commands/local.ts";
import { SESSION_OPEN, sessionOpenOf } from "../commands/session_rows.ts";
import { checkRequest, hasRightArity, lookup, lookupFullName } from "../commands/table.ts";
import { DELETE_USERS } from "../commands/user_writes.ts";
import type { Clock } from "../platform/clock.ts";
import type { ProcessFacts } from "../platform/process.ts";
import type { Reply } from "../resp/reply.ts";
import { RequestText } from "../resp/request_decoder.ts";
import type { Connection } from "../server/connection.ts";
import { Dispatcher } from "../server/dispatcher.ts";
import type { ForwardingHandler, RespListener } from "../server/listener.ts";
import type { PendingReply } from "../server/pending_reply.ts";
import { Users } from "../store/users.ts";
import type { ClientQueue } from "./client_queue.ts";
import type { EncodedReplySink } from "./proxy_request.ts";
import type { ProxyUsers } from "./proxy_users.ts";
import { proxyClusterView, proxyInfo, type ProxyStatus, roleReply } from "./proxy_view.ts";
import type { Router } from "./router.ts";

/** Number of commands whose lookup is cached. */
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
  /** The copy of the users. @default those of a new cluster */
  readonly users?: Pick<ProxyUsers, "source" | "refresh">;
  /** Maximum time in ms for which requests wait for the first copy of the users. @default 0 */
  readonly holdMsMax?: number;
  /** The secret by which other processes of the cluster prove themselves. @default none */
  readonly secret?: ClusterSecret | null;
  /** Gets lines about refusals and administrative actions. @default they are dropped */
  readonly logger?: Logger;
}

/** The users of a cluster in which they cannot be changed. */
const NEW_USERS: Pick<ProxyUsers, "source" | "refresh"> = {
  source: new Users(),
  refresh: (done) => done(),
};

/** The commands that change users, so that the proxy needs a new copy. */
const SET_USER = lookupFullName("acl|setuser");
const DELETE_USERS_ROW = lookupFullName(DELETE_USERS);

/** Answers the clients of a proxy. Local commands run here, reads and writes go to the router. */
export class ProxyFrontend extends Dispatcher<RequestText>
  implements ForwardingHandler, LocalServer {
  protected override readonly local: LocalServer = this;
  readonly snapshots = null;
  readonly ofNode = null;
  readonly ofLeader = null;
  readonly #options: ProxyFrontendOptions;
  readonly #clients = new Map<Connection, ClientQueue>();
  /** The last request's client: a client's requests often arrive together. */
  #lastConnection: Connection | null = null;
  #lastClient: ClientQueue | null = null;
  /** The last command looked up for each first character, modulo `NAMES_KEPT`. */
  readonly #commands: NamedCommand[] = new Array(NAMES_KEPT).fill({ name: "", command: undefined });
  readonly #id: string;
  readonly #users: Pick<ProxyUsers, "source" | "refresh">;
  /** Connections whose requests wait for the first copy of the users, and what ends that. */
  readonly #waiting = new Map<Connection, () => void>();
  /** Connections that have waited in vain. */
  #given = new WeakSet<Connection>();

  constructor(options: ProxyFrontendOptions) {
    const { clock, users = NEW_USERS, secret = null, logger = silentLogger } = options;
    super(clock, new AccessControl({ users: () => users.source, clock, secret, logger }));
    this.#users = users;
    this.#options = options;
    const digits = Array.from({ length: 40 }, () => randomInteger(options.random, 16).toString(16));
    this.#id = digits.join("");
  }

  /** `maxmemory` is what the nodes reported last. */
  get config(): ReadonlyMap<string, string> {
    const { config, status } = this.#options;
    return new Map([...config, [MAXMEMORY, String(status().memoryBytesMax)]]);
  }

  get clients(): ReadonlyMap<number, Connection> {
    return this.#options.listener().connections;
  }

  forward(connection: Connection, request: RequestText, reply: PendingReply): void {
    this.dispatch(connection, request, reply);
  }

  protected override nameOf(request: RequestText): string {
    return request.name;
  }

  protected override argumentsOf(request: RequestText): Arguments {
    return request.args();
  }

  /** To be called when there is a new copy of the users. */
  followUsers(): void {
    this.access.update(this.clients.values());
    for (const release of [...this.#waiting.values()]) release();
  }

  /** Without users nobody knows who may do what: the request waits, as it does without a leader. */
  protected override waitsForUsers(connection: Connection): boolean {
    const { holdMsMax = 0 } = this.#options;
    if (this.#users.source !== null || this.#given.has(connection)) return false;
    const end = this.access.holdUntil(connection);
    const release = () => {
      cancel();
      this.#waiting.delete(connection);
      this.#given.add(connection);
      end();
    };
    const cancel = this.clock.after(holdMsMax, release);
    this.#waiting.set(connection, release);
    return true;
  }

  protected override argsOf(request: RequestText): readonly string[] {
    return request.args().map(textOf);
  }

  protected override submit(
    connection: Connection,
    command: Command,
    request: RequestText,
    reply: PendingReply,
  ): void {
    // It may wait without a bound. If the client leaves, `forget` closes its dedicated connection.
    if (command.kind === "local") reply.waitUnbounded(() => {});
    let forwarded = request;
    if (command.name === SESSION_OPEN) {
      // A client's session counts against that client, not against this proxy.
      forwarded = RequestText.of(sessionOpenOf(request.args().map(textOf), connection.id));
    }
    const { router } = this.#options;
    const sinceMs = this.pause.waitsSince(connection.lastReadMs);
    const isAboutUsers = command === SET_USER || command === DELETE_USERS_ROW;
    const sink = isAboutUsers ? this.#changesUsers(connection, reply) : reply;
    router.submit(this.#client(connection), command, forwarded, sink, sinceMs);
  }

  /** The client gets the reply, and its later requests are served, when the copy has the change. */
  #changesUsers(connection: Connection, reply: PendingReply): EncodedReplySink {
    const release = this.access.holdUntil(connection);
    return {
      protocol: reply.protocol,
      settleEncoded: (text, rest) =>
        this.#users.refresh(() => {
          reply.settleEncoded(text, rest);
          release();
        }),
    };
  }

  protected override served(connection: Connection): void {
    this.#options.router.openConnectionsFor(connection.protocol);
  }

  get isFull(): boolean {
    return this.#options.router.hold.isFull;
  }

  forget(connection: Connection): void {
    if (connection === this.#lastConnection) this.#lastConnection = this.#lastClient = null;
    this.forgetHeld(connection);
    this.#waiting.get(connection)?.();
    const client = this.#clients.get(connection);
    if (client === undefined) return;
    this.#clients.delete(connection);
    this.#options.router.closeClient(client);
  }

  hello() {
    return { version: REDIS_VERSION, mode: "standalone", role: "master" };
  }

  info(sections: readonly string[]): string {
    const { status: statusNow, listener, facts, clock } = this.#options;
    const status = statusNow();
    const view = proxyClusterView(status, this.#id, "");
    const sources = { status, view, listener: listener(), facts, nowMs: clock.nowMs() };
    return proxyInfo(sources, sections);
  }

  resetStatistics(): void {
    const { router, listener, clock } = this.#options;
    listener().resetTotals();
    router.hold.resetStatistics(clock.monotonicMs());
  }

  clusterView({ local }: Client): ClusterView {
    return proxyClusterView(this.#options.status(), this.#id, local);
  }

  clusterRole(): Reply {
    return roleReply(this.#options.status());
  }

  /** A proxy keeps no state of a client beyond its connection. */
  reset(_connection: Connection): void {}

  /** Parses the arguments only where their number does not suffice to check the request. */
  protected override rowOf(request: RequestText): Command {
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
