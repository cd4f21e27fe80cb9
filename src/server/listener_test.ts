import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { EventEmitter } from "node:events";
import { clockWith, withListener } from "../../tests/support/listener_bench.ts";
import { until } from "../../tests/support/until.ts";
import { textOf } from "../base/byte_string.ts";
import { UserError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import { systemClock } from "../platform/system_clock.ts";
import { PushReply, type Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import { DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { listen, RespListener } from "./listener.ts";
import type { PendingReply } from "./pending_reply.ts";

const net = { permissions: { net: true } };
const MIB = 2 ** 20;

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
  "a client that has closed its side gets large replies, however slowly it reads",
  net,
  () =>
    withListener({}, async (listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\nB\r\nC\r\n");
      await client.conn.closeWrite();
      await recorder.until(() => recorder.pending.length === 3);
      const [first, second, third] = recorder.pending;
      second?.reply.settle("b".repeat(3 * MIB));
      first?.reply.settle("a".repeat(3 * MIB));
      assertEquals(await client.read(MIB), ("$3145728\r\n" + "a".repeat(MIB)).slice(0, MIB));
      third?.reply.settle("c");
      const rest = await client.readAll();
      assertEquals(MIB + rest.length, 2 * "$3145728\r\n\r\n".length + 6 * MIB + 7);
      assert(rest.endsWith("bb\r\n$1\r\nc\r\n"));
      await until("it is closed", () => listener.connections.size === 0);
    }),
);

Deno.test(
  "large replies to pipelined requests are all sent, whether the socket takes them at once or not",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const value = new Uint8Array(MIB).fill(0xff);
      for (const form of [value, textOf(value)]) {
        const client = await connect();
        const from = recorder.pending.length;
        const count = 8;
        await client.send("A\r\n".repeat(count));
        await recorder.until(() => recorder.pending.length === from + count);
        for (const { reply } of recorder.pending.slice(from)) reply.settle(form);
        const expected = `$${MIB}\r\n${textOf(value)}\r\n`.repeat(count);
        assert(await client.read(expected.length) === expected);
      }
    }),
);

Deno.test(
  "a client that has closed its side and reads nothing is cut off after a while",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({}, async (listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\n");
      await client.conn.closeWrite();
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.settle("a".repeat(32 * MIB));
      await until("it is cut off", () => {
        for (const run of timers.splice(0)) run();
        return listener.connections.size === 0;
      });
    }, clockWith(timers));
  },
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

/** A reply that cannot be encoded. */
const BROKEN: readonly Reply[] = new Proxy([], {
  get() {
    throw new Error("thrown on purpose");
  },
});

Deno.test(
  "an exception while a connection is served ends it with a log line, and nothing else",
  net,
  async () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, error: (line) => void lines.push(line) };
    const cases: [string, (reply: PendingReply, connection: Connection) => void][] = [
      ["while it is read", () => {}],
      ["in a reply", (reply) => reply.settle([BROKEN])],
      ["in a push", (_reply, connection) => connection.push(new PushReply([BROKEN]))],
      ["in a callback", (reply) =>
        reply.guard(() => {
          throw new Error("thrown on purpose");
        })],
    ];
    await withListener(
      {},
      async (listener, recorder, connect) => {
        const other = await connect();
        for (const [number, [what, run]] of cases.entries()) {
          const client = await connect();
          await client.send(number === 0 ? "THROW\r\n" : "A\r\n");
          if (number > 0) {
            await recorder.until(() => recorder.pending.length === 1);
            const [pending] = recorder.pending.splice(0);
            assert(pending !== undefined);
            run(pending.reply, pending.connection);
          }
          assertEquals(await client.readAll(), "", what);
          assertEquals(lines.length, number + 1, what);
          assertMatch(lines[number] ?? "", /^client 127\.0\.0\.1:\d+: .*thrown on purpose/);
          await other.send("ECHO ok\r\n");
          assertEquals(await other.read(8), "$2\r\nok\r\n", what);
        }
        assertEquals(listener.connections.size, 1);
      },
      systemClock,
      logger,
    );
  },
);

Deno.test(
  "what may wait for ever ends with its client, also when only one side is closed",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({}, async (listener, recorder, connect) => {
      let ended = 0;
      const waiting = await connect();
      await waiting.send("ECHO a\r\nWAIT\r\nECHO b\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.whenGone(() => ended++);
      await waiting.conn.closeWrite();
      assertEquals(await waiting.read(7), "$1\r\na\r\n");
      const plain = await connect();
      await plain.send("A\r\n");
      await recorder.until(() => recorder.pending.length === 2);
      await plain.conn.closeWrite();
      await until("its time is over", () => {
        for (const run of timers.splice(0)) run();
        return ended === 1;
      });
      assertEquals(await waiting.readAll(), "");
      assertEquals([ended, listener.connections.size], [1, 1]);
      recorder.pending[1]?.reply.settle(1); // bounded by itself: it is answered
      assertEquals(await plain.readAll(), ":1\r\n");
    }, clockWith(timers));
  },
);

