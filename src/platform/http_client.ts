import { type Address, formatAddress } from "../base/address.ts";
import { errorOf } from "../base/errors.ts";
import { type ByteChannel, type ConnectChannel, connectChannel } from "./byte_channel.ts";
import type { Cancel, Clock } from "./clock.ts";
import { type Body, bodyOf, encodeHead, type Head, HttpSyntaxError } from "./http_head.ts";
import { type Chunks, HttpStream } from "./http_stream.ts";

export interface HttpClientOptions {
  readonly clock: Clock;
  /** How connections are made. @default without TLS */
  readonly connect?: ConnectChannel;
  /** Time in milliseconds for a connection to be made. @default 5 s */
  readonly connectMs?: number;
  /** Time in milliseconds in which the server must take or send something. @default 30 s */
  readonly stalledMs?: number;
  /** Time in milliseconds after which an unused connection is closed. @default 10 s */
  readonly idleMs?: number;
  /** Maximum number of unused connections to one server that stay open. @default 16 */
  readonly idleMax?: number;
  /** The same of those to all servers together. @default 64 */
  readonly idleAllMax?: number;
}

export interface HttpCallOptions {
  readonly address: Address;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How the body will end. */
  readonly body: Body;
  /**
   * Whether to wait, for a second at most, until the server says that it wants the body (RFC 9110,
   * section 10.1.1). @default false
   */
  readonly expectContinue?: boolean;
}

/** Time to wait for `100 Continue`: a server that does not know it waits for the body. */
const CONTINUE_MS_MAX = 1_000;

/** The answer to a call. Its body must be read to the end, or the call be destroyed. */
export interface HttpAnswer {
  readonly status: number;
  /** By name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  /** @throws when the connection ends before the body does. Stopping early closes it. */
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
}

interface IdleStream {
  readonly stream: HttpStream;
  readonly cancel: Cancel;
}

/** Sends requests of HTTP/1.1 to other nodes, over connections that it keeps for the next ones. */
export class HttpClient {
  readonly #options: Required<HttpClientOptions>;
  readonly #idle = new Map<string, IdleStream[]>();
  #idleCount = 0;
  /** With the address of the other side, as `host:port`. */
  readonly #used = new Map<HttpStream, string>();
  /** Ends each attempt to connect that is under way, to that address. */
  readonly #connecting = new Map<(error: Error) => void, string>();
  #isClosed = false;

