import { assert, assertEquals, assertRejects } from "@std/assert";
import { silentLogger } from "../base/logger.ts";
import { UserError } from "../base/errors.ts";
import type { Clock } from "../node/clock.ts";
import { systemClock } from "../cli/platform/system_clock.ts";
import { latin1, latin1Bytes } from "../base/latin1.ts";
import { PushReply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { listen, type RespListener } from "./listener.ts";
import type { PendingReply } from "./pending_reply.ts";

/** Answers `ECHO x` at once; keeps everything else for the test to answer. */
class Recorder {
  readonly pending: { args: string[]; reply: PendingReply; connection: Connection }[] = [];
  readonly closed: Connection[] = [];
  #changed: () => void = () => {};

  handle(connection: Connection, args: string[], reply: PendingReply): void {
    if (args[0] === "ECHO") reply.settle(args[1] ?? null);
    else this.pending.push({ connection, args, reply });
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

class Client {
  constructor(readonly conn: Deno.TcpConn) {}

  async send(text: string): Promise<void> {
    const bytes = latin1Bytes(text);
    for (let sent = 0; sent < bytes.length;) sent += await this.conn.write(bytes.subarray(sent));
  }

  /** Reads exactly so many bytes, or up to the end. */
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

  /** Reads until the other side closes. */
  readAll(): Promise<string> {
    return this.read(Infinity).catch(() => "");
  }
}

async function withListener(
  limits: Partial<ClientLimits>,
  test: (
    listener: RespListener,
    recorder: Recorder,
    connect: () => Promise<Client>,
  ) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  const recorder = new Recorder();
  const listener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler: {
      handle: (connection, args, reply) => recorder.handle(connection, args, reply),
      closed: (connection) => recorder.closedOne(connection),
    },
    limits: { ...DEFAULT_CLIENT_LIMITS, ...limits },
    clock,
    logger: silentLogger,
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

const net = { permissions: { net: true } };

Deno.test(
  "replies leave in the order of the requests, however they are settled",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\nB\r\nECHO c\r\nD\r\n");
      await recorder.until(() => recorder.pending.length === 3);
      recorder.pending[2]?.reply.settle("d");
      recorder.pending[1]?.reply.settle("b");
      recorder.pending[0]?.reply.settle("a");
      recorder.pending[0]?.reply.settle("a again counts for nothing");
      assertEquals(await client.read(28), "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    }),
);

Deno.test(
  "a push goes out at once, before replies still open",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.connection.push(new PushReply(["p"]));
      assertEquals(await client.read(11), "*1\r\n$1\r\np\r\n");
      recorder.pending[0]?.reply.settle(1);
      assertEquals(await client.read(4), ":1\r\n");
    }),
);

Deno.test(
  "a client that sends too much unanswered is not read until it is answered",
  net,
  () =>
    withListener({ pipelineMax: 4 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n".repeat(10));
      await recorder.until(() => recorder.pending.length === 4);
      assertEquals(recorder.pending[0]?.connection.outstanding, 4);
      let answered = 0;
      while (answered < 10) {
        await recorder.until(() => recorder.pending.length > answered);
        recorder.pending[answered++]?.reply.settle(answered);
      }
      assertEquals((await client.read(41)).split("\r\n").length, 11);
    }),
);

Deno.test(
  "a broken request is answered and the connection closed",
  net,
  () =>
    withListener({}, async (_listener, _recorder, connect) => {
      const client = await connect();
      await client.send("ECHO first\r\n*1\r\n+nonsense\r\n");
      const expected = "$5\r\nfirst\r\n-ERR Protocol error: expected '$', got '+'\r\n";
      assertEquals(await client.readAll(), expected);
    }),
);

Deno.test(
  "an HTTP client is cut off without an answer",
  net,
  () =>
    withListener({}, async (_listener, _recorder, connect) => {
      const client = await connect();
      await client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertEquals(await client.readAll(), "");
    }),
);

Deno.test(
  "one client too many is refused with Redis's words",
  net,
  () =>
    withListener({ clientsMax: 1 }, async (listener, _recorder, connect) => {
      const first = await connect();
      await first.send("ECHO a\r\n");
      await first.read(7);
      assertEquals(await (await connect()).readAll(), "-ERR max number of clients reached\r\n");
      assertEquals(listener.totals.rejected, 1);
    }),
);

Deno.test(
  "a client that sends its last request and closes its side still gets its answers",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\nECHO b\r\n");
      await client.conn.closeWrite();
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.settle("a");
      assertEquals(await client.readAll(), "$1\r\na\r\n$1\r\nb\r\n");
    }),
);

Deno.test(
  "a client that goes away leaves nothing behind",
  net,
  () =>
    withListener({}, async (listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\nB\r\n");
      await recorder.until(() => recorder.pending.length === 2);
      client.conn.close();
      // Half a close is no end: its requests are still answered. The write then fails.
      recorder.pending[1]?.reply.settle("x".repeat(1024));
      recorder.pending[0]?.reply.settle("x".repeat(1024));
      await recorder.until(() => recorder.closed.length === 1);
      assertEquals(listener.connections.size, 0);
    }),
);

Deno.test(
  "a client that does not read is cut off, before its replies fill the memory",
  net,
  () =>
    withListener({ outputBytesMax: 2 ** 20 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const { connection, reply } = recorder.pending[0] ?? {};
      assert(connection !== undefined && reply !== undefined);
      reply.settle("x".repeat(32 * 2 ** 20));
      await recorder.until(() => recorder.closed.length === 1);
      assert(connection.isClosed);
    }),
);

Deno.test(
  "a client that reads gets far more at once than is held for one that does not",
  net,
  () =>
    withListener({ outputBytesMax: 2 ** 20 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n".repeat(64));
      await recorder.until(() => recorder.pending.length === 64);
      const value = "x".repeat(2 ** 16 - 10);
      for (const { reply } of recorder.pending) reply.settle(value);
      assertEquals((await client.read(2 ** 22)).length, 2 ** 22);
      assertEquals(recorder.closed.length, 0);
    }),
);

Deno.test(
  "with too much to read, a client is cut off when it takes nothing for a while",
  net,
  async () => {
    const timers: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after(_delayMs, run) {
        timers.push(run);
        return () => {};
      },
    };
    await withListener({ outputBytesMax: 2 ** 23 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n".repeat(24));
      await recorder.until(() => recorder.pending.length === 24);
      for (const { reply } of recorder.pending) reply.settle("x".repeat(2 ** 20));
      assertEquals(timers.length, 1);
      await client.read(2 ** 22);
      timers.shift()?.();
      assertEquals([timers.length, recorder.closed.length], [1, 0]); // it read: a new chance
      while (recorder.closed.length === 0) {
        await new Promise((resolve) => setTimeout(resolve));
        timers.shift()?.();
      }
    }, clock);
  },
);

