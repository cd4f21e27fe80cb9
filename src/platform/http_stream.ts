import { Buffer } from "node:buffer";
import { errorOf } from "../base/errors.ts";
import type { ByteChannel } from "./byte_channel.ts";
import type { Clock } from "./clock.ts";
import { type Body, type Head, HttpSyntaxError, parseHead } from "./http_head.ts";

/** Maximum number of bytes of a head, and of what else a line of the protocol has. */
const HEAD_BYTES_MAX = 16 * 1024;
/** Room for a head or a line, the end of it, and the begin of what follows. */
const BUFFER_BYTES = HEAD_BYTES_MAX + 4;
/** How a head begins: with a method or a version. What is none is refused without waiting for more. */
const FIRST_WORD = /^[A-Z][A-Z0-9/.-]{0,30}(?: |$)/;
const FIRST_WORD_BYTES = 32;
/** Bytes of a buffer for chunks that are lent, and of the room in which owned ones stand. */
const LENT_BYTES = 256 * 1024;
const OWNED_BYTES = 64 * 1024;
/** Of the room for owned chunks, less than this is not worth a read. */
const OWNED_BYTES_MIN = 8 * 1024;
/** Buffers that wait for the next body. */
const SPARE_BUFFERS_MAX = 16;
/** Bytes handed to the channel at once; a peer has to take them within the time for a stall. */
const WRITE_BYTES = 256 * 1024;
/** What is held is joined with the next bytes up to this size, else it is written before them. */
const JOINED_BYTES = 16 * 1024;
/** Time in milliseconds for which the end of a connection waits for the end of the other half. */
const LINGER_MS = 1_000;
const CRLF = new TextEncoder().encode("\r\n");

/**
 * Whose the chunks of a body are. An `owned` one is the reader's for ever. A `lent` one is valid
 * until the next one is asked for: its memory is used again, so that large bodies leave no garbage.
 */
export type Chunks = "owned" | "lent";

const spareBuffers: Uint8Array[] = [];

/** Nothing came for too long. The connection can still be written to. */
export class HttpTimeout extends Error {
  override name = "HttpTimeout";

  constructor(limitMs: number) {
    super(`nothing came for ${limitMs} ms`);
  }
}

/** One connection of HTTP/1.1, of a client or a server. */
export class HttpStream {
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  readonly #stalledMs: number;
  /** Received and not yet taken: from `#start` to `#end`. Allocated with the first read. */
  #buffer = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** The read into the buffer that is under way. It does not reject. */
  #filling: Promise<void> | null = null;
  /** Whether a read that nobody waits for any more goes into a reader's memory. */
  #isAbandoned = false;
  #hasEnded = false;
  #held: Uint8Array | null = null;
  #error: Error | null = null;
  /** Number of writes that the operating system has not taken yet. */
  #writes = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  #wakeWriter: (() => void) | null = null;
  /** Called when the other side has ended the connection, and when it is closed. */
  onEnd: () => void = () => {};

  /** @param stalledMs time in milliseconds in which the other side must take or send something */
  constructor(channel: ByteChannel, stalledMs: number, clock: Clock) {
    this.#channel = channel;
    this.#stalledMs = stalledMs;
    this.#clock = clock;
  }

  /** Whether the connection can begin another request: nothing came unasked, nothing has failed. */
  get isFresh(): boolean {
    return !this.#hasEnded && this.#error === null && this.#start === this.#end &&
      this.#writes === 0;
  }

  /**
   * Resolves when nothing is being written; `null` if nothing is. The answer to a request may be read
   * before it is known that the request is written.
   */
  get writing(): Promise<void> | null {
    return this.#writes === 0 ? null : this.#lastWrite;
  }

  /** Why the connection was closed; `null` while it is not. */
  get error(): Error | null {
    return this.#error;
  }

  /** Whether something came that nobody has taken. */
  get hasUnread(): boolean {
    return this.#start < this.#end;
  }

