import { assertEquals } from "@std/assert";
import { FakeConnection } from "../../tests/support/fake_connection.ts";
import { PendingReply, ReplyQueue } from "./pending_reply.ts";

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
  replies[1]?.whenGone(() => {});
  assertEquals(queue.isWaiting, true);
  replies[1]?.settle("answer");
  assertEquals(queue.isWaiting, false);
});