Deno.test(
  "a client that is gone is noticed while it is not read and waits without a bound",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({ pipelineMax: 2 }, async (_listener, recorder, connect) => {
      let ended = 0;
      const client = await connect();
      await client.send("WAIT\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.whenGone(() => ended++);
      await client.send("A\r\nB\r\nC\r\n");
      await until("it is paused", () => timers.length === 1);
      client.conn.close();
      for (let i = 0; recorder.closed.length === 0; i++) {
        assert(i < 1_000, "the connection stays");
        timers.shift()?.();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assertEquals(ended, 1);
    }, clockWith(timers));
  },
);

Deno.test(
  "a client that was looked at while it waited is read on once it is answered",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({ pipelineMax: 2 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("WAIT\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.whenGone(() => {});
      await client.send("A\r\nB\r\n");
      await until("it is paused", () => timers.length === 1);
      timers.shift()?.();
      recorder.pending[0]?.reply.settle(1);
      recorder.pending[1]?.reply.settle(2);
      await recorder.until(() => recorder.pending.length === 3);
      recorder.pending[2]?.reply.settle(3);
      assertEquals(await client.read(12), ":1\r\n:2\r\n:3\r\n");
      await client.send("ECHO d\r\n");
      await client.send("ECHO e\r\n");
      assertEquals(await client.read(14), "$1\r\nd\r\n$1\r\ne\r\n");
    }, clockWith(timers));
  },
);

Deno.test(
  "a client that has asked for nothing for too long is cut off, unless it waits or is told things",
  net,
  async () => {
    const timers: (() => void)[] = [];
    let nowMs = 0;
    const clock = { ...clockWith(timers), monotonicMs: () => nowMs };
    await withListener({ timeoutS: 10 }, async (listener, recorder, connect) => {
      const [idle, waits, watches] = [await connect(), await connect(), await connect()];
      for (const client of [idle, watches]) {
        await client.send("ECHO a\r\n");
        await client.read(7);
      }
      await waits.send("A\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const last = [...listener.connections.values()].at(-1);
      assert(last !== undefined);
      last.isWatching = true;
      nowMs = 9_999;
      timers.shift()?.();
      assertEquals(listener.connections.size, 3);
      nowMs = 10_000;
      timers.shift()?.();
      assertEquals(await idle.readAll(), "");
      assertEquals([listener.connections.size, recorder.closed.length], [2, 1]);
    }, clock);
  },
);

Deno.test(
  "a reply that the client does not want leaves no bytes, and the next one does",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("ECHO a\r\nHOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const [held] = recorder.pending;
      assert(held !== undefined);
      held.connection.replyMode = "skip";
      await client.send("ECHO skipped\r\nECHO b\r\nHOLD\r\n");
      await recorder.until(() => recorder.pending.length === 2);
      held.connection.replyMode = "off";
      await client.send("ECHO off\r\nECHO off\r\nHOLD\r\n");
      await recorder.until(() => recorder.pending.length === 3);
      held.connection.replyMode = "on";
      await client.send("ECHO c\r\n");
      for (const { reply } of recorder.pending) reply.settle("held");
      const expected = ["a", "held", "b", "held", "c"].map((text) =>
        `$${text.length}\r\n${text}\r\n`
      );
      assertEquals(await client.read(expected.join("").length), expected.join(""));
    }),
);

Deno.test(
  "RESET takes back all that a client said about its connection",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const connection = recorder.pending[0]?.connection;
      assert(connection !== undefined);
      const said = () => {
        const { protocol, name, replyMode, isInRefusedTransaction } = connection;
        return { protocol, name, replyMode, isInRefusedTransaction };
      };
      const before = said();
      connection.protocol = 3;
      connection.name = "x";
      connection.replyMode = "off";
      connection.isInRefusedTransaction = true;
      connection.reset();
      assertEquals(said(), before);
    }),
);

Deno.test("TCP asks after a client that is silent, as often as the flag says", () => {
  for (const [tcpKeepaliveS, asked] of [[300, [[true, 300_000]]], [0, []]] as const) {
    const accepting = new EventEmitter();
    const limits = { ...DEFAULT_CLIENT_LIMITS, tcpKeepaliveS };
    const listener = new RespListener(
      Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
      {
        ...{ address: { host: "h", port: 1 }, limits, clock: systemClock, logger: silentLogger },
        handler: { handle() {}, forget() {} },
      },
    );
    const set: unknown[][] = [];
    const setKeepAlive = (...how: unknown[]) => set.push(how);
    accepting.emit("connection", Object.assign(new EventEmitter(), { setKeepAlive, destroy() {} }));
    listener.close();
    assertEquals(set, [...asked.map((how) => [...how])]);
  }
});

Deno.test(
  "a request that was held comes in the protocol that its client speaks by now",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const [held] = recorder.pending;
      assert(held !== undefined);
      held.connection.protocol = 3;
      held.connection.prepare(held.reply);
      held.reply.settle(null);
      assertEquals(await client.read(3), "_\r\n");
    }),
);

Deno.test(
  "a request that may wait without a bound does so until it is answered",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const reply = recorder.pending[0]?.reply;
      assert(reply !== undefined);
      assertEquals(reply.isWaiting, false);
      reply.whenGone(() => {});
      assertEquals(reply.isWaiting, true);
      reply.settle("done"); // a client that has closed its side may take its time to read it
      assertEquals(reply.isWaiting, false);
    }),
);

Deno.test(
  "a request that is answered after its client has gone weighs nothing",
  net,
  () =>
    withListener({}, async (listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      assert(listener.load.unansweredBytes > 0);
      const [held] = recorder.pending;
      held?.connection.destroy();
      assertEquals(listener.load.unansweredBytes, 0);
      held?.reply.settle("late");
      assertEquals(listener.load.unansweredBytes, 0);
    }),
);

Deno.test("a taken port is told in one line", net, () =>
  withListener({}, async (listener) => {
    await assertRejects(
      () =>
        listen({
          address: listener.address,
          handler: { handle() {}, forget() {} },
          limits: DEFAULT_CLIENT_LIMITS,
          clock: systemClock,
          logger: silentLogger,
        }),
      UserError,
      `Cannot listen on 127.0.0.1:${listener.address.port}: the port is in use`,
    );
  }));
