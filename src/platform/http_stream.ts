import { Buffer } from "node:buffer";
import type { Clock } from "./clock.ts";
import { type Body, type Head, HttpSyntaxError, parseHead } from "./http_head.ts";
import type { Socket } from "./sockets.ts";

/** Maximum number of bytes of a head, and of what else a line of the protocol has. */
const HEAD_BYTES_MAX = 16 * 1024;
/** Bytes received and not yet taken at which no more are read. */
const QUEUED_BYTES_MAX = 256 * 1024;
/**
 * Deno 2.6 reads twice at once from a socket that was paused and goes on before its last read has
 * ended, and mixes up the order of what it read. There the sender is not made to wait.
 */
const CAN_PAUSE = !/^2\.[0-8]\./.test(Deno.version.deno);
/** Bytes handed to the socket at once; a peer has to take them within the time for a stall. */
const WRITE_BYTES = 256 * 1024;
/**
 * Bytes that the socket may hold before a writer waits. To wait for each write would cost a turn of
 * the event loop for each, and several streams that are fed in turn would each wait for the others.
 */
const UNSENT_BYTES_MAX = 512 * 1024;
const CRLF = new TextEncoder().encode("\r\n");

/**
 * One connection of HTTP/1.1, of a client or a server, over a TCP socket. Deno 2.6's `node:http`
 * neither holds back a server that writes faster than the client reads nor cuts a response short, so
 * large contents between nodes do not use it.
 */
export class HttpStream {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #stalledMs: number;
  /** Received and not yet taken. */
  readonly #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #hasEnded = false;
  #held: Uint8Array | null = null;
  #error: Error | null = null;
  #isClosed = false;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;
  /** Called when the other side has ended the connection, and when it is closed. */
  onEnd: () => void = () => {};

  /** @param stalledMs time in milliseconds in which the other side must take or send something */
  constructor(socket: Socket, stalledMs: number, clock: Clock) {
    this.#socket = socket;
    this.#stalledMs = stalledMs;
    this.#clock = clock;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("drain", () => this.#wake());
    socket.on("end", () => this.#ended());
    socket.on("error", (error: Error) => this.destroy(error));
    socket.on("close", () => this.destroy(new Error("the connection was closed")));
  }

  /** Whether the connection can begin another request: nothing came unasked, nothing has failed. */
  get isFresh(): boolean {
    return !this.#hasEnded && this.#error === null && this.#queuedBytes === 0;
  }

  /** Why the connection was closed; `null` while it is not. */
  get error(): Error | null {
    return this.#error;
  }

  /** Closes the connection at once; whoever waits gets this error. */
  destroy(error: Error = new Error("the connection was given up")): void {
    if (this.#error === null) {
      this.#error = error;
      this.onEnd();
    }
    this.#socket.destroy();
    this.#isClosed = true;
    this.#wake();
  }

  /** Closes the connection once the other side has what was written. */
  async end(): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once("close", resolve);
    const cancel = this.#clock.after(this.#stalledMs, () => this.destroy());
    this.#socket.end(() => this.#socket.destroy());
    await promise;
    cancel();
  }

  /** Lets a writer that waits look again whether it still has to. */
  wakeWriter(): void {
    this.#wakeWriter?.();
  }

