import type { Address } from "./network.ts";

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
