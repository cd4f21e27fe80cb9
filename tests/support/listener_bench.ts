import { type Arguments, textOf } from "../../src/base/byte_string.ts";
import { latin1, latin1Bytes } from "../../src/base/bytes.ts";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import type { Connection } from "../../src/server/connection.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "../../src/server/limits.ts";
import { listen, type RespListener } from "../../src/server/listener.ts";
import type { PendingReply } from "../../src/server/pending_reply.ts";

/** Answers `ECHO x` at once, and leaves all other requests to the test. */
export class Recorder {
  readonly pending: { args: string[]; reply: PendingReply; connection: Connection }[] = [];
  readonly closed: Connection[] = [];
  /** The sizes of the largest requests that the listener announced. */
  readonly largest: number[] = [];
  #changed: () => void = () => {};

  handle(connection: Connection, args: Arguments, reply: PendingReply): void {
    if (args[0] === "THROW") throw new Error("thrown on purpose");
    if (args[0] === "ECHO") reply.settle(args[1] ?? null);
    else this.pending.push({ connection, args: args.map(textOf), reply });
    this.#changed();
  }

  closedOne(connection: Connection): void {
    this.closed.push(connection);
    this.#changed();
  }

  /** Resolves as soon as the condition holds. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = () => holds() && resolve();
      this.#changed();
    });
  }
}

export class Client {
  constructor(readonly conn: Deno.TcpConn) {}

  async send(text: string): Promise<void> {
    const bytes = latin1Bytes(text);
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** Reads exactly this many bytes, or up to the end. */
  async read(length: number): Promise<string> {
    let text = "";
    const buffer = new Uint8Array(64 * 1024);
    while (text.length < length) {
      const count = await this.conn.read(
        buffer.subarray(0, Math.min(buffer.length, length - text.length)),
      );
      if (count === null) break;
      text += latin1(buffer, 0, count);
    }
    return text;
  }

  /** Reads until the other side closes the connection. */
  readAll(): Promise<string> {
    return this.read(Infinity).catch(() => "");
  }
}

/** A listener on a real socket, and clients that connect to it. */
export async function withListener(
  limits: Partial<ClientLimits>,
  test: (
    listener: RespListener,
    recorder: Recorder,
    connect: () => Promise<Client>,
  ) => Promise<void>,
  clock: Clock = systemClock,
  logger: Logger = silentLogger,
): Promise<void> {
  const recorder = new Recorder();
  const listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler: {
      handle: (connection, args, reply) => recorder.handle(connection, args, reply),
      forget: (connection) => recorder.closedOne(connection),
      noteLargest: (bytes) => void recorder.largest.push(bytes),
    },
    limits: { ...DEFAULT_CLIENT_LIMITS, ...limits },
    clock,
    logger,
  });
  const clients: Client[] = [];
  try {
    await test(listener, recorder, async () => {
      const client = new Client(await Deno.connect({ port: listener.address.port }));
      clients.push(client);
      return client;
    });
  } finally {
    for (const { conn } of clients) {
      try {
        conn.close();
      } catch {
        // The test has closed it.
      }
    }
    const open = [...listener.connections.values()];
    listener.close();
    await recorder.until(() => open.every((one) => recorder.closed.includes(one)));
  }
}

/** The system's clock, with timers that the test fires. */
export function clockWith(timers: (() => void)[]): Clock {
  return {
    ...systemClock,
    after(delayMs, run) {
      if (delayMs === 0) return systemClock.after(0, run);
      timers.push(run);
      return () => timers.splice(0, timers.length, ...timers.filter((one) => one !== run));
    },
  };
}
