import { getRequestListener } from "@hono/node-server";
import http from "node:http";
import type { Logger } from "../base/logger.ts";
import { Acceptor } from "./acceptor.ts";
import type { Clock } from "./clock.ts";
import { HttpConnections } from "./http_connections.ts";
import type { Address } from "./network.ts";
import type { Socket } from "./sockets.ts";

/** What a `Request` does not have, or has at a price. */
export interface SentRequest {
  /** The path and query as the client sent them: a URL has no dot segments any more. */
  readonly target: string;
  /** The body. A `Request` would turn each chunk, of one byte perhaps, into several promises. */
  readonly body: BodySource;
}

/** The part of Node's readable streams that a body needs. */
export interface BodySource {
  on(event: "data", received: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "error", ended: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
  /**
   * Says that the body is read only to be dropped. Otherwise a client that waits until its body is
   * wanted (`Expect: 100-continue`) is told so when somebody listens for data.
   */
  decline?(): unknown;
}

/** Time limits in milliseconds. */
export interface HttpTimeouts {
  /** For the header of a request. */
  readonly headerMs: number;
  /** For a whole request with its body. */
  readonly requestMs: number;
  /** For a connection without a request. */
  readonly idleMs: number;
  /** For a connection on which nothing can be read or written. */
  readonly stalledMs: number;
}

const TIMEOUTS: HttpTimeouts = {
  headerMs: 10_000,
  requestMs: 600_000,
  idleMs: 30_000,
  stalledMs: 60_000,
};

/** Why a request is refused before anybody has seen it. */
export type HttpRefusal = "no-http" | "header-too-large" | "too-slow" | "too-many-connections";

export interface HttpListenOptions {
  readonly address: Address;
  readonly connectionsMax: number;
  /** Answers a request, and reads or drops its body. It does not reject. */
  readonly handle: (request: Request, sent: SentRequest) => Promise<Response>;
  /** The answer to a request that is refused. The connection ends after it. */
  readonly refuse: (refusal: HttpRefusal) => Response;
  readonly hasNoFreeDescriptors: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a header, 600 s for a request, 30 s idle, 60 s stalled */
  readonly timeouts?: HttpTimeouts;
}

/** An open HTTP port. */
export interface HttpListener {
  /** Number of connections. */
  readonly connections: number;
  /** Stops listening, and closes all connections. */
  close(): void;
}

/**
 * Serves HTTP/1.1. Deno 2.6 ignores the time limits and the maximum number of connections, answers
 * itself what is no HTTP, and always agrees to `Expect: 100-continue`.
 *
 * @throws {UserError} when the address is not available
 */
export async function listenHttp(options: HttpListenOptions): Promise<HttpListener> {
  const { handle, refuse, clock, timeouts = TIMEOUTS } = options;
  const connections = new HttpConnections(options);
  const refuseLast = (refusal: HttpRefusal) => {
    const response = refuse(refusal);
    response.headers.set("connection", "close");
    return response;
  };
  /** Requests whose clients wait until the body is wanted. */
  const awaiting = new WeakSet<http.IncomingMessage>();
  // By default the library replaces the global `Request` and `Response`, and ends a connection on
  // which a body is still arriving 0.5 s after the answer: `handle` reads or drops all bodies.
  const listener = getRequestListener(
    async (request, { incoming, outgoing }) => {
      if (connections.begin(incoming.socket, outgoing)) return refuseLast("too-many-connections");
      const body = awaiting.has(incoming as http.IncomingMessage)
        ? new AwaitedBody(incoming, outgoing as http.ServerResponse)
        : incoming;
      return await handle(request, { target: incoming.url ?? "/", body });
    },
    {
      overrideGlobalObjects: false,
      autoCleanupIncoming: false,
      errorHandler: () => refuseLast("no-http"), // a `Host` that is none
    },
  );
  const refused = new WeakSet<Socket>();
  const refuseUnread = async (error: Error & { readonly code?: string }, socket: Socket) => {
    if (refused.has(socket)) return;
    refused.add(socket);
    if (!socket.writable || connections.isAnswering(socket)) return void socket.destroy();
    socket.end(await textOf(refuseLast(refusalOf(error.code))));
    clock.after(FAREWELL_MS, () => socket.destroy());
  };
  const servers: http.Server[] = [];
  const acceptor = await Acceptor.open({
    ...options,
    allowHalfOpen: true,
    checksEachConnection: false,
    createServer() {
      const server = http.createServer(
        {
          headersTimeout: timeouts.headerMs,
          connectionsCheckingInterval: timeouts.headerMs / 4,
          requestTimeout: timeouts.requestMs,
          keepAliveTimeout: timeouts.idleMs,
        },
        (request, response) => void listener(request, response),
      );
      server.timeout = timeouts.stalledMs;
      server.on(
        "clientError",
        (error: Error, socket) => void refuseUnread(error, socket as Socket),
      );
      server.on("checkContinue", (request, response) => {
        awaiting.add(request);
        void listener(request, response);
      });
      servers.push(server);
      return server;
    },
  });
  acceptor.on("connection", (socket) => connections.accepted(socket)); // the server reads it
  return {
    get connections() {
      return connections.count;
    },
    close() {
      acceptor.close();
      for (const server of servers) server.closeAllConnections();
    },
  };
}

/** Time in milliseconds for which a client can read why its connection ends. */
const FAREWELL_MS = 1_000;

/** @param code of Node's error */
function refusalOf(code: string | undefined): HttpRefusal {
  if (code === "HPE_HEADER_OVERFLOW") return "header-too-large";
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "too-slow";
  return "no-http";
}

/** A response as it is sent. */
async function textOf(response: Response): Promise<string> {
  const body = await response.text();
  const length = new TextEncoder().encode(body).length;
  response.headers.set("content-length", String(length));
  const reason = http.STATUS_CODES[response.status] ?? "";
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${response.status} ${reason}`, ...headers, "", body].join("\r\n");
}

/** A body that is sent when the client hears that it is wanted. */
class AwaitedBody implements BodySource {
  readonly #incoming: BodySource;
  readonly #outgoing: http.ServerResponse;
  #isDecided = false;

  constructor(incoming: BodySource, outgoing: http.ServerResponse) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  on(event: "data", received: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "error", ended: () => void): unknown;
  on(event: "data" | "end" | "close" | "error", listener: (chunk: Uint8Array) => void): unknown {
    if (event === "data") {
      this.#incoming.on(event, listener);
      if (!this.#isDecided) this.#outgoing.writeContinue();
      this.#isDecided = true;
    } else this.#incoming.on(event, listener as () => void);
    return this;
  }

  pause(): void {
    this.#incoming.pause();
  }

  resume(): void {
    this.#incoming.resume();
  }

  destroy(): void {
    this.#incoming.destroy();
  }

  decline(): void {
    this.#isDecided = true;
  }
}
