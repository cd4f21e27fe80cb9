import type { Logger } from "../base/logger.ts";
import { Acceptor } from "./acceptor.ts";
import { type ByteChannel, SocketChannel } from "./byte_channel.ts";
import { ChannelListener } from "./channel_listener.ts";
import type { Clock } from "./clock.ts";
import { HttpConnections } from "./http_connections.ts";
import {
  type Body,
  bodyOf,
  encodeHead,
  type Fields,
  type Head,
  HttpSyntaxError,
} from "./http_head.ts";
import { type Chunks, HttpStream, HttpTimeout } from "./http_stream.ts";
import type { Address } from "./network.ts";
import { hasNoFreeDescriptors } from "./process.ts";
import type { ConnectionGate } from "./sockets.ts";

/** Time limits in milliseconds. */
export interface HttpServerTimes {
  /** For the head of a request, from its first byte. */
  readonly headMs: number;
  /** For a connection without a request. */
  readonly idleMs: number;
  /** For a connection on which a body can neither be read nor written. */
  readonly stalledMs: number;
}

const TIMES: HttpServerTimes = { headMs: 10_000, idleMs: 30_000, stalledMs: 30_000 };

/** Bytes of a refused body that are dropped, while the client may be reading the answer. */
const DROPPED_BYTES_MAX = 64 * 1024 * 1024;

/** Why a request is refused before a handler has seen it. */
export type HttpRefusal = "no-http" | "header-too-large" | "too-slow" | "too-many-connections";

export interface HttpServerOptions {
  readonly address: Address;
  readonly connectionsMax: number;
  /** What sets `connectionsMax`, for the log. */
  readonly connectionsFlag: string;
  /** Answers a request. When it rejects, the connection ends after what it has written. */
  readonly handle: (exchange: HttpExchange) => Promise<void>;
  /** Answers what is refused. The connection ends after it. @default an answer without a body */
  readonly refuse?: (exchange: HttpExchange, refusal: HttpRefusal) => Promise<void>;
  /** What a connection goes through first, TLS. @default nothing */
  readonly gate?: ConnectionGate | null;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a head, 30 s idle, 30 s stalled */
  readonly times?: HttpServerTimes;
}

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  206: "Partial Content",
  304: "Not Modified",
};

/** A request, and the way to answer it once. */
export class HttpExchange {
  readonly method: string;
  /** The path and query as the client sent them. */
  readonly target: string;
  /** By name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** Bytes of the body; `null` when the client does not know them. */
  readonly bodyBytes: number | null;
  readonly #stream: HttpStream;
  readonly #body: Body;
  readonly #isOld: boolean;
  #chunks: AsyncGenerator<Uint8Array, void, undefined> | null = null;
  #isAsked = false;
  #isBodyRead: boolean;
  #isKept: boolean;
  /** Bytes of the answer that are still to be written; infinite for one of unknown size. */
  #unwritten: number | null = null;

  constructor(stream: HttpStream, { first, fields }: Head, body: Body) {
    const [method, target, version] = first;
    this.method = method;
    this.target = target;
    this.fields = fields;
    this.bodyBytes = body === "chunked" ? null : body;
    this.#stream = stream;
    this.#body = body;
    this.#isBodyRead = body === 0;
    this.#isOld = version === "HTTP/1.0";
    const connection = fields.get("connection")?.toLowerCase();
    this.#isKept = this.#isOld ? connection === "keep-alive" : connection !== "close";
  }

  /** Whether the head of the answer is written. */
  get hasBegun(): boolean {
    return this.#unwritten !== null;
  }

  /** Whether the client waits with the body until it is read (`Expect: 100-continue`). */
  get isWaiting(): boolean {
    return !this.#isBodyRead && !this.#isAsked &&
      this.fields.get("expect")?.toLowerCase() === "100-continue";
  }

  /** Whether the body has come whole. */
  get isBodyRead(): boolean {
    return this.#isBodyRead;
  }