  /** Has the end of the connection noticed although nobody reads. Call it between bodies. */
  watchEnd(): void {
    if (this.#start === this.#end && !this.#hasEnded && this.#error === null) void this.#fill();
  }

  /** Closes the connection at once; whoever waits gets this error. */
  destroy(error: Error = new Error("the connection was given up")): void {
    if (this.#error !== null) return;
    this.#error = error;
    this.#channel.close();
    this.#wakeWriter?.();
    this.onEnd();
  }

  /** Closes the connection once the other side has what was written. */
  async end(): Promise<void> {
    if (this.#error !== null) return;
    const cancel = this.#clock.after(LINGER_MS, () => this.destroy());
    try {
      await this.#lastWrite;
      await this.#channel.closeWrite();
      // A connection that is closed while bytes arrive is reset, and what was written is lost.
      while (await this.#more(null)) this.#start = this.#end;
    } catch {
      // it has failed, so it is closed
    } finally {
      cancel();
      this.destroy();
    }
  }

  /** Lets a writer that waits look again whether it still has to. */
  wakeWriter(): void {
    this.#wakeWriter?.();
  }

  /** Adds what comes next to the buffer, which must have room. */
  #fill(): Promise<void> {
    return this.#filling ??= this.#read().finally(() => this.#filling = null);
  }

  async #read(): Promise<void> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(BUFFER_BYTES);
    else if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    try {
      const count = await this.#channel.read(this.#buffer.subarray(this.#end));
      if (count === null) this.#noteEnd();
      else this.#end += count;
    } catch (error) {
      this.destroy(errorOf(error));
    }
  }

  #noteEnd(): void {
    this.#hasEnded = true;
    this.onEnd();
  }

  /**
   * Waits for more bytes in the buffer.
   *
   * @returns false at the end of the connection
   */
  async #more(limitMs: number | null): Promise<boolean> {
    if (this.#hasEnded) return false;
    if (this.#error !== null) throw this.#error;
    if (this.#isAbandoned) throw new HttpTimeout(this.#stalledMs);
    const before = this.#end - this.#start;
    await this.#within(this.#fill(), limitMs);
    if (this.#error !== null) throw this.#error;
    return this.#end - this.#start > before;
  }

  /** Waits for a read. @throws {HttpTimeout} when it takes too long: the connection stays open */
  async #within<T>(work: Promise<T>, limitMs: number | null): Promise<T> {
    if (limitMs === null) return await work;
    const late = Promise.withResolvers<never>();
    const cancel = this.#clock.after(limitMs, () => late.reject(new HttpTimeout(limitMs)));
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      cancel();
    }
  }

  /**
   * Reads a head.
   *
   * @param firstMs time in milliseconds until its first byte; `null` without a limit
   * @param headMs time from its first byte to its last
   * @returns `null` when the connection ends before
   * @throws {HttpSyntaxError} when it is none
   * @throws {HttpTimeout} when it is late: its first byte, or its last
   */
  async readHead(firstMs: number | null, headMs: number): Promise<Head | null> {
    if (this.#start === this.#end && !await this.#more(firstMs)) return null;
    const untilMs = this.#clock.monotonicMs() + headMs;
    for (;;) {
      const bytes = this.#buffered();
      if (!FIRST_WORD.test(bytes.toString("latin1", 0, FIRST_WORD_BYTES))) {
        throw new HttpSyntaxError(400, "This is no HTTP");
      }
      const end = bytes.indexOf("\r\n\r\n");
      if (end > HEAD_BYTES_MAX || (end < 0 && bytes.length > HEAD_BYTES_MAX)) {
        throw new HttpSyntaxError(431, "The head is too large");
      }
      if (end >= 0) {
        this.#start += end + 4;
        return parseHead(bytes.toString("latin1", 0, end));
      }
      if (!await this.#more(Math.max(1, untilMs - this.#clock.monotonicMs()))) {
        throw new Error("the connection ended within a head");
      }
    }
  }

  #buffered(): Buffer {
    return Buffer.from(this.#buffer.buffer, this.#start, this.#end - this.#start);
  }

  /**
   * Reads the body that a head announces.
   *
   * @throws when the connection ends before the body does
   */
  async *readBody(body: Body, chunks: Chunks): AsyncGenerator<Uint8Array, void, undefined> {
    using room = chunks === "lent" ? new LentRoom() : new OwnedRoom();
    if (body !== "chunked") return yield* this.#readBytes(body, room);
    for (;;) {
      const line = await this.#readLine();
      const digits = /^([0-9a-f]{1,12})[ \t]*(;.*)?$/i.exec(line)?.[1];
      if (digits === undefined) throw new HttpSyntaxError(400, "This is not the size of a chunk");
      const size = parseInt(digits, 16);
      if (size === 0) break;
      yield* this.#readBytes(size, room);
      if (await this.#readLine() !== "") throw new HttpSyntaxError(400, "A chunk has no end");
    }
    for (let i = 0; await this.#readLine() !== ""; i++) {
      if (i === 100) throw new HttpSyntaxError(400, "There are too many trailers");
    }
  }

  async *#readBytes(count: number, room: Room): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0;) {
      const chunk = await this.#take(left, room);
      if (chunk === null) throw new Error(`the connection ended ${left} bytes early`);
      left -= chunk.length;
      yield chunk;
    }
  }

  /** The next bytes, up to `bytesMax`; `null` at the end of the connection. */
  async #take(bytesMax: number, room: Room): Promise<Uint8Array | null> {
    // A read that is under way ends in the buffer. What comes after it need not.
    if (this.#start === this.#end && this.#filling !== null) await this.#more(this.#stalledMs);
    const into = room.next(bytesMax);
    if (this.#start < this.#end) {
      const count = Math.min(into.length, bytesMax, this.#end - this.#start);
      into.set(this.#buffer.subarray(this.#start, this.#start += count));
      return room.taken(count);
    }
    if (this.#hasEnded) return null;
    if (this.#error !== null) throw this.#error;
    if (this.#isAbandoned) throw new HttpTimeout(this.#stalledMs);
    const target = into.length > bytesMax ? into.subarray(0, bytesMax) : into;
    const reading = this.#channel.read(target);
    try {
      const count = await this.#within(reading, this.#stalledMs);
      if (count !== null) return room.taken(count);
    } catch (error) {
      if (error instanceof HttpTimeout) {
        this.#isAbandoned = true;
        room.abandon();
        reading.catch(() => {}); // when the connection is closed
      } else {
        this.destroy(errorOf(error));
      }
      throw this.#error ?? error;
    }
    this.#noteEnd();
    return null;
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const bytes = this.#buffered();
      const end = bytes.indexOf("\r\n");
      if (end < 0 && bytes.length >= HEAD_BYTES_MAX) throw new HttpSyntaxError(400, "Endless line");
      if (end >= 0) {
        this.#start += end + 2;
        return bytes.toString("latin1", 0, end);
      }
      if (!await this.#more(this.#stalledMs)) throw new Error("the connection ended within a line");
    }
  }

  /** Puts bytes before those of the next `write`, into the same packet if they are few. */
  hold(bytes: Uint8Array): void {
    this.#held = this.#held === null ? bytes : Buffer.concat([this.#held, bytes]);
  }

  /**
   * Writes. Nobody may change the bytes until it resolves: then the operating system has taken them,
   * or it is no use to wait for that any more.
   *
   * @param isPointless whether it is no use to wait until the bytes are taken
   */
  write(bytes: Uint8Array, isPointless: () => boolean = () => false): Promise<void> {
    const held = this.#held;
    this.#held = null;
    if (held === null) return this.#inTurn(bytes, isPointless);
    if (held.length + bytes.length <= JOINED_BYTES) {
      return this.#inTurn(Buffer.concat([held, bytes]), isPointless);
    }
    return this.#inTurn(held, isPointless).then(() => this.#inTurn(bytes, isPointless));
  }

  /** Writes after whatever is being written. */
  #inTurn(bytes: Uint8Array, isPointless: () => boolean): Promise<void> {
    const writing = this.#writes === 0
      ? this.#writeInParts(bytes, isPointless)
      : this.#lastWrite.then(() => this.#writeInParts(bytes, isPointless));
    this.#lastWrite = writing.catch(() => {});
    return writing;
  }

  async #writeInParts(bytes: Uint8Array, isPointless: () => boolean): Promise<void> {
    for (let at = 0; at < bytes.length && !isPointless(); at += WRITE_BYTES) {
      if (this.#error !== null) throw this.#error;
      await this.#writePart(bytes.subarray(at, at + WRITE_BYTES), isPointless);
    }
    if (this.#error !== null) throw this.#error;
  }

  async #writePart(bytes: Uint8Array, isPointless: () => boolean): Promise<void> {
    this.#writes++;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#channel.write(bytes)
      .catch((error) => this.destroy(errorOf(error)))
      .then(() => {
        this.#writes--;
        resolve();
      });
    this.#wakeWriter = () => {
      if (this.#error !== null || isPointless()) resolve();
    };
    const cancel = this.#clock.after(this.#stalledMs, () => {
      this.destroy(new Error(`nothing was taken for ${this.#stalledMs} ms`));
    });
    await promise;
    cancel();
    this.#wakeWriter = null;
  }

  /** Writes a part of a body of unknown size, not an empty one. `endChunks` must follow the last. */
  async writeChunk(bytes: Uint8Array, isPointless: () => boolean = () => false): Promise<void> {
    this.hold(new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`));
    await this.write(bytes, isPointless);
    this.hold(CRLF);
  }

  endChunks(): Promise<void> {
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

/** Where the chunks of a body are put. */
interface Room extends Disposable {
  /** Where the next bytes go, at most `bytesMax` of which are wanted. */
  next(bytesMax: number): Uint8Array;
  /** The first so many of them, as the reader gets them. */
  taken(count: number): Uint8Array;
  /** A read that nobody waits for any more may still go there. */
  abandon(): void;
}

class LentRoom implements Room {
  #buffer: Uint8Array | null = null;

  next(): Uint8Array {
    return this.#buffer ??= spareBuffers.pop() ?? new Uint8Array(LENT_BYTES);
  }

  taken(count: number): Uint8Array {
    return this.next().subarray(0, count);
  }

  abandon(): void {
    this.#buffer = null;
  }

  [Symbol.dispose](): void {
    if (this.#buffer !== null && spareBuffers.length < SPARE_BUFFERS_MAX) {
      spareBuffers.push(this.#buffer);
    }
    this.#buffer = null;
  }
}

class OwnedRoom implements Room {
  #free = new Uint8Array(0);

  next(bytesMax: number): Uint8Array {
    if (this.#free.length < Math.min(OWNED_BYTES_MIN, bytesMax)) {
      this.#free = new Uint8Array(Math.min(OWNED_BYTES, bytesMax));
    }
    return this.#free;
  }

  taken(count: number): Uint8Array {
    const chunk = this.#free.subarray(0, count);
    this.#free = this.#free.subarray(count);
    return chunk;
  }

  abandon(): void {}

  [Symbol.dispose](): void {}
}
