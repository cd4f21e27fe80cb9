import { assert, assertEquals, assertMatch } from "@std/assert";
import { clockWith, withListener } from "../../tests/support/listener_bench.ts";
import { until } from "../../tests/support/until.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { PushReply, type Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

const net = { permissions: { net: true } };

function recorder() {
  const lines: string[] = [];
  const record = (line: string) => void lines.push(line);
  return { lines, info: record, warn: record, error: record };
}

Deno.test(
  "an exception at the end of a connection is reported, and the others are served",
  net,
  async () => {
    const logger = recorder();
    await withListener(
      {},
      async (listener, recorder, connect) => {
        const [first, second] = [await connect(), await connect()];
        await first.send("ECHO a\r\n");
        assertEquals(await first.read(7), "$1\r\na\r\n");
        const closedOne = recorder.closedOne.bind(recorder);
        recorder.closedOne = (connection) => {
          closedOne(connection);
          throw new Error("thrown on purpose");
        };
        first.conn.close();
        await until("it is told", () => logger.lines.length === 1);
        assertMatch(logger.lines[0] ?? "", /serving it failed: thrown on purpose/);
        assertEquals(listener.connections.size, 1);
        recorder.closedOne = closedOne;
        await second.send("ECHO b\r\n");
        assertEquals(await second.read(7), "$1\r\nb\r\n");
        const third = await connect();
        await third.send("ECHO c\r\n");
        assertEquals(await third.read(7), "$1\r\nc\r\n");
      },
      systemClock,
      logger,
    );
  },
);

Deno.test(
  "a reply that cannot be sent ends its connection, and the others are served",
  net,
  async () => {
    const logger = recorder();
    await withListener(
      {},
      async (listener, recorder, connect) => {
        const [first, second] = [await connect(), await connect()];
        await first.send("A\r\n");
        await recorder.until(() => recorder.pending.length === 1);
        const reply = recorder.pending[0]?.reply;
        assert(reply !== undefined);
        const items = Object.assign(["x".repeat(300_000)], {
          values: () => {
            throw new RangeError("Invalid string length");
          },
        });
        reply.settle(["y".repeat(300_000), items]);
        await second.send("ECHO b\r\n");
        assertEquals(await second.read(7), "$1\r\nb\r\n");
        await until("it is closed", () => listener.connections.size === 1);
        assertEquals(await first.readAll(), "");
        assertMatch(logger.lines.join(), /serving it failed: Invalid string length/);
      },
      systemClock,
      logger,
    );
  },
);

Deno.test(
  "a client that keeps sending while its own request waits without a limit is disconnected",
  net,
  async () => {
    const timers: (() => void)[] = [];
    const logger = recorder();
    let ended = 0;
    await withListener(
      { pipelineMax: 2 },
      async (listener, recorder, connect) => {
        const [client, other] = [await connect(), await connect()];
        await client.send("WAIT\r\n");
        await recorder.until(() => recorder.pending.length === 1);
        recorder.pending[0]?.reply.waitUnbounded(() => ended++);
        await client.send("A\r\nB\r\nC\r\n");
        await until("it is paused", () => timers.length === 1);
        let sentBytes = 0;
        let isOver = false;
        const sending = (async () => {
          for (const text = "PING\r\n".repeat(10_000); !isOver; sentBytes += text.length) {
            await client.send(text);
          }
        })().catch(() => {}); // it is cut off
        await until("it is cut off", () => {
          timers.shift()?.();
          return listener.connections.size === 1;
        }, { intervalMsMax: 1 });
        isOver = true;
        await sending;
        assertEquals([ended, recorder.pending.length], [1, 2], `${sentBytes} bytes were sent`);
        assertEquals(logger.lines.length, 1);
        assertMatch(logger.lines[0] ?? "", /keeps sending while its own request waits/);
        await other.send("ECHO b\r\n");
        assertEquals(await other.read(7), "$1\r\nb\r\n");
      },
      clockWith(timers),
      logger,
    );
  },
);

Deno.test(
  "a client whose large replies waited for another one counts as one that reads",
  net,
  async () => {
    const timers: (() => void)[] = [];
    const logger = recorder();
    await withListener(
      { outputBytesMax: 1_000 },
      async (_listener, recorder, connect) => {
        const client = await connect();
        await client.send("A\r\nB\r\n");
        await recorder.until(() => recorder.pending.length === 2);
        recorder.pending[1]?.reply.settle("b".repeat(1_500));
        await until("it is watched", () => timers.length === 1);
        recorder.pending[0]?.reply.settle("a");
        assertEquals((await client.read(7 + 7 + 1_502)).length, 1_516);
        timers.shift()?.();
        await client.send("ECHO c\r\n");
        assertEquals([await client.read(7), logger.lines], ["$1\r\nc\r\n", []]);
      },
      clockWith(timers),
      logger,
    );
  },
);

/** A reply that cannot be encoded. */
const BROKEN: readonly Reply[] = new Proxy([], {
  get() {
    throw new Error("thrown on purpose");
  },
});

Deno.test(
  "an exception ends its connection with a log line, and nothing else",
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
