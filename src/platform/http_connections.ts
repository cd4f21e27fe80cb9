import type { ServerResponse } from "node:http";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "./clock.ts";
import type { Socket } from "./sockets.ts";

/**
 * Maximum number of connections beyond the limit that are open until their request has been
 * refused. More are closed at once.
 */
const REFUSED_MAX = 8;
/** Minimum time in milliseconds between two lines in the log about the limit. */
const WARN_MS = 60_000;

/** The part of a response that is looked at. */
export type PendingResponse = Pick<ServerResponse, "headersSent"> & {
  once(event: "close", ended: () => void): unknown;
};

export interface HttpConnectionsOptions {
  readonly connectionsMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The connections of an HTTP server, kept to a number. At the limit, a new connection takes the
 * place of the one that has been without a request for longest. If all have one, it is refused.
 */
export class HttpConnections {
  readonly #options: HttpConnectionsOptions;
  /** The responses under way of each connection. */
  readonly #responses = new Map<Socket, Set<PendingResponse>>();
  /** Those without a request, longest first. */
  readonly #idle = new Set<Socket>();
  readonly #refused = new Set<Socket>();
  #warnedMs = -Infinity;

  constructor(options: HttpConnectionsOptions) {
    this.#options = options;
  }

  /** Number of connections that are served. */
  get count(): number {
    return this.#responses.size;
  }

  accepted(socket: Socket): void {
    if (this.#responses.size >= this.#options.connectionsMax && !this.#makeRoom()) {
      return this.#refuse(socket);
    }
    this.#responses.set(socket, new Set());
    this.#idle.add(socket);
    socket.once("close", () => this.#remove(socket));
  }

  /** Notes a request. @returns whether it is to be refused, since its connection is one too many */
  begin(socket: Socket, response: PendingResponse): boolean {
    const responses = this.#responses.get(socket);
    if (responses === undefined) return this.#refused.has(socket);
    responses.add(response);
    this.#idle.delete(socket);
    response.once("close", () => {
      responses.delete(response);
      if (responses.size === 0 && this.#responses.has(socket)) this.#idle.add(socket);
    });
    return false;
  }

  /** Whether a part of an answer was sent, and the rest of it was not. */
  isAnswering(socket: Socket): boolean {
    return [...this.#responses.get(socket) ?? []].some(({ headersSent }) => headersSent);
  }

  #makeRoom(): boolean {
    const [longest] = this.#idle;
    if (longest === undefined) return false;
    this.#remove(longest);
    longest.destroy();
    return true;
  }

  #refuse(socket: Socket): void {
    const { connectionsMax, clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#warnedMs >= WARN_MS) {
      this.#warnedMs = nowMs;
      logger.warn(
        `refuses connections for HTTP: all ${connectionsMax} have requests ` +
          "(--http-connections-max)",
      );
    }
    if (this.#refused.size >= REFUSED_MAX) return void socket.destroy();
    this.#refused.add(socket);
    socket.once("close", () => this.#refused.delete(socket));
  }

  #remove(socket: Socket): void {
    this.#responses.delete(socket);
    this.#idle.delete(socket);
  }
}