  #received(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= QUEUED_BYTES_MAX && CAN_PAUSE) this.#socket.pause();
    this.#wakeReader?.();
  }

  #ended(): void {
    this.#hasEnded = true;
    this.#wakeReader?.();
    this.onEnd();
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** @returns the next bytes; `null` at the end of the connection */
  async #take(limitMs: number | null): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#queuedBytes -= chunk.length;
        if (this.#queuedBytes < QUEUED_BYTES_MAX && this.#socket.isPaused()) this.#socket.resume();
        return chunk;
      }
      if (this.#hasEnded) return null;
      if (this.#error !== null) throw this.#error;
      await this.#wait((wake) => this.#wakeReader = wake, limitMs, "nothing came");
    }
  }

  #putBack(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.unshift(chunk);
    this.#queuedBytes += chunk.length;
  }

  /** Waits to be woken; closes the connection when that takes too long. */
  async #wait(
    register: (wake: (() => void) | null) => void,
    limitMs: number | null,
    what: string,
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    register(resolve);
    const tooLong = () => this.destroy(new Error(`${what} for ${limitMs} ms`));
    const cancel = limitMs === null ? null : this.#clock.after(limitMs, tooLong);
    await promise;
    cancel?.();
    register(null);
  }

  /**
   * Reads a head.
   *
   * @param firstMs time in milliseconds until its first byte; `null` without a limit
   * @param headMs time from its first byte to its last
   * @returns `null` when the connection ends before
   * @throws {HttpSyntaxError} when it is none
   */
  async readHead(firstMs: number | null, headMs: number): Promise<Head | null> {
    const first = await this.#take(firstMs);
    if (first === null) return null;
    const untilMs = this.#clock.monotonicMs() + headMs;
    let bytes = Buffer.from(first.buffer, first.byteOffset, first.length);
    for (;;) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end > HEAD_BYTES_MAX || (end < 0 && bytes.length > HEAD_BYTES_MAX)) {
        throw new HttpSyntaxError(431, "The head is too large");
      }
      if (end >= 0) {
        this.#putBack(bytes.subarray(end + 4));
        return parseHead(bytes.toString("latin1", 0, end));
      }
      const next = await this.#take(Math.max(1, untilMs - this.#clock.monotonicMs()));
      if (next === null) throw new Error("the connection ended within a head");
      bytes = Buffer.concat([bytes, next]);
    }
  }

  /**
   * Reads the body that a head announces.
   *
   * @throws when the connection ends before the body does
   */
  async *readBody(body: Body): AsyncGenerator<Uint8Array, void, undefined> {
    if (body !== "chunked") return yield* this.#readBytes(body);
    for (;;) {
      const line = await this.#readLine();
      const digits = /^([0-9a-f]{1,12})[ \t]*(;.*)?$/i.exec(line)?.[1];
      if (digits === undefined) throw new HttpSyntaxError(400, "This is not the size of a chunk");
      const size = parseInt(digits, 16);
      if (size === 0) break;
      yield* this.#readBytes(size);
      if (await this.#readLine() !== "") throw new HttpSyntaxError(400, "A chunk has no end");
    }
    for (let i = 0; await this.#readLine() !== ""; i++) {
      if (i === 100) throw new HttpSyntaxError(400, "There are too many trailers");
    }
  }

  async *#readBytes(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0;) {
      const chunk = await this.#take(this.#stalledMs);
      if (chunk === null) throw new Error(`the connection ended ${left} bytes early`);
      this.#putBack(chunk.subarray(left));
      const part = chunk.subarray(0, left);
      left -= part.length;
      yield part;
    }
  }

  async #readLine(): Promise<string> {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const next = await this.#take(this.#stalledMs);
      if (next === null) throw new Error("the connection ended within a line");
      bytes = Buffer.concat([bytes, next.subarray(0, HEAD_BYTES_MAX)]);
      const end = bytes.indexOf("\r\n");
      if (end < 0 && bytes.length >= HEAD_BYTES_MAX) throw new HttpSyntaxError(400, "Endless line");
      if (end < 0) continue;
      const taken = end + 2 - (bytes.length - Math.min(next.length, HEAD_BYTES_MAX));
      this.#putBack(next.subarray(taken));
      return bytes.toString("latin1", 0, end);
    }
  }

  /** Puts bytes before those of the next `write`, into the same packet. */
  hold(bytes: Uint8Array): void {
    this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /**
   * Writes. Nobody may change the bytes afterwards.
   *
   * @param isPointless whether it is no use to wait until the bytes are taken
   * @returns a promise when the caller must wait until the other side has taken something
   */
  write(bytes: Uint8Array, isPointless: () => boolean = () => false): Promise<void> | void {
    if (bytes.length > WRITE_BYTES) return this.#writeInParts(bytes, isPointless);
    if (this.#error !== null) return Promise.reject(this.#error);
    const whole = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = null;
    if (whole.length === 0 || this.#socket.write(whole)) return;
    if (this.#socket.writableLength >= UNSENT_BYTES_MAX) return this.#drained(isPointless);
  }

  async #writeInParts(bytes: Uint8Array, isPointless: () => boolean): Promise<void> {
    for (let at = 0; at < bytes.length && !isPointless(); at += WRITE_BYTES) {
      await this.write(bytes.subarray(at, at + WRITE_BYTES), isPointless);
    }
  }

  async #drained(isPointless: () => boolean): Promise<void> {
    while (this.#error === null && this.#socket.writableNeedDrain && !isPointless()) {
      await this.#wait((wake) => this.#wakeWriter = wake, this.#stalledMs, "nothing was taken");
    }
    if (this.#error !== null) throw this.#error;
  }

  /** Writes a part of a body of unknown size, not an empty one. `endChunks` must follow the last. */
  writeChunk(bytes: Uint8Array, isPointless: () => boolean): Promise<void> | void {
    if (bytes.length > WRITE_BYTES) return this.#writeChunks(bytes, isPointless);
    this.hold(new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`));
    const written = this.write(bytes, isPointless);
    this.hold(CRLF);
    return written;
  }

  async #writeChunks(bytes: Uint8Array, isPointless: () => boolean): Promise<void> {
    for (let at = 0; at < bytes.length && !isPointless(); at += WRITE_BYTES) {
      await this.writeChunk(bytes.subarray(at, at + WRITE_BYTES), isPointless);
    }
  }

  endChunks(): Promise<void> | void {
    return this.write(new TextEncoder().encode("0\r\n\r\n"));
  }

  /**
   * Reads and drops the rest of a body, up to `bytesMax`, in the time for a stall. The connection
   * is to be closed then.
   */
  async drop(body: AsyncIterator<Uint8Array>, bytesMax: number): Promise<void> {
    const cancel = this.#clock.after(this.#stalledMs, () => this.destroy());
    try {
      for (let dropped = 0; dropped < bytesMax;) {
        const { done, value } = await body.next();
        if (done) break;
        dropped += value.length;
      }
    } finally {
      cancel();
    }
  }
}
