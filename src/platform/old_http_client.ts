import { formatAddress } from "../base/address.ts";
import { latin1 } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import type { Address } from "./network.ts";
import { connectSocket, type Socket } from "./sockets.ts";

/**
 * HTTP/1.1 as a client, over this project's own sockets. `node:http` would do on Deno 2.9. On Deno
 * 2.6 it ends the whole process when the other side breaks off while an answer is read, and so does
 * a server that refuses an upload before it has read all of it.
 */

const CONNECT_MS_MAX = 5_000;
const STALLED_MS_MAX = 120_000;
/** Time to wait for `100 Continue`. A server that does not know it reads the body at once. */
const CONTINUE_MS_MAX = 1_000;
/** A kept connection that has been idle for longer may be closed by the other side at any time. */
const KEPT_MS_MAX = 4_000;
const HEADER_BYTES_MAX = 64 * 1024;
/** Number of bytes that may wait until they are read. Above it, the socket is paused. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** What a body consists of. Nobody changes a chunk after it was handed over. */
export type HttpBody = Uint8Array | AsyncIterable<Uint8Array>;

export interface HttpRequest {
  readonly method: string;
  /** The path and query, already percent-encoded. */
  readonly target: string;
  /** Without `Host`, `Content-Length`, `Transfer-Encoding` and `Expect`. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default none */
  readonly body?: HttpBody;
  /** Size of a body that comes in chunks; `null` when it is not known. @default null */
  readonly bodyBytes?: number | null;
  /** Whether the server may refuse the body before it is sent. @default false */
  readonly expectContinue?: boolean;
}

/** An answer. Its body must be read to the end, or the client closed. */
export interface HttpAnswer {
  readonly status: number;
  /** By names in lower case. What is given several times is joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** @throws {HttpBroken} when it ends too early */
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Reads the whole body.
   *
   * @throws {HttpBroken} when it is larger than `bytesMax`, or ends too early
   */
  bytes(bytesMax: number): Promise<Uint8Array>;
}

/** Thrown when there is no connection, when it ends too early, or when no HTTP comes through it. */
export class HttpBroken extends Error {
  override name = "HttpBroken";
}

export interface HttpClientOptions {
  /** Time limit for connecting, in milliseconds. @default 5,000 */
  readonly connectMs?: number;
  /** Time in milliseconds after which a connection without any progress is given up. @default 120,000 */
  readonly stalledMs?: number;
}

/**
 * Sends requests to one server, one after the other, over a connection that is kept between them.
 */
export class HttpClient {
  readonly address: Address;
  readonly #options: HttpClientOptions;
  #connection: Connection | null = null;
  #isBusy = false;

  constructor(address: Address, options: HttpClientOptions = {}) {
    this.address = address;
    this.#options = options;
  }

