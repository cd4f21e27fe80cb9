import { assert, assertEquals, assertMatch } from "@std/assert";
import { clockWith, withListener } from "../../tests/support/listener_bench.ts";
import { until } from "../../tests/support/until.ts";

const net = { permissions: { net: true } };
const MIB = 2 ** 20;
/** A request of about this size. */
const sized = (bytes: number) => `*2\r\n$1\r\nA\r\n$${bytes}\r\n${"x".repeat(bytes)}\r\n`;

Deno.test(
  "the bytes of each client's requests are bounded, by pausing its reads",
  net,
  () =>
    withListener({ pipelineBytesMax: 4 * MIB }, async (listener, recorder, connect) => {
      const client = await connect();
      const sent = client.send(sized(MIB).repeat(40));
      await recorder.until(() => recorder.pending.length === 4);
      const other = await connect();
      for (let i = 0; i < 50; i++) { // time enough for more of them
        await other.send("ECHO a\r\n");
        await other.read(7);
      }
      assertEquals(recorder.pending.length, 4);
      for (let answered = 0; answered < 40; answered++) {
        await recorder.until(() => recorder.pending.length > answered);
        const open = recorder.pending.length - answered;
        assert(open <= 5, `${open} requests are open`);
        assert(listener.load.unansweredBytes <= 5 * MIB, `${listener.load.unansweredBytes} bytes`);
        assert(listener.load.partialBytes <= 2 * MIB, `${listener.load.partialBytes} bytes`);
        recorder.pending[answered]?.reply.settle(answered);
      }
      await sent;
      assertEquals((await client.read(190)).split("\r\n").length, 41);
      assertEquals(listener.load.unansweredBytes + listener.load.partialBytes, 0);
    }),
);

Deno.test(
  "the bytes of all clients' requests are bounded, in order, and small ones pass",
  net,
  () =>
    withListener({ inFlightBytesMax: 4 * MIB }, async (listener, recorder, connect) => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => connect()));
      const sent = clients.map((client) => client.send(sized(MIB)));
      await recorder.until(() => recorder.pending.length >= 1);
      const small = await connect();
      await small.send("ECHO a\r\n");
      assertEquals(await small.read(7), "$1\r\na\r\n");
      for (let answered = 0; answered < 12; answered++) {
        await recorder.until(() => recorder.pending.length > answered);
        const bytes = listener.load.unansweredBytes;
        assert(bytes <= 5 * MIB, `${bytes} bytes are open`);
        recorder.pending[answered]?.reply.settle(1);
      }
      await Promise.all(sent);
      for (const client of clients) assertMatch(await client.read(4), /^:\d+\r\n$/);
      const who = new Set(recorder.pending.map(({ connection }) => connection.id));
      assertEquals(who.size, 12);
      assertEquals(listener.load.unansweredBytes + listener.load.partialBytes, 0);
    }),
);

Deno.test("half requests that fill the limit do not lock out other clients", net, async () => {
  const timers: (() => void)[] = [];
  await withListener({ inFlightBytesMax: 4 * MIB }, async (listener, recorder, connect) => {
    const halves = await Promise.all(Array.from({ length: 8 }, () => connect()));
    const lost = halves.map((client) =>
      client.send(sized(2 * MIB).slice(0, MIB + 100)).catch(() => {})
    );
    await until("the room is full", () => listener.load.partialBytes >= 4 * MIB);
    const whole = await connect();
    const sent = whole.send(sized(MIB));
    let inputBytes = 0;
    let looks = 0;
    await until("its turn comes", () => {
      looks = listener.totals.inputBytes === inputBytes ? looks + 1 : 0;
      inputBytes = listener.totals.inputBytes;
      // A half request has its turn, and does not use it: nothing more arrives.
      if (looks % 5 === 4) { for (const run of timers.splice(0)) run(); }
      return recorder.pending.length === 1;
    });
    await sent;
    recorder.pending[0]?.reply.settle(1);
    assertEquals(await whole.read(4), ":1\r\n");
    for (const { conn } of halves) {
      try {
        conn.close();
      } catch {
        // It was cut off.
      }
    }
    await Promise.all(lost);
  }, clockWith(timers));
});

Deno.test(
  "the unread replies of all clients are bounded, and the client with the most goes first",
  net,
  () =>
    withListener({ allOutputBytesMax: 24 * MIB }, async (listener, recorder, connect) => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => connect()));
      const sizes = [4, 12, 5, 6];
      for (const [at, client] of clients.entries()) {
        await client.send("A\r\n");
        await recorder.until(() => recorder.pending.length === at + 1);
      }
      for (const [at, size] of sizes.entries()) {
        recorder.pending[at]?.reply.settle("x".repeat(size * MIB));
      }
      await recorder.until(() => recorder.closed.length === 1);
      assertEquals(recorder.closed[0], recorder.pending[1]?.connection);
      for (const at of [0, 2, 3]) {
        const bytes = (sizes[at] ?? 0) * MIB;
        assertEquals((await clients[at]?.read(bytes + 12))?.length, bytes + 12);
      }
      await until("nothing is left", () => listener.load.outputBytes === 0);
    }),
);

