import { getRequestListener } from "@hono/node-server";
import http from "node:http";
import type { Logger } from "../base/logger.ts";
import { Acceptor } from "./acceptor.ts";
import type { Clock } from "./clock.ts";
import type { Address } from "./network.ts";

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

export interface HttpListenOptions {
  readonly address: Address;
  readonly connectionsMax: number;
  /** Answers a request, and reads or drops its body. It does not reject. */
  readonly handle: (request: Request, sent: SentRequest) => Promise<Response>;
  readonly hasNoFreeDescriptors: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a header, 24 h for a request, 30 s idle, 60 s stalled */
  readonly timeouts?: HttpTimeouts;
}

/** An open HTTP port. */
export interface HttpListener {
  /** Stops listening, and closes all connections. */
  close(): void;
}

/**
 * Serves HTTP/1.1. Deno 2.6 ignores the time limits and the maximum number of connections, and holds
 * in memory what a client does not read, so it is not for use where strangers reach the port.
 *
 * @throws {UserError} when the address is not available
 */
export async function listenHttp(options: HttpListenOptions): Promise<HttpListener> {
  const { connectionsMax, handle, timeouts = TIMEOUTS } = options;
  const awaitedBodies = new WeakMap<object, AwaitedBody>();
  // By default the library replaces the global `Request` and `Response`, and ends a connection on
  // which a body is still arriving 0.5 s after the answer: `handle` reads or drops all bodies.
  const listener = getRequestListener(
    (request, { incoming, outgoing }) => {
      const awaited = awaitedBodies.get(incoming);
      return handle(request, {
        target: incoming.url ?? "/",
        body: awaited ?? incoming,
        abort: () => breakOff(outgoing, options.clock),
        isWaiting: () => awaited?.isWaiting ?? false,
      });
    },
    { overrideGlobalObjects: false, autoCleanupIncoming: false },
  );
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
      server.on("checkContinue", (request, response) => {
        awaitedBodies.set(request, new AwaitedBody(request, () => response.writeContinue()));
        void listener(request, response);
      });
      server.timeout = timeouts.stalledMs;
      server.maxConnections = connectionsMax;
      servers.push(server);
      return server;
    },
  });
  acceptor.on("connection", () => {}); // the server itself reads its connections
  return {
    close() {
      acceptor.close();
      for (const server of servers) server.closeAllConnections();
    },
  };
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