  constructor(options: HttpClientOptions) {
    this.#options = {
      connect: connectChannel,
      connectMs: 5_000,
      stalledMs: 30_000,
      idleMs: 10_000,
      idleMax: 16,
      idleAllMax: 64,
      ...options,
    };
  }

  /** Begins a request. Failures are told by the methods of the call. */
  call(options: HttpCallOptions): HttpCall {
    const { stalledMs, clock } = this.#options;
    const key = formatAddress(options.address);
    const open = async () => {
      const stream = this.#takeIdle(key) ?? await this.#connect(options.address);
      this.#used.set(stream, key);
      stream.onEnd = () => {
        if (stream.error !== null) this.#used.delete(stream);
      };
      return stream;
    };
    return new HttpCall(open(), options, stalledMs, clock, (stream) => this.#release(key, stream));
  }

  /** Closes all connections; calls under way fail. */
  close(): void {
    this.#isClosed = true;
    this.disconnect(() => true);
  }

  /** Closes the connections to some addresses, given as `host:port`; calls under way there fail. */
  disconnect(isMeant: (address: string) => boolean): void {
    for (const [address, streams] of [...this.#idle]) {
      if (isMeant(address)) { for (const { stream } of [...streams]) stream.destroy(); }
    }
    for (const [stream, address] of [...this.#used]) if (isMeant(address)) stream.destroy();
    for (const [giveUp, address] of [...this.#connecting]) {
      if (isMeant(address)) giveUp(new Error("the connection was given up"));
    }
  }

  #takeIdle(key: string): HttpStream | null {
    for (;;) {
      const idle = this.#idle.get(key)?.pop();
      if (idle === undefined) return null;
      this.#idleCount--;
      idle.cancel();
      idle.stream.onEnd = () => {};
      if (idle.stream.isFresh) return idle.stream;
      idle.stream.destroy();
    }
  }

  async #connect(address: Address): Promise<HttpStream> {
    const { connect, connectMs, stalledMs, clock } = this.#options;
    if (this.#isClosed) throw new Error("the client is closed");
    const { promise, resolve, reject } = Promise.withResolvers<ByteChannel>();
    const giveUp = (error: Error) => {
      this.#connecting.delete(giveUp);
      cancel();
      reject(error);
    };
    const cancel = clock.after(connectMs, () => {
      giveUp(new Error(`no connection was made within ${connectMs} ms`));
    });
    this.#connecting.set(giveUp, formatAddress(address));
    connect(address).then((channel) => {
      if (!this.#connecting.delete(giveUp)) return channel.close(); // it comes too late
      cancel();
      resolve(channel);
    }, giveUp);
    const stream = new HttpStream(await promise, stalledMs, clock);
    this.#used.set(stream, formatAddress(address));
    return stream;
  }

  #release(key: string, stream: HttpStream): void {
    const { idleMax, idleAllMax, idleMs, clock } = this.#options;
    this.#used.delete(stream);
    const streams = this.#idle.get(key) ?? [];
    const isFull = streams.length >= idleMax || this.#idleCount >= idleAllMax;
    if (this.#isClosed || !stream.isFresh || isFull) return stream.destroy();
    this.#idle.set(key, streams);
    const idle = { stream, cancel: clock.after(idleMs, () => stream.destroy()) };
    streams.push(idle);
    this.#idleCount++;
    stream.onEnd = () => {
      this.#idleCount--;
      idle.cancel();
      streams.splice(streams.indexOf(idle), 1);
      if (streams.length === 0 && this.#idle.get(key) === streams) this.#idle.delete(key);
      stream.onEnd = () => {};
      stream.destroy();
    };
    stream.watchEnd();
  }
}

/** One request and its answer. */
export class HttpCall {
  readonly #options: HttpCallOptions;
  readonly #stalledMs: number;
  readonly #clock: Clock;
  readonly #release: (stream: HttpStream) => void;
  /** The connection, once the head of the request is written. */
  readonly #opened: Promise<HttpStream>;
  /** Arrives before the request is complete when the server refuses it. */
  readonly #head: Promise<Head>;
  #stream: HttpStream | null = null;
  /** Resolves when the body may be sent; `null` when it may. */
  #continued: PromiseWithResolvers<void> | null = null;
  #hasAnswer = false;
  #isSent: boolean;
  #sentBytes = 0;
  #destroyed: Error | null = null;
  /** Whether the connection is no longer this call's. */
  #isDone = false;

  constructor(
    opening: Promise<HttpStream>,
    options: HttpCallOptions,
    stalledMs: number,
    clock: Clock,
    release: (stream: HttpStream) => void,
  ) {
    this.#options = options;
    this.#stalledMs = stalledMs;
    this.#clock = clock;
    this.#release = release;
    this.#isSent = options.body === 0;
    if (options.expectContinue === true && !this.#isSent) {
      this.#continued = Promise.withResolvers();
    }
    this.#opened = this.#open(opening);
    this.#head = this.#opened.then((stream) => this.#readHead(stream));
    this.#opened.catch(() => {}); // told by the methods
    this.#head.catch(() => {});
  }

  /** Whether the server has answered. It wants no more of the body then. */
  get hasAnswer(): boolean {
    return this.#hasAnswer;
  }

  async #open(opening: Promise<HttpStream>): Promise<HttpStream> {
    const { address, method, target, headers, body } = this.#options;
    const stream = await opening;
    if (this.#destroyed !== null) {
      stream.destroy();
      throw this.#destroyed;
    }
    this.#stream = stream;
    const length = body === "chunked"
      ? { "transfer-encoding": "chunked" }
      : { "content-length": String(body) };
    const expect = this.#continued === null ? {} : { expect: "100-continue" };
    const all = { host: formatAddress(address), ...headers, ...length, ...expect };
    stream.hold(encodeHead(`${method} ${target} HTTP/1.1`, Object.entries(all)));
    if (body === 0 || this.#continued !== null) stream.write(new Uint8Array(0)).catch(() => {});
    return stream;
  }

  async #readHead(stream: HttpStream): Promise<Head> {
    try {
      let head = await stream.readHead(null, this.#stalledMs);
      while (isInterim(head)) {
        if (head?.first[1] === "100") this.#continued?.resolve();
        head = await stream.readHead(null, this.#stalledMs);
      }
      if (head === null) throw new Error("the server closed the connection without an answer");
      this.#hasAnswer = true;
      stream.wakeWriter();
      return head;
    } catch (error) {
      stream.destroy(errorOf(error));
      throw error;
    }
  }

  /**
   * Writes the next bytes of the body, which nobody may change until it resolves. Does nothing when
   * the server has answered already.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const stream = this.#stream ?? await this.#opened;
    if (this.#continued !== null) await this.#untilContinued();
    if (this.#hasAnswer || bytes.length === 0) return;
    this.#sentBytes += bytes.length;
    const isPointless = () => this.#hasAnswer;
    await (this.#options.body === "chunked"
      ? stream.writeChunk(bytes, isPointless)
      : stream.write(bytes, isPointless));
  }

  /**
   * Resolves when the body may be sent, or the server has answered.
   *
   * @throws when the connection fails
   */
  async continued(): Promise<void> {
    await this.#opened;
    await this.#untilContinued();
  }

  async #untilContinued(): Promise<void> {
    const continued = this.#continued;
    if (continued === null) return;
    const cancel = this.#clock.after(CONTINUE_MS_MAX, () => continued.resolve());
    try {
      await Promise.race([continued.promise, this.#head]);
    } finally {
      cancel();
      this.#continued = null;
    }
  }

  /**
   * Ends the request, and waits for its answer.
   *
   * @param chunks whose the chunks of its body are
   * @throws when there is none in time, or the connection fails
   */
  async answer(chunks: Chunks = "owned"): Promise<HttpAnswer> {
    const stream = await this.#opened;
    const { body } = this.#options;
    if (!this.#isSent && !this.#hasAnswer) {
      await (body === "chunked" ? stream.endChunks() : stream.write(new Uint8Array(0)));
      this.#isSent = body === "chunked" || body === this.#sentBytes;
    }
    const cancel = this.#clock.after(this.#stalledMs, () => {
      stream.destroy(new Error(`no answer came within ${this.#stalledMs} ms`));
    });
    try {
      const head = await this.#head;
      const status = Number(head.first[1]);
      if (!/^HTTP\/1\.1$/.test(head.first[0]) || !(status >= 200 && status < 600)) {
        throw new HttpSyntaxError(400, "This is not an answer of HTTP/1.1");
      }
      const read = stream.readBody(this.#bodyOf(head), chunks);
      return { status, fields: head.fields, body: this.#body(stream, head, read) };
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      cancel();
    }
  }

  #bodyOf(head: Head): Body {
    const hasNone = this.#options.method === "HEAD" || /^(204|304)$/.test(head.first[1]);
    return hasNone ? 0 : bodyOf(head);
  }

  async *#body(
    stream: HttpStream,
    head: Head,
    chunks: AsyncGenerator<Uint8Array, void, undefined>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let isWhole = false;
    try {
      yield* chunks;
      isWhole = true;
    } finally {
      const isKept = isWhole && this.#isSent && head.fields.get("connection") !== "close";
      this.#isDone = true;
      // Else the next request would need another connection, and this one would be closed.
      if (isKept) await stream.writing;
      if (isKept) this.#release(stream);
      else stream.destroy();
    }
  }

  /** Closes the connection, unless the answer was read whole. */
  destroy(): void {
    if (this.#isDone) return;
    this.#destroyed = new Error("the request was given up");
    this.#stream?.destroy(this.#destroyed);
  }
}

/** Whether another head follows, that of the answer. */
function isInterim(head: Head | null): boolean {
  return head !== null && /^1(?!01)[0-9]{2}$/.test(head.first[1]);
}
