import { assert, assertEquals } from "@std/assert";
import { withListener } from "../../tests/support/listener_bench.ts";
import { textOf } from "../base/byte_string.ts";
import { PushReply } from "../resp/reply.ts";

const net = { permissions: { net: true } };
const MIB = 2 ** 20;

Deno.test(
  "replies are sent in the order of the requests, in whatever order they are settled",
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
  "a push is sent at once, before replies that are still open",
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
  "CLIENT REPLY SKIP and OFF suppress replies, and only those",
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
  "RESET restores the connection's initial settings",
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

Deno.test(
  "a held request is answered in the client's current protocol",
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
