import type { Address } from "./network.ts";
import type { Connect, Socket } from "./sockets.ts";

/**
 * A connection whose owner says into which buffer to read. For large contents, `node:net` costs 2 to
 * 3 times as much processor time on the reading side, and hundreds of MB of memory: it allocates 64
 * KiB for each read, which the garbage collector frees late.
 */
export interface ByteChannel {
  /**
   * Reads what there is, at least one byte. Nobody may use the buffer until it resolves.
   *
   * @returns number of bytes; `null` when the other side has ended its half
   * @throws when the connection fails or is closed
   */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Resolves when the operating system has taken all bytes. Nobody may change them before. A call
   * must not overlap another one.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the own half. What was written arrives before. */
  closeWrite(): Promise<void>;
  /** Closes the connection. What waits for it fails. */
  close(): void;
}

/** Connects over TCP. */
export async function connectChannel({ host, port }: Address): Promise<ByteChannel> {
  return new TcpChannel(await Deno.connect({ hostname: host, port }));
}

/** A channel over a connection of Deno's own. */
export class TcpChannel implements ByteChannel {
  readonly #connection: Deno.TcpConn;

  constructor(connection: Deno.TcpConn) {
    connection.setNoDelay(true);
    this.#connection = connection;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#connection.read(into);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#connection.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }

  async closeWrite(): Promise<void> {
    await this.#connection.closeWrite();
  }

  close(): void {
    try {
      this.#connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // it is closed
    }
  }
}

/** Makes connections. @param node the id of the node that must be there, as for `Connect` */
export type ConnectChannel = (address: Address, node?: string) => Promise<ByteChannel>;

/** Channels over sockets of Node's kind, which TLS needs. */
export function channelsOver(connect: Connect): ConnectChannel {
  return (address, node) =>
    new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(error);
      const closed = () => reject(new Error("the connection was closed"));
      const socket = connect(address, () => {
        socket.off("error", failed);
        socket.off("close", closed);
        resolve(new SocketChannel(socket));
      }, node);
      socket.once("error", failed);
      socket.once("close", closed);
    });
}

/** Bytes that a socket has delivered and nobody has read, at which it is paused. */
const WAITING_BYTES_MAX = 256 * 1024;

/** A channel over a socket of Node's kind. */
export class SocketChannel implements ByteChannel {
  readonly #socket: Socket;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #hasEnded = false;
  #error: Error | null = null;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes >= WAITING_BYTES_MAX) socket.pause();
      this.#wake();
    });
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#wake();
    });
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#hasEnded) return null;
      if (this.#error !== null) throw this.#error;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    let filled = 0;
    for (let chunk = this.#chunks[0]; chunk !== undefined && filled < into.length;) {
      const part = chunk.subarray(0, into.length - filled);
      into.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) this.#chunks[0] = chunk.subarray(part.length);
      else this.#chunks.shift();
      chunk = this.#chunks[0];
    }
    this.#waitingBytes -= filled;
    if (this.#waitingBytes < WAITING_BYTES_MAX && this.#socket.isPaused()) this.#socket.resume();
    return filled;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error);
      const closed = () => reject(this.#error ?? new Error("the connection was closed"));
      this.#socket.once("close", closed);
      this.#socket.write(bytes, (error) => {
        this.#socket.off("close", closed);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  close(): void {
    this.#socket.destroy();
    this.#fail(new Error("the connection was closed"));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#wake();
  }
}
