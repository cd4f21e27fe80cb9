import { assert, assertEquals } from "@std/assert";
import { clockWith, withListener } from "../../tests/support/listener_bench.ts";
import { until } from "../../tests/support/until.ts";
import { type Clock, systemClock } from "../platform/clock.ts";

const net = { permissions: { net: true } };
const MIB = 2 ** 20;

Deno.test(
  "a malformed request is answered and the connection closed",
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
  "an HTTP client is disconnected without an answer",
  net,
  () =>
    withListener({}, async (_listener, _recorder, connect) => {
      const client = await connect();
      await client.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      assertEquals(await client.readAll(), "");
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
  "a client that has closed its side and reads nothing is disconnected after a while",
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
  "a client that disconnects leaves nothing behind",
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
  "a client that does not read is disconnected before its replies fill the memory",
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
  "a client that reads may be sent far more than the bound of unread replies",
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
  "a client with too many unread replies is disconnected when it reads nothing for a while",
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
      assertEquals([timers.length, recorder.closed.length], [1, 0]); // it has read: a new timer
      await until("it is disconnected", () => {
        timers.shift()?.();
        return recorder.closed.length === 1;
      });
    }, clock);
  },
);

Deno.test(
  "a request that may wait for ever ends with its client, even if only one side is closed",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({}, async (listener, recorder, connect) => {
      let ended = 0;
      const waiting = await connect();
      await waiting.send("ECHO a\r\nWAIT\r\nECHO b\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.waitUnbounded(() => ended++);
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
  "a disconnect is noticed while the client is not read and waits without a bound",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({ pipelineMax: 2 }, async (_listener, recorder, connect) => {
      let ended = 0;
      const client = await connect();
      await client.send("WAIT\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.waitUnbounded(() => ended++);
      await client.send("A\r\nB\r\nC\r\n");
      await until("it is paused", () => timers.length === 1);
      client.conn.close();
      await until("the disconnect is noticed", () => {
        timers.shift()?.();
        return recorder.closed.length === 1;
      });
      assertEquals(ended, 1);
    }, clockWith(timers));
  },
);

Deno.test(
  "a client that was probed while it waited is read again after its answer",
  net,
  async () => {
    const timers: (() => void)[] = [];
    await withListener({ pipelineMax: 2 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("WAIT\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.reply.waitUnbounded(() => {});
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
  "an idle client is disconnected, unless it waits for an answer or watches",
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
  "a request that may wait without a bound is no longer waiting once it is answered",
  net,
  () =>
    withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n");
      await recorder.until(() => recorder.pending.length === 1);
      const reply = recorder.pending[0]?.reply;
      assert(reply !== undefined);
      assertEquals(reply.isWaiting, false);
      reply.waitUnbounded(() => {});
      assertEquals(reply.isWaiting, true);
      reply.settle("done"); // a client that has closed its side may take its time to read it
      assertEquals(reply.isWaiting, false);
    }),
);

Deno.test(
  "a request whose client has disconnected does not count as unanswered",
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
