import { assert, assertEquals, assertLess } from "@std/assert";
import { type ByteString, textOf } from "../base/byte_string.ts";
import { type OutputSocket, ReplyOutput } from "./reply_output.ts";

const MIB = 1024 * 1024;

/** Takes what is written, and holds it until it is drained. */
class FakeSocket implements OutputSocket {
  writes: ByteString[] = [];
  writableLength = 0;
  readonly writableNeedDrain = true;

  write(text: ByteString): void {
    this.writes.push(text);
    this.writableLength += text.length;
  }
}

function output(): { socket: FakeSocket; output: ReplyOutput } {
  const socket = new FakeSocket();
  return { socket, output: new ReplyOutput(socket) };
}

Deno.test("the queue may be longer than a string, and each piece is handed over once, in order", () => {
  const { socket, output: out } = output();
  const long = "x".repeat(100 * MIB);
  for (let i = 0; i < 7; i++) {
    out.add(`<${i}>`);
    out.add(long);
  }
  assertEquals(out.waitingBytes, 7 * (long.length + 3));
  let heads = "";
  let bytes = 0;
  while (!out.isHandedOver) {
    out.send();
    assert(socket.writes.length > 0, "nothing is handed over");
    for (const text of socket.writes) {
      assertLess(text.length, MIB + 1);
      heads += textOf(text).slice(0, 3).replace(/^x+/, "");
      bytes += text.length;
    }
    socket.writes = [];
    socket.writableLength = 0;
  }
  assertEquals(heads, "<0><1><2><3><4><5><6>");
  assertEquals(bytes, 7 * (long.length + 3));
});

Deno.test("short replies are one write", () => {
  const { socket, output: out } = output();
  for (let i = 0; i < 1_000; i++) out.add("+OK\r\n");
  out.send();
  assertEquals(socket.writes, ["+OK\r\n".repeat(1_000)]);
  assert(out.isHandedOver);
  out.add("+a\r\n");
  out.clear();
  out.send();
  assertEquals(socket.writes.length, 1);
});

Deno.test("long values are handed over without a copy, in their place among the texts", () => {
  const { socket, output: out } = output();
  const bytes = new Uint8Array(2 * MIB + 1).fill(0x61);
  const sent: ByteString[] = [
    "+OK\r\n",
    bytes,
    "\r\n",
    "+OK\r\n",
    bytes.subarray(0, 7),
    "x".repeat(MIB),
  ];
  for (const piece of sent) out.add(piece);
  let received = "";
  while (!out.isHandedOver) {
    out.send();
    for (const piece of socket.writes) {
      assertLess(piece.length, MIB + 1);
      if (typeof piece !== "string") assert(piece.buffer === bytes.buffer, "a value was copied");
      received += textOf(piece);
    }
    socket.writes = [];
    socket.writableLength = 0;
  }
  assert(received === sent.map(textOf).join(""));
});