  /**
   * Resolves with the answer when its header is there. If that comes before the whole body is sent,
   * the rest is not sent.
   *
   * @throws {HttpBroken}
   */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    if (this.#isBusy) throw new Error("Cannot send: the last answer was not read to its end");
    this.#isBusy = true;
    try {
      const connection = await this.#open();
      return await connection.exchange(request, this.address, () => this.#isBusy = false);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends the connection, and with it a request that is under way. The client can be used again. */
  close(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#isBusy = false;
  }

  async #open(): Promise<Connection> {
    if (this.#connection?.isReusable !== true) {
      this.#connection?.close();
      this.#connection = await Connection.open(this.address, this.#options);
    }
    return this.#connection;
  }
}

interface Header {
  readonly status: number;
  readonly isHttp10: boolean;
  readonly headers: ReadonlyMap<string, string>;
}

class Connection {
  readonly #socket: Socket;
  readonly #input: Input;
  #idleSinceMs = performance.now();
  #isReusable = true;
  /** Whether the whole of the last request was sent. */
  #isSent = true;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#input = new Input(socket);
  }

  static open(
    address: Address,
    { connectMs = CONNECT_MS_MAX, stalledMs = STALLED_MS_MAX }: HttpClientOptions,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket(address);
      const fail = (reason: string) => {
        clearTimeout(timer);
        socket.destroy();
        reject(new HttpBroken(reason));
      };
      const timer = setTimeout(() => fail("no answer in time"), connectMs);
      const failed = (error: Error) => fail(messageOf(error));
      socket.once("error", failed);
      socket.once("connect", () => {
        clearTimeout(timer);
        const connection = new Connection(socket);
        socket.off("error", failed);
        socket.setTimeout(stalledMs);
        socket.on("timeout", () => {
          // If this side does not read, it is not the other one that stalls.
          if (socket.isPaused()) socket.setTimeout(stalledMs);
          else connection.#input.fail("nothing was received for too long");
        });
        resolve(connection);
      });
    });
  }

  get isReusable(): boolean {
    return this.#isReusable && this.#input.isOpen &&
      performance.now() - this.#idleSinceMs < KEPT_MS_MAX;
  }

  close(): void {
    this.#isReusable = false;
    this.#input.fail("the connection was closed");
  }

  async exchange(
    request: HttpRequest,
    address: Address,
    done: () => void,
  ): Promise<HttpAnswer> {
    this.#isReusable = false;
    const { body, expectContinue = false } = request;
    this.#socket.write(headOf(request, address), "latin1");
    const header = body === undefined
      ? await this.#header()
      : await this.#sendBody(request, body, expectContinue);
    const ended = (isWhole: boolean) => {
      const keeps = !header.isHttp10 &&
        !/\bclose\b/i.test(header.headers.get("connection") ?? "");
      this.#isReusable = isWhole && keeps && this.#isSent;
      this.#idleSinceMs = performance.now();
      if (!this.#isReusable) this.close();
      done();
    };
    const chunks = this.#body(request.method, header, ended);
    return {
      status: header.status,
      headers: header.headers,
      body: chunks,
      bytes: (bytesMax) => collected(chunks, bytesMax),
    };
  }

  /** @returns the header of the answer, which may come before all of the body is sent */
  async #sendBody(
    { bodyBytes = null }: HttpRequest,
    body: HttpBody,
    expectContinue: boolean,
  ): Promise<Header> {
    this.#isSent = false;
    let early: Header | null = null;
    const isContinued = Promise.withResolvers<void>();
    const answered = this.#header(() => isContinued.resolve()).then((header) => early = header);
    answered.catch(() => {}); // awaited below
    if (expectContinue) {
      const timer = setTimeout(() => isContinued.resolve(), CONTINUE_MS_MAX);
      await Promise.race([isContinued.promise, answered]).finally(() => clearTimeout(timer));
    }
    const isChunked = !(body instanceof Uint8Array) && bodyBytes === null;
    const source = body instanceof Uint8Array ? [body] : body;
    let sentBytes = 0;
    for await (const chunk of source) {
      if (early !== null) return early;
      if (chunk.length === 0) continue;
      sentBytes += chunk.length;
      if (isChunked) this.#socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
      let hasRoom = this.#socket.write(chunk);
      if (isChunked) hasRoom = this.#socket.write("\r\n", "latin1");
      if (!hasRoom) await Promise.race([this.#drained(), answered]);
    }
    if (early !== null) return early;
    if (bodyBytes !== null && sentBytes !== bodyBytes) {
      throw new Error(`Cannot send ${sentBytes} bytes where ${bodyBytes} were announced`);
    }
    if (isChunked) this.#socket.write("0\r\n\r\n", "latin1");
    this.#isSent = true;
    return await answered;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#socket.off("drain", settle);
        this.#socket.off("close", settle); // then the answer fails as well
        resolve();
      };
      this.#socket.on("drain", settle);
      this.#socket.on("close", settle);
    });
  }

  /** @param onContinue called for `100 Continue` */
  async #header(onContinue: () => void = () => {}): Promise<Header> {
    for (;;) {
      const header = headerOf(await this.#input.header());
      if (header.status >= 200) return header;
      if (header.status === 101) throw new HttpBroken("the server switched to another protocol");
      if (header.status === 100) onContinue();
    }
  }

  async *#body(
    method: string,
    header: Header,
    ended: (isWhole: boolean) => void,
  ): AsyncGenerator<Uint8Array> {
    let isWhole = false;
    try {
      const framing = framingOf(method, header);
      if (framing === "chunked") yield* this.#chunked();
      else if (framing === "rest") {
        for (
          let chunk = await this.#input.rest();
          chunk !== null;
          chunk = await this.#input.rest()
        ) {
          yield chunk;
        }
      } else yield* this.#input.exactly(framing);
      isWhole = framing !== "rest";
    } finally {
      ended(isWhole);
    }
  }

  async *#chunked(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const line = await this.#input.line();
      const [, digits] = /^([0-9a-f]{1,13})[ \t]*(;.*)?$/i.exec(line) ?? [];
      if (digits === undefined) throw new HttpBroken("the server sent a wrong length of a chunk");
      const length = Number.parseInt(digits, 16);
      if (length === 0) break;
      yield* this.#input.exactly(length);
      if (await this.#input.line() !== "") throw new HttpBroken("the server sent a wrong chunk");
    }
    while (await this.#input.line() !== ""); // trailers
  }
}

