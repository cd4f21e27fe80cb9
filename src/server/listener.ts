import net from "node:net";
import type { Logger } from "../base/logger.ts";
import { cannotListen } from "../base/errors.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { RequestText } from "../resp/request_text.ts";
import type { Clock } from "../node/clock.ts";
import type { Address } from "../node/network.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { FairReading } from "./fair_reading.ts";
import type { ClientLimits } from "./limits.ts";
import type { PendingReply } from "./pending_reply.ts";

/** Who answers the requests: the node's sessions. */
export interface RequestHandler {
  handle(connection: Connection, args: string[], reply: PendingReply): void;
  closed(connection: Connection): void;
}

/** Who hands most requests on: the proxy's sessions. */
export interface ForwardingHandler {
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  closed(connection: Connection): void;
}

export interface ListenOptions {
  readonly address: Address;
  readonly handler: RequestHandler | ForwardingHandler;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Starts to accept clients. @throws {UserError} when the address cannot be listened on */
export function listen(options: ListenOptions): Promise<RespListener> {
  return new Promise((resolve, reject) => {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true });
    const { host, port } = options.address;
    server.once("error", (error: Error) => reject(cannotListen(options.address, error)));
    server.listen({ host, port, backlog: 1024 }, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => options.logger.warn(`accepting a client: ${error.message}`));
      resolve(new RespListener(server, options));
    });
  });
}

/** The RESP port of a node or a proxy, with all its clients. */
export class RespListener implements ConnectionOwner {
  readonly address: Address;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  readonly connections = new Map<number, Connection>();
  /** Clients ever accepted and requests ever read, for `INFO`. */
  readonly totals = { connections: 0, requests: 0, rejected: 0 };

  isSilent = false;
  readonly isForwarding: boolean;

  readonly #server: net.Server;
  readonly #options: ListenOptions;
  /** One of them is there. */
  readonly #requests: RequestHandler | null;
  readonly #forwards: ForwardingHandler | null;
  readonly #dirty: Connection[] = [];
  readonly #flushAll = () => this.#flush();

  constructor(server: net.Server, options: ListenOptions) {
    const bound = server.address() as net.AddressInfo;
    this.address = { host: options.address.host, port: bound.port };
    this.limits = options.limits;
    this.clock = options.clock;
    this.fairness = new FairReading((run) => options.clock.after(0, run));
    this.#server = server;
    this.#options = options;
    const { handler } = options;
    this.#requests = "handle" in handler ? handler : null;
    this.#forwards = "forward" in handler ? handler : null;
    this.isForwarding = this.#forwards !== null;
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** Stops accepting and cuts all clients off. */
  close(): void {
    this.#server.close();
    for (const connection of [...this.connections.values()]) connection.destroy();
  }

  /** Says nothing to any client, and accepts new ones all the same, until told otherwise. */
  silence(isSilent: boolean): void {
    this.isSilent = isSilent;
    if (isSilent) return;
    for (const connection of this.connections.values()) connection.wake();
  }

  request(connection: Connection, args: string[], reply: PendingReply): void {
    this.totals.requests++;
    this.#requests?.handle(connection, args, reply);
  }

  forward(connection: Connection, request: RequestText, reply: PendingReply): void {
    this.totals.requests++;
    this.#forwards?.forward(connection, request, reply);
  }

  dirty(connection: Connection): void {
    if (this.#dirty.push(connection) === 1) this.#options.clock.soon(this.#flushAll);
  }

  protocolError(connection: Connection, reason: string): void {
    this.#options.logger.warn(`client ${connection.remote}: ${reason}`);
  }

  closed(connection: Connection): void {
    this.connections.delete(connection.id);
    this.#options.handler.closed(connection);
  }

  #accept(socket: net.Socket): void {
    if (this.connections.size >= this.limits.clientsMax) {
      this.totals.rejected++;
      socket.on("error", () => {});
      const refusal = new ErrorReply("ERR max number of clients reached");
      socket.end(encodeReply(refusal, 2), () => socket.destroy());
      return;
    }
    const id = ++this.totals.connections;
    this.connections.set(id, new Connection(id, socket, this));
  }

  #flush(): void {
    const dirty = this.#dirty.splice(0);
    for (const connection of dirty) connection.flush();
  }
}
