import { errorOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Acceptor } from "./acceptor.ts";
import type { Clock } from "./clock.ts";
import { type Body, bodyOf, encodeHead, type Head, HttpSyntaxError } from "./http_head.ts";
import { HttpStream } from "./http_stream.ts";
import type { Address } from "./network.ts";
import type { Socket } from "./sockets.ts";

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

export interface HttpServerOptions {
  readonly address: Address;
  readonly connectionsMax: number;
  /** Answers a request. When it rejects, the connection ends after what it has written. */
  readonly handle: (exchange: HttpExchange) => Promise<void>;
  readonly hasNoFreeDescriptors: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a head, 30 s idle, 30 s stalled */
  readonly times?: HttpServerTimes;
}

const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

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
  readonly #body: AsyncGenerator<Uint8Array, void, undefined>;
  #isBodyRead: boolean;
  #isKept: boolean;
  /** Bytes of the answer that are still to be written; `null` before its head. */
  #unwritten: number | null = null;

  constructor(stream: HttpStream, { first, fields }: Head, body: Body) {
    [this.method, this.target] = first;
    this.fields = fields;
    this.bodyBytes = body === "chunked" ? null : body;
    this.#stream = stream;
    this.#body = stream.readBody(body);
    this.#isBodyRead = body === 0;
    this.#isKept = fields.get("connection")?.toLowerCase() !== "close";
  }

  /** Whether the head of the answer is written. */
  get hasBegun(): boolean {
    return this.#unwritten !== null;
  }

  /** The body, to be read once. A client that waits to be asked for it is asked. @throws when the connection breaks before its end */
  async *body(): AsyncGenerator<Uint8Array, void, undefined> {
    if (!this.#isBodyRead && this.fields.get("expect")?.toLowerCase() === "100-continue") {
      await this.#stream.write(CONTINUE);
    }
    for (;;) { // `for await` would end the body when the reader stops early
      const { done, value } = await this.#body.next();
      if (done) break;
      yield value;
    }
    this.#isBodyRead = true;
  }

  /** Answers at once, also while the body is still arriving. */
  async answer(
    status: number,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): Promise<void> {
    await this.begin(status, headers, body.length, body);
  }

  /**
   * Begins an answer of `size` bytes, of which `first` are the first. `write` must bring the rest.
   */
  async begin(
    status: number,
    headers: Readonly<Record<string, string>>,
    size: number,
    first: Uint8Array = new Uint8Array(0),
  ): Promise<void> {
    this.#isKept &&= this.#isBodyRead;
    this.#unwritten = size - first.length;
    const all = {
      ...headers,
      "content-length": String(size),
      ...(this.#isKept ? {} : { connection: "close" }),
    };
    this.#stream.hold(encodeHead(`HTTP/1.1 ${status} ${status < 400 ? "OK" : "Error"}`, all));
    await this.#stream.write(first);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#unwritten = (this.#unwritten ?? 0) - bytes.length;
    await this.#stream.write(bytes);
  }

  /** @returns whether the connection can serve another request */
  async finish(): Promise<boolean> {
    if (this.#unwritten !== 0) throw new Error("the answer is not complete");
    if (this.#isBodyRead) return this.#isKept;
    // A connection that is closed while bytes arrive would be reset, and the answer lost.
    await this.#stream.drop(this.#body, DROPPED_BYTES_MAX);
    return false;
  }
}

/**
 * Serves HTTP/1.1 to other nodes, over sockets of its own. Its limits hold on every version of Deno,
 * and it never holds more of a body than some hundred KiB.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #acceptor: Acceptor;
  readonly #streams = new Map<HttpStream, Promise<void>>();
  /** Those without a request, longest first. */
  readonly #idle = new Set<HttpStream>();

  private constructor(acceptor: Acceptor, options: HttpServerOptions) {
    this.#acceptor = acceptor;
    this.#options = options;
    acceptor.on("connection", (socket) => this.#accept(socket));
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const acceptor = await Acceptor.open({
      ...options,
      allowHalfOpen: false,
      checksEachConnection: false,
    });
    return new HttpServer(acceptor, options);
  }

  get port(): number {
    return this.#acceptor.address().port;
  }

  /** Stops listening, closes all connections, and waits until no request is handled any more. */
  async close(): Promise<void> {
    this.#acceptor.close();
    for (const stream of this.#streams.keys()) stream.destroy();
    await Promise.all(this.#streams.values());
  }

  #accept(socket: Socket): void {
    const { connectionsMax, clock, times = TIMES } = this.#options;
    if (this.#streams.size >= connectionsMax && !this.#makeRoom()) return void socket.destroy();
    const stream = new HttpStream(socket, times.stalledMs, clock);
    const serving = this.#serve(stream).catch(() => stream.end()).finally(() => {
      stream.destroy();
      this.#idle.delete(stream);
      this.#streams.delete(stream);
    });
    this.#streams.set(stream, serving);
  }

  /** Closes the connection that nobody has used for longest. */
  #makeRoom(): boolean {
    const [longest] = this.#idle;
    if (longest === undefined) return false;
    this.#idle.delete(longest);
    this.#streams.delete(longest);
    longest.destroy();
    return true;
  }

  async #serve(stream: HttpStream): Promise<void> {
    const { handle, logger, times = TIMES } = this.#options;
    for (;;) {
      let exchange: HttpExchange;
      try {
        this.#idle.add(stream);
        const head = await stream.readHead(times.idleMs, times.headMs);
        this.#idle.delete(stream);
        if (head === null) return;
        exchange = new HttpExchange(stream, head, bodyOf(head));
      } catch (error) {
        if (error instanceof HttpSyntaxError) {
          const headers = { "content-length": "0", connection: "close" };
          await stream.write(encodeHead(`HTTP/1.1 ${error.status} Error`, headers));
          logger.warn(`refusing a request: ${error.message}`);
        }
        throw errorOf(error);
      }
      await handle(exchange);
      if (!await exchange.finish()) return await stream.end();
    }
  }
}