/** The request line and the header. */
function headOf(request: HttpRequest, address: Address): string {
  const { method, target, headers = {}, body, bodyBytes = null, expectContinue } = request;
  const lines = [`${method} ${target} HTTP/1.1`, `Host: ${formatAddress(address)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  const length = body instanceof Uint8Array ? body.length : bodyBytes;
  if (body === undefined) {
    if (method !== "GET" && method !== "HEAD") lines.push("Content-Length: 0");
  } else lines.push(length === null ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`);
  if (body !== undefined && expectContinue === true) lines.push("Expect: 100-continue");
  for (const line of lines) {
    // Nothing may end the line, or be cut off by `latin1`.
    if (/[^\x20-\x7e\t\x80-\xff]/.test(line)) {
      throw new Error(`Cannot send this in a header: ${line}`);
    }
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** @param text the lines of a header, without the empty one */
function headerOf(text: string): Header {
  const [first = "", ...lines] = text.split("\r\n");
  const [, minor, status] = /^HTTP\/1\.([01]) ([1-9][0-9]{2})( .*)?$/.exec(first) ?? [];
  if (status === undefined) throw new HttpBroken("the answer is not in HTTP/1.1");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ??
      [];
    if (name === undefined) throw new HttpBroken("the answer has a wrong header");
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(status), isHttp10: minor === "0", headers };
}

/** How a body ends: after a number of bytes, with an empty chunk, or with the connection. */
function framingOf(method: string, { status, headers }: Header): number | "chunked" | "rest" {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  const encoding = headers.get("transfer-encoding");
  if (encoding !== undefined) {
    if (encoding.toLowerCase() === "chunked") return "chunked";
    throw new HttpBroken(`the answer has an unknown encoding: ${encoding}`);
  }
  const length = headers.get("content-length");
  if (length === undefined) return "rest";
  if (!/^[0-9]{1,15}$/.test(length)) throw new HttpBroken("the answer has a wrong length");
  return Number(length);
}

async function collected(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > bytesMax) throw new HttpBroken(`the answer is longer than ${bytesMax} bytes`);
    parts.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What arrives on a socket, until somebody reads it. */
class Input {
  readonly #socket: Socket;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #wake: () => void = () => {};
  #hasEnded = false;
  #failure: HttpBroken | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes > WAITING_BYTES_MAX) socket.pause();
      this.#wake();
    });
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#wake();
    });
    socket.on("error", (error) => this.fail(messageOf(error)));
    socket.on("close", () => {
      socket.setTimeout(0); // Deno 2.6 would not do so
      this.#hasEnded = true;
      this.#wake();
    });
  }

  get isOpen(): boolean {
    return !this.#hasEnded && this.#failure === null && this.#waitingBytes === 0;
  }

  /** Ends the connection. What has arrived already can still be read. */
  fail(reason: string): void {
    this.#failure ??= new HttpBroken(reason);
    this.#hasEnded = true;
    this.#socket.setTimeout(0);
    this.#socket.destroy();
    this.#wake();
  }

  /** The next bytes; `null` at a regular end. */
  async rest(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length;
        if (this.#waitingBytes <= WAITING_BYTES_MAX / 2) this.#socket.resume();
        return chunk;
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Yields so many bytes. */
  async *exactly(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      const chunk = await this.#next();
      if (chunk.length > left) this.#giveBack(chunk.subarray(left));
      const part = chunk.subarray(0, left);
      left -= part.length;
      yield part;
    }
  }

  /** The text up to the next empty line. */
  header(): Promise<string> {
    return this.#upTo("\r\n\r\n");
  }

  /** The text up to the next end of a line. */
  line(): Promise<string> {
    return this.#upTo("\r\n");
  }

  async #upTo(end: string): Promise<string> {
    let text = "";
    for (;;) {
      const chunk = await this.#next();
      const seen = text.length;
      text += latin1(chunk, 0, Math.min(chunk.length, HEADER_BYTES_MAX + end.length - seen));
      const at = text.indexOf(end, Math.max(0, seen - end.length));
      if (at >= 0) {
        const after = at + end.length - seen;
        if (after < chunk.length) this.#giveBack(chunk.subarray(after));
        return text.slice(0, at);
      }
      if (text.length >= HEADER_BYTES_MAX) {
        throw new HttpBroken("the answer has a header without end");
      }
    }
  }

  async #next(): Promise<Uint8Array> {
    const chunk = await this.rest();
    if (chunk === null) throw new HttpBroken("the connection ended before the answer did");
    return chunk;
  }

  #giveBack(chunk: Uint8Array): void {
    this.#chunks.unshift(chunk);
    this.#waitingBytes += chunk.length;
  }
}
