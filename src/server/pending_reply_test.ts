import { assert, assertEquals } from "@std/assert";
import { FakeConnection } from "../../tests/support/fake_connection.ts";
import { type ByteString, textOf } from "../base/byte_string.ts";
import { encodeReply } from "../resp/encode.ts";
import { PendingReply, ReplyQueue } from "./pending_reply.ts";
import { ReplyOutput } from "./reply_output.ts";

Deno.test("only the first answer to a request counts, encoded or not", () => {
  const settled: (string | null)[] = [];
  const connection = Object.assign(new FakeConnection(), {
    noteSettled: (reply: PendingReply) => void settled.push(reply.text),
  });
  const reply = new PendingReply(connection, 2);
  reply.settleEncoded("+a\r\n");
  reply.settleEncoded("+b\r\n", ["c"]);
  reply.settle("d");
  assertEquals([reply.text, reply.bytes, settled], ["+a\r\n", 4, ["+a\r\n"]]);
});

Deno.test("a request is without a client once its connection is closed", () => {
  const connection = new FakeConnection();
  const reply = new PendingReply(connection, 2);
  assertEquals(reply.isGone, false);
  connection.isClosed = true;
  assertEquals(reply.isGone, true);
});

Deno.test("replies wait without a bound as long as one of them does", () => {
  const queue = new ReplyQueue();
  const replies = [1, 2, 3].map(() => new PendingReply(new FakeConnection(), 2));
  for (const reply of replies) queue.push(reply);
  assertEquals(queue.isWaiting, false);
  replies[1]?.waitUnbounded(() => {});
  assertEquals(queue.isWaiting, true);
  replies[1]?.settle("answer");
  assertEquals(queue.isWaiting, false);
});

/** A queue of settled replies, and an output whose socket takes everything at once. */
class Sending {
  readonly queue = new ReplyQueue();
  sent = "";
  readonly #socket = {
    writableLength: 0,
    writableNeedDrain: false,
    write: (data: ByteString) => void (this.sent += textOf(data)),
  };
  readonly output = new ReplyOutput(this.#socket);

  settle(...values: (string | readonly string[])[]): void {
    const connection = Object.assign(new FakeConnection(), {
      noteSettled: (reply: PendingReply) => void (this.queue.settledBytes += reply.bytes),
    });
    for (const value of values) {
      const reply = new PendingReply(connection, 2);
      this.queue.push(reply);
      reply.settle(value);
    }
  }

  /** One turn: what is ready is handed over and sent, as far as there is room. */
  send(): number {
    const bytes = this.queue.handOver(this.output);
    this.output.send();
    return bytes;
  }
}

const MANY = Array.from({ length: 40_000 }, (_, at) => `${at}:`.padEnd(64, "v"));

Deno.test("a long array is encoded as it is sent, and the next reply comes after it", () => {
  const sending = new Sending();
  sending.settle(MANY, "next");
  const turns: number[] = [];
  while (sending.queue.size > 0) turns.push(sending.send());
  assertEquals(sending.sent, encodeReply(MANY, 2) + encodeReply("next", 2));
  assertEquals(turns.reduce((sum, bytes) => sum + bytes), sending.sent.length);
  assert(turns.length >= 3 && Math.max(...turns) < 1.1 * 2 ** 20, `turns of ${turns} bytes`);
  assertEquals(sending.queue.settledBytes, 0);
});

Deno.test("a message that answers no request does not come within a reply", () => {
  const sending = new Sending();
  sending.queue.interject("+first\r\n", sending.output);
  sending.settle(MANY, "next");
  sending.send();
  assert(sending.queue.settledBytes > 0);
  sending.queue.interject("+second\r\n", sending.output);
  sending.queue.interject("+third\r\n", sending.output);
  while (sending.queue.size > 0) sending.send();
  sending.queue.interject("+last\r\n", sending.output);
  sending.send();
  const [many, next] = [encodeReply(MANY, 2), encodeReply("next", 2)];
  const expected = `+first\r\n${many}+second\r\n+third\r\n${next}+last\r\n`;
  assertEquals(sending.sent.length, expected.length);
  assertEquals(sending.sent, expected);
  assertEquals(sending.queue.settledBytes, 0);
});

Deno.test("a long array that the client does not want is not sent", () => {
  const sending = new Sending();
  const reply = new PendingReply(new FakeConnection(), 2);
  reply.isMuted = true;
  sending.queue.push(reply);
  reply.settle(MANY);
  assertEquals([reply.bytes, sending.send(), sending.sent], [0, 0, ""]);
  assertEquals(sending.queue.size, 0);
});