  /**
   * Calls this when the connection fails while nothing is written, or, if `atEnd`, when the client
   * has ended its half of it.
   */
  onGone(atEnd: boolean, gone: () => void): void {
    this.#stream.onEnd = () => {
      if (atEnd || this.#stream.error !== null) gone();
    };
    if (this.#isBodyRead) this.#stream.watchEnd();
  }

  /**
   * The body, to be read once. A client that waits to be asked for it is asked.
   *
   * @throws when the connection breaks before its end
   */
  async *body(chunks: Chunks = "owned"): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.isWaiting) {
      this.#isAsked = true;
      await this.#stream.write(CONTINUE);
    }
    this.#chunks ??= this.#stream.readBody(this.#body, chunks);
    for (;;) { // `for await` would end the body when the reader stops early
      const { done, value } = await this.#chunks.next();
      if (done) break;
      yield value;
    }
    this.#isBodyRead = true;
  }

  /** Answers at once, also while the body is still arriving. */
  async answer(status: number, headers: Fields, body: Uint8Array): Promise<void> {
    await this.begin(status, headers, body.length, body);
  }

  /**
   * Begins an answer of `size` bytes, of which `first` are the first. `write` must bring the rest.
   *
   * @param size `null` when nobody knows: `end` must follow the last `write`
   */
  async begin(
    status: number,
    headers: Fields,
    size: number | null,
    first: Uint8Array = new Uint8Array(0),
  ): Promise<void> {
    if (size === null && this.#isOld) this.#isKept = false; // the end of the connection ends it
    this.#isKept &&= this.#isBodyRead;
    this.#unwritten = (size ?? Infinity) - first.length;
    const lines: (readonly [string, string])[] = [...headers];
    if (size === null) { if (!this.#isOld) lines.push(["transfer-encoding", "chunked"]); }
    else if (status !== 204 && status !== 304) lines.push(["content-length", `${size}`]);
    if (!this.#isKept) lines.push(["connection", "close"]);
    else if (this.#isOld) lines.push(["connection", "keep-alive"]);
    const reason = REASONS[status] ?? (status < 400 ? "OK" : "Error");
    this.#stream.hold(encodeHead(`HTTP/1.1 ${status} ${reason}`, lines));
    if (size === null && first.length > 0) await this.write(first);
    else await this.#stream.write(first);
  }

  /** The head of an answer whose body is not sent, since the request was a `HEAD`. */
  async answerHead(status: number, headers: Fields, size: number | null): Promise<void> {
    await this.begin(status, headers, size);
    this.#unwritten = 0;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#unwritten === Infinity && !this.#isOld) return await this.#stream.writeChunk(bytes);
    this.#unwritten = (this.#unwritten ?? 0) - bytes.length;
    await this.#stream.write(bytes);
  }

  /** Ends an answer of unknown size. */
  async end(): Promise<void> {
    this.#unwritten = 0;
    if (!this.#isOld) await this.#stream.endChunks();
  }

  /** Has the connection end after the answer, which has not begun. */
  closeAfter(): void {
    this.#isKept = false;
  }

  /** Ends the connection at once, in the middle of an answer. */
  abort(): void {
    this.#stream.destroy(new Error("the answer breaks off"));
  }

  /** @returns whether the connection can serve another request */
  async finish(): Promise<boolean> {
    this.#stream.onEnd = () => {};
    if (this.#unwritten !== 0) throw new Error("the answer is not complete");
    if (this.#isBodyRead) return this.#isKept;
    // A connection that is closed while bytes arrive would be reset, and the answer lost.
    if (!this.isWaiting) {
      this.#chunks ??= this.#stream.readBody(this.#body, "lent");
      await this.#stream.drop(this.#chunks, DROPPED_BYTES_MAX);
    }
    return false;
  }
}

/**
 * Serves HTTP/1.1. Its limits hold on every version of Deno, and it never holds more of a body than
 * some hundred KiB. At the limit of connections, a new one takes the place of the one that has been
 * without a request for longest. If all have one, it is refused.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #times: HttpServerTimes;
  readonly #connections: HttpConnections;
  readonly #serving = new Map<HttpStream, Promise<void>>();
  #listener: Pick<ChannelListener, "port" | "close"> | null = null;

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
    this.#connections = new HttpConnections(options);
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const server = new HttpServer(options);
    const accepted = (channel: ByteChannel) => server.#accept(channel);
    server.#listener = options.gate
      ? await openGate(options, accepted)
      : await ChannelListener.open({ ...options, accepted });
    return server;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Number of connections that are served. */
  get connections(): number {
    return this.#connections.count;
  }

  /** Stops listening, closes all connections, and waits until no request is handled any more. */
  async close(): Promise<void> {
    this.#listener?.close();
    for (const stream of this.#serving.keys()) stream.destroy();
    await Promise.all(this.#serving.values());
  }

  #accept(channel: ByteChannel): void {
    const stream = new HttpStream(channel, this.#times.stalledMs, this.#options.clock);
    const place = this.#connections.accepted(stream);
    if (place === "closed") return stream.destroy();
    const serving = this.#serve(stream, place === "refused").catch(() => stream.end()).finally(
      () => {
        stream.destroy();
        this.#connections.remove(stream);
        this.#serving.delete(stream);
      },
    );
    this.#serving.set(stream, serving);
  }

  async #serve(stream: HttpStream, isRefused: boolean): Promise<void> {
    for (;;) {
      const exchange = await this.#next(stream);
      if (exchange === null) return;
      if (isRefused) await this.#refuse(exchange, "too-many-connections");
      else {
        this.#connections.begin(stream);
        await this.#handle(exchange);
        this.#connections.end(stream);
      }
      if (!await exchange.finish() || isRefused) return await stream.end();
    }
  }

  /** @returns `null` when there is none */
  async #next(stream: HttpStream): Promise<HttpExchange | null> {
    const { idleMs, headMs } = this.#times;
    try {
      const head = await stream.readHead(idleMs, headMs);
      return head === null ? null : new HttpExchange(stream, head, checked(head));
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === null) throw error;
      if (refusal !== "too-slow" || stream.hasUnread) await this.#refuse(unread(stream), refusal);
      throw error;
    }
  }

  async #handle(exchange: HttpExchange): Promise<void> {
    try {
      await this.#options.handle(exchange);
    } catch (error) {
      // What is wrong with the request is told, as long as nothing else was.
      const refusal = exchange.hasBegun ? null : refusalOf(error);
      if (refusal !== null) await this.#refuse(exchange, refusal);
      throw error;
    }
  }

  async #refuse(exchange: HttpExchange, refusal: HttpRefusal): Promise<void> {
    const { refuse = refuseBriefly } = this.#options;
    exchange.closeAfter();
    await refuse(exchange, refusal);
  }
}

/** Accepts sockets of Node's kind, which TLS needs. */
async function openGate(
  options: HttpServerOptions,
  accepted: (channel: ByteChannel) => void,
): Promise<Pick<ChannelListener, "port" | "close">> {
  const acceptor = await Acceptor.open({
    ...options,
    allowHalfOpen: true,
    hasNoFreeDescriptors,
    checksEachConnection: false,
  });
  acceptor.on("connection", (socket) => accepted(new SocketChannel(socket)));
  return { port: acceptor.address().port, close: () => acceptor.close() };
}

/** How the body ends. @throws {HttpSyntaxError} when this is no request of HTTP/1 */
function checked(head: Head): Body {
  if (!/^HTTP\/1\.[01]$/.test(head.first[2])) throw new HttpSyntaxError(505, "No HTTP/1.1");
  return bodyOf(head);
}

/** In place of a request that nobody could read. */
function unread(stream: HttpStream): HttpExchange {
  return new HttpExchange(stream, { first: ["", "", ""], fields: new Map() }, 0);
}

function refusalOf(error: unknown): HttpRefusal | null {
  if (error instanceof HttpTimeout) return "too-slow";
  if (!(error instanceof HttpSyntaxError)) return null;
  return error.status === 431 ? "header-too-large" : "no-http";
}

const STATUSES: Readonly<Record<HttpRefusal, number>> = {
  "no-http": 400,
  "header-too-large": 431,
  "too-slow": 408,
  "too-many-connections": 503,
};

function refuseBriefly(exchange: HttpExchange, refusal: HttpRefusal): Promise<void> {
  return exchange.answer(STATUSES[refusal], [], new Uint8Array(0));
}