Deno.test(
  "replies that wait behind an open one count among the unread replies of all clients",
  net,
  () =>
    withListener({ allOutputBytesMax: 24 * MIB }, async (listener, recorder, connect) => {
      const clients = await Promise.all(Array.from({ length: 3 }, () => connect()));
      for (const [at, client] of clients.entries()) {
        await client.send("WAIT\r\nA\r\nB\r\n");
        await recorder.until(() => recorder.pending.length === 3 * (at + 1));
      }
      for (const at of [1, 2, 4, 5, 7]) recorder.pending[at]?.reply.settle("x".repeat(6 * MIB));
      await until("one is cut off", () => recorder.closed.length === 1);
      const [gone] = recorder.closed;
      assert(
        gone === recorder.pending[0]?.connection || gone === recorder.pending[3]?.connection,
      );
      recorder.pending[6]?.reply.settle("a");
      recorder.pending[8]?.reply.settle("c");
      assertEquals((await clients[2]?.read(7 + 6 * MIB + 12 + 7))?.length, 6 * MIB + 26);
      await until("the others wait on", () => listener.load.outputBytes === 12 * MIB + 24);
    }),
);

Deno.test(
  "a reply too large to be buffered is refused, one at a time and with the flag's name",
  net,
  () =>
    withListener({ outputBytesMax: 2 ** 20 }, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("A\r\nB\r\n");
      await recorder.until(() => recorder.pending.length === 2);
      recorder.pending[0]?.reply.settle(new Array(2 ** 20).fill("x".repeat(2 ** 20)));
      recorder.pending[1]?.reply.settle(["b"]);
      const refusal =
        "-ERR The reply is too large, more than 1048576 bytes (--output-bytes-max)\r\n";
      const expected = `${refusal}*1\r\n$1\r\nb\r\n`;
      assertEquals(await client.read(expected.length), expected);
    }),
);

Deno.test(
  "queued requests are executed before the client's end counts",
  net,
  () => {
    let nowMs = 0;
    const clock = { ...clockWith([]), monotonicMs: () => nowMs += 10 }; // each look is one too late
    return withListener({}, async (_listener, recorder, connect) => {
      const client = await connect();
      await client.send("HOLD\r\n".repeat(100));
      await client.conn.closeWrite();
      await recorder.until(() => recorder.pending.length === 100);
      for (const { reply } of recorder.pending) reply.settle(1);
      assertEquals(await client.readAll(), ":1\r\n".repeat(100));
    }, clock);
  },
);

Deno.test(
  "a large request is announced before the last of it is read, until it is answered",
  net,
  () =>
    withListener({ bulkBytesMax: 16 * MIB }, async (_listener, recorder, connect) => {
      const [first, second] = [await connect(), await connect()];
      const request = sized(8 * MIB);
      await first.send(request.slice(0, 6 * MIB));
      await second.send("ECHO a\r\n");
      await second.read(7);
      assertEquals(recorder.largest, [], "much of it has yet to come");
      await first.send(request.slice(6 * MIB, -10));
      await until("it is told of", () => recorder.largest.length === 1);
      assertEquals([recorder.largest[0], recorder.pending.length], [8 * MIB + 1, 0]);
      await first.send(request.slice(-10));
      await second.send(sized(MIB) + sized(3 * MIB));
      await recorder.until(() => recorder.pending.length === 3);
      assertEquals(recorder.largest, [8 * MIB + 1], "the largest of all is told of");
      for (const { args, reply } of recorder.pending) {
        if (args[1]?.length === 8 * MIB) reply.settle(1);
      }
      assertEquals(recorder.largest, [8 * MIB + 1, 3 * MIB + 1]);
      for (const { reply } of recorder.pending) reply.settle(1);
      assertEquals(recorder.largest, [8 * MIB + 1, 3 * MIB + 1, 0]);
    }),
);

Deno.test(
  "a client that disconnects during a large request, or after one, is not waited for",
  net,
  () =>
    withListener({ bulkBytesMax: 16 * MIB }, async (_listener, recorder, connect) => {
      const leaving = await connect();
      await leaving.send(sized(4 * MIB).slice(0, -10));
      await until("it is told of", () => recorder.largest.length === 1);
      leaving.conn.close();
      await until("it is over", () => recorder.largest.length === 2);

      const killed = await connect();
      await killed.send(sized(4 * MIB));
      await recorder.until(() => recorder.pending.length === 1);
      recorder.pending[0]?.connection.destroy();
      recorder.pending[0]?.reply.settle(1); // nobody reads it
      assertEquals(recorder.largest, [4 * MIB + 1, 0, 4 * MIB + 1, 0]);
    }),
);

Deno.test(
  "a client with too many unanswered requests is not read until some are answered",
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
  "after a large reply fewer requests are read ahead",
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
