import { getRequestListener } from "@hono/node-server";
import http from "node:http";
import type { Logger } from "../base/logger.ts";
import { Acceptor } from "./acceptor.ts";
import type { Clock } from "./clock.ts";
import { HttpConnections } from "./http_connections.ts";
import type { Address } from "./network.ts";
import type { ConnectionGate, Socket } from "./sockets.ts";

/** What a `Request` does not have, or has at a price. */
export interface SentRequest {
  /** The path and query as the client sent them: a URL has no dot segments any more. */
  readonly target: string;
  /** The body. A `Request` would turn each chunk, of one byte perhaps, into several promises. */
  readonly body: BodySource;
  /**
   * Ends the connection at once. It is for a response that breaks off: the error of a stream would
   * be written after its chunks, where a client may take it for the rest of the body.
   */
  readonly abort: () => void;
  /**
   * Whether the client waits with the body (`Expect: 100-continue`), since nobody has listened for its
   * data yet. Then nothing of it will come.
   */
  readonly isWaiting: () => boolean;
}

/** The part of Node's readable streams that a body needs. */
export interface BodySource {
  /** Whether it has ended or broken off. Then no event tells so any more. */
  readonly destroyed?: boolean;
  on(event: "data", received: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "error", ended: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
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
  requestMs: 24 * 60 * 60 * 1000, // a file of 100 GB takes hours; whoever reads a body has limits
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
  /** What a connection goes through first. @default nothing */
  readonly gate?: ConnectionGate | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a header, 24 h for a request, 30 s idle, 60 s stalled */
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
 * itself what is no HTTP, always agrees to `Expect: 100-continue`, and holds in memory what a client
 * does not read, so it is not for use where strangers reach the port.
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
  /** By request: the body for which a client waits until it is wanted. */
  const awaitedBodies = new WeakMap<object, AwaitedBody>();
  // By default the library replaces the global `Request` and `Response`, and ends a connection on
  // which a body is still arriving 0.5 s after the answer: `handle` reads or drops all bodies.
  const listener = getRequestListener(
    async (request, { incoming, outgoing }) => {
      if (connections.begin(incoming.socket, outgoing)) return refuseLast("too-many-connections");
      const awaited = awaitedBodies.get(incoming);
      return await handle(request, {
        target: incoming.url ?? "/",
        body: awaited ?? incoming,
        abort: () => breakOff(outgoing, options.clock),
        isWaiting: () => awaited?.isWaiting ?? false,
      });
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
  const createServer = () => {
    const server = http.createServer(
      {
        headersTimeout: timeouts.headerMs,
        connectionsCheckingInterval: timeouts.headerMs / 4,
        requestTimeout: timeouts.requestMs,
        keepAliveTimeout: timeouts.idleMs,
      },
      (request, response) => void listener(request, response),
    );
    server.on("checkContinue", (request, response) => {
      awaitedBodies.set(request, new AwaitedBody(request, () => response.writeContinue()));
      void listener(request, response);
    });
    server.timeout = timeouts.stalledMs;
    server.on(
      "clientError",
      (error: Error, socket) => void refuseUnread(error, socket as Socket),
    );
    servers.push(server);
    return server;
  };
  // With a gate, a server that never listens gets the connections that come through it.
  const fed = options.gate ? createServer() : null;
  fed?.emit("listening"); // or it would not look for requests that are too slow
  const acceptor = await Acceptor.open({
    ...options,
    allowHalfOpen: true,
    checksEachConnection: false,
    ...(fed === null ? { createServer } : {}),
  });
  acceptor.on("connection", (socket) => {
    connections.accepted(socket);
    fed?.emit("connection", socket); // without a gate, the server reads it already
  });
  return {
    get connections() {
      return connections.count;
    },
    close() {
      acceptor.close();
      fed?.close();
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

/** The part of Node's responses that is needed to end one. */
interface Outgoing {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  destroy(error: Error): unknown;
}

/**
 * Ends the connection of a response, but not before its header: Deno 2.6 would end nothing then, and
 * nothing either without an error.
 */
function breakOff(outgoing: Outgoing, clock: Clock): void {
  if (outgoing.destroyed) return;
  if (outgoing.headersSent) outgoing.destroy(new Error("the response breaks off"));
  else clock.after(1, () => breakOff(outgoing, clock));
}

/** A body that its client sends when it is asked for. */
class AwaitedBody implements BodySource {
  readonly #body: BodySource;
  readonly #ask: () => void;
  isWaiting = true;

  constructor(body: BodySource, ask: () => void) {
    this.#body = body;
    this.#ask = ask;
  }

  on(event: "data", received: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "error", ended: () => void): unknown;
  on(event: "data" | "end" | "close" | "error", listener: (chunk: Uint8Array) => void): unknown {
    if (event !== "data") return this.#body.on(event, listener as () => void);
    if (this.isWaiting) this.#ask();
    this.isWaiting = false;
    return this.#body.on(event, listener);
  }

  get destroyed(): boolean {
    return this.#body.destroyed ?? false;
  }

  pause(): unknown {
    return this.#body.pause();
  }

  resume(): unknown {
    return this.#body.resume();
  }

  destroy(): unknown {
    return this.#body.destroy();
  }
}