Deno.test(
  "after a large reply fewer requests are read at once",
  net,
  () =>
    withListener({}, async (listener, recorder, connect) => {
      const client = await connect();
      const reply = "x".repeat(2 ** 22 - 12);
      await client.send(`ECHO first\r\nA\r\n`);
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending.splice(0)[0]?.reply.settle(reply);
      assertEquals((await client.read(11 + 2 ** 22)).length, 11 + 2 ** 22);
      await client.send("A\r\n".repeat(40));
      await recorder.until(() => recorder.pending.length >= 16);
      const [connection] = listener.connections.values();
      assertEquals(connection?.outstanding, 16);
      for (let answered = 0; answered < 40; answered++) {
        await recorder.until(() => recorder.pending.length > answered);
        recorder.pending[answered]?.reply.settle(1);
      }
      assertEquals(await client.read(160), ":1\r\n".repeat(40));
    }),
);

Deno.test("a taken port is told in one line", net, () =>
  withListener({}, async (listener) => {
    await assertRejects(
      () =>
        listen({
          address: listener.address,
          handler: { handle() {}, closed() {} },
          limits: DEFAULT_CLIENT_LIMITS,
          clock: systemClock,
          logger: silentLogger,
        }),
      UserError,
      `Cannot listen on 127.0.0.1:${listener.address.port}: the port is in use`,
    );
  }));
