import { joinBytes } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "./clock.ts";
import { HttpSyntaxError } from "./http_head.ts";
import { type HttpExchange, type HttpRefusal, HttpServer } from "./http_server.ts";
import type { Address } from "./network.ts";
import type { ConnectionGate } from "./sockets.ts";

export type { HttpRefusal } from "./http_server.ts";

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

/**
 * The part of Node's readable streams that a body needs. A chunk is lent: it is valid until the
 * listener returns.
 */
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
  /** For a connection without a request. */
  readonly idleMs: number;
  /** For a connection on which nothing can be read or written. */
  readonly stalledMs: number;
}

/** Whoever reads a body has limits of its own, and shorter ones. */
const TIMEOUTS: HttpTimeouts = { headerMs: 10_000, idleMs: 30_000, stalledMs: 60_000 };

export interface HttpListenOptions {
  readonly address: Address;
  readonly connectionsMax: number;
  /** Answers a request, and reads or drops its body. It does not reject. */
  readonly handle: (request: Request, sent: SentRequest) => Promise<Response>;
  /** The answer to a request that is refused. The connection ends after it. */
  readonly refuse: (refusal: HttpRefusal) => Response;
  /** What a connection goes through first, TLS. @default nothing */
  readonly gate?: ConnectionGate | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a header, 30 s idle, 60 s stalled */
  readonly timeouts?: HttpTimeouts;
}

/**
 * Time in milliseconds after an answer in which the rest of the body must have come, which nobody
 * wants any more. Otherwise clients that drip bytes would hold all connections.
 */
const UNWANTED_MS_MAX = 30_000;

/** An open HTTP port. */
export interface HttpListener {
  /** Number of connections. */
  readonly connections: number;
  /** Stops listening, and closes all connections. */
  close(): void;
}

/**
 * Serves HTTP/1.1 to strangers, with the requests and responses of the Fetch standard.
 *
 * @throws {UserError} when the address is not available
 */
export async function listenHttp(options: HttpListenOptions): Promise<HttpListener> {
  const { handle, refuse, timeouts = TIMEOUTS } = options;
  const server = await HttpServer.open({
    ...options,
    connectionsFlag: "--http-connections-max",
    times: { ...timeouts, headMs: timeouts.headerMs },
    async handle(exchange) {
      const request = requestOf(exchange);
      const body = new SentBody(exchange);
      const response = await handle(request, {
        target: exchange.target,
        body,
        abort: () => exchange.abort(),
        isWaiting: () => exchange.isWaiting,
      });
      if (body.problem instanceof HttpSyntaxError) throw body.problem;
      await send(exchange, response);
      const cancel = options.clock.after(UNWANTED_MS_MAX, () => exchange.abort());
      await body.settled().finally(cancel);
    },
    refuse: (exchange, refusal) => send(exchange, refuse(refusal)),
  });
  return {
    get connections() {
      return server.connections;
    },
    close: () => void server.close(),
  };
}

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@\\:[\]]+)(?::[0-9]*)?$/;

/** @throws {HttpSyntaxError} when the Fetch standard knows no such request */
function requestOf({ method, target, fields }: HttpExchange): Request {
  const host = fields.get("host") ?? "";
  if (!HOST.test(host)) throw new HttpSyntaxError(400, "The host is malformed");
  const url = target.startsWith("/") ? `http://${host}${target}` : target;
  try {
    return new Request(url, { method, headers: [...fields] });
  } catch (error) {
    throw new HttpSyntaxError(400, messageOf(error));
  }
}

/** Bytes of a response of unknown size that are held to find out its size. */
const HELD_BYTES_MAX = 64 * 1024;

async function send(exchange: HttpExchange, response: Response): Promise<void> {
  const { status, body } = response;
  const headers = [...response.headers].filter(([name]) => !OWN_FIELDS.has(name));
  headers.push(["date", new Date().toUTCString()]);
  if (response.headers.get("connection") === "close") exchange.closeAfter();
  const length = response.headers.get("content-length");
  const size = length === null ? null : Number(length);
  if (exchange.method === "HEAD") {
    await body?.cancel();
    return await exchange.answerHead(status, headers, size ?? (body === null ? 0 : null));
  }
  if (body === null) return await exchange.answer(status, headers, new Uint8Array(0));
  const reader = body.getReader();
  // A client that has ended its half may still read an answer that ends.
  exchange.onGone(size === null, () => void reader.cancel().catch(() => {}));
  try {
    await sendBody(exchange, status, headers, size, reader);
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
}

/** What `HttpExchange` says itself. */
const OWN_FIELDS = new Set(["content-length", "transfer-encoding", "connection", "date"]);

async function sendBody(
  exchange: HttpExchange,
  status: number,
  headers: readonly (readonly [string, string])[],
  size: number | null,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<void> {
  const isEndless = headers.some(([name, value]) => {
    return name === "content-type" && value.startsWith("text/event-stream");
  });
  if (size === null && !isEndless) {
    const held: Uint8Array[] = [];
    let bytes = 0;
    while (bytes <= HELD_BYTES_MAX) {
      const { done, value } = await reader.read();
      if (done) return await exchange.answer(status, headers, joinBytes(held));
      held.push(value);
      bytes += value.length;
    }
    await exchange.begin(status, headers, null, joinBytes(held));
  } else {
    const { value } = await reader.read();
    await exchange.begin(status, headers, size, value);
  }
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    await exchange.write(value);
  }
  if (size === null) await exchange.end();
}

/** The body of a request as events. It is read as long as somebody listens, and is not paused. */
class SentBody implements BodySource {
  readonly #exchange: HttpExchange;
  readonly #received: ((chunk: Uint8Array) => void)[] = [];
  readonly #ended = new Map<string, (() => void)[]>();
  /** Resolves when it has ended or broken off, and is not read any more. */
  #pumping: Promise<void> | null = null;
  #isPaused = false;
  #goOn: () => void = () => {};
  destroyed = false;
  /** Why it has broken off; `null` if it has not. */
  problem: unknown = null;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
  }

  on(event: "data" | "end" | "close" | "error", listener: (chunk: Uint8Array) => void): void {
    if (event === "data") {
      this.#received.push(listener);
      this.#pumping ??= this.#pump();
    } else {
      const listeners = this.#ended.get(event) ?? [];
      listeners.push(listener as () => void);
      this.#ended.set(event, listeners);
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#goOn();
  }

  destroy(): void {
    this.destroyed = true;
    this.#exchange.abort();
    this.#goOn();
  }

  /** Resolves when nobody reads it any more. What is left then is the server's to drop. */
  async settled(): Promise<void> {
    if (this.#isPaused) return;
    await this.#pumping;
  }

  async #pump(): Promise<void> {
    await Promise.resolve(); // the listeners of the other events come first
    let end = "end";
    try {
      const chunks = this.#exchange.body("lent");
      for (;;) {
        while (this.#isPaused && !this.destroyed) {
          await new Promise<void>((resolve) => this.#goOn = resolve);
        }
        const { done, value } = await chunks.next();
        if (done === true) break;
        for (const received of this.#received) received(value);
      }
    } catch (error) {
      this.problem = error;
      end = "error";
    }
    this.destroyed = true;
    for (const name of [end, "close"]) {
      for (const ended of this.#ended.get(name) ?? []) ended();
    }
  }
}
