import { latin1, latin1Bytes } from "../../src/base/bytes.ts";

const PATIENCE_MS = 60_000;

/** A bare TCP connection. A read or write that takes too long closes it. */
export class RawConnection {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(64 * 1024);
  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async open(port: number): Promise<RawConnection> {
    return new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Writes all the data. @returns false if the other side did not take all of it */
  async send(data: string | Uint8Array): Promise<boolean> {
    const bytes = typeof data === "string" ? latin1Bytes(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
      return true;
    } catch {
      return false;
    }
  }

  /** Reads at least this many bytes, or up to the end. */
  async read(bytesMin: number): Promise<string> {
    let text = "";
    const timer = setTimeout(() => this.close(), PATIENCE_MS);
    try {
      while (text.length < bytesMin) {
        const count = await this.#connection.read(this.#buffer);
        if (count === null) break;
        text += latin1(this.#buffer, 0, count);
      }
      return text;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return text; // an end as well
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads until the other side closes the connection. */
  readToEnd(): Promise<string> {
    return this.read(Infinity);
  }

  /** Closes the sending side. */
  async end(): Promise<void> {
    await this.#connection.closeWrite();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }
}

export async function withRawConnection<T>(
  port: number,
  run: (connection: RawConnection) => Promise<T>,
): Promise<T> {
  const connection = await RawConnection.open(port);
  try {
    return await run(connection);
  } finally {
    connection.close();
  }
}
