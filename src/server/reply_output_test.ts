import { assert, assertEquals, assertLess } from "@std/assert";
import { type ByteString, textOf } from "../base/byte_string.ts";
import { type OutputSocket, ReplyOutput } from "./reply_output.ts";

const MIB = 1024 * 1024;

/** Holds what is written until it is drained, or hands it to the system at once. */
class FakeSocket implements OutputSocket {
  writes: ByteString[] = [];
  writableLength = 0;
  readonly writableNeedDrain = true;
  readonly #isQuick: boolean;

  constructor(isQuick: boolean) {
    this.#isQuick = isQuick;
  }

  write(text: ByteString): void {
    this.writes.push(this.#isQuick ? textOf(text) : text);
    if (!this.#isQuick) this.writableLength += text.length;
  }
}

function output({ isQuick = false } = {}): { socket: FakeSocket; output: ReplyOutput } {
  const socket = new FakeSocket(isQuick);
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
  const bytes = new Uint8Array(2 * MIB).fill(0x61);
  const sent: ByteString[] = [
    "+OK\r\n",
    bytes,
    "\r\n",
    "+OK\r\n",
    bytes.subarray(0, 300 * 1024),
    "x".repeat(MIB),
  ];
  for (const piece of sent) out.add(piece);
  let received = "";
  while (!out.isHandedOver) {
    out.send();
    for (const piece of socket.writes) {
      assertLess(piece.length, MIB + 1);
      if (typeof piece !== "string" && piece.length > 256 * 1024) {
        assert(piece.buffer === bytes.buffer, "a long value was copied");
      }
      received += textOf(piece);
    }
    socket.writes = [];
    socket.writableLength = 0;
  }
  assert(received === sent.map(textOf).join(""));
});

Deno.test("the pieces of replies of some 100 KiB leave in one write", () => {
  const { socket, output: out } = output({ isQuick: true });
  const value = new Uint8Array(100 * 1024).fill(0x61);
  const reply = `$${value.length}\r\n${textOf(value)}\r\n`;
  const add = () => [`$${value.length}\r\n`, value, "\r\n"].forEach((piece) => out.add(piece));
  for (let i = 0; i < 5; i++) add();
  out.send();
  assert(out.isHandedOver);
  assertEquals(socket.writes.length, 5);
  assert(socket.writes.map(textOf).join("") === reply.repeat(5));
});

Deno.test("bytes that a socket holds do not change while others are sent", () => {
  const sockets = ["a", "b"].map((letter) => {
    const { socket, output: out } = output();
    out.add("+OK\r\n");
    out.add(new Uint8Array(70_000).fill(letter.charCodeAt(0)));
    out.send();
    return socket;
  });
  const sent = sockets.map((socket) => socket.writes.map(textOf).join(""));
  assert(sent[0] === `+OK\r\n${"a".repeat(70_000)}`);
  assert(sent[1] === `+OK\r\n${"b".repeat(70_000)}`);
});

Deno.test("pieces are joined after one that was sent in part", () => {
  const { socket, output: out } = output();
  const long = new Uint8Array(MIB + 10).fill(0x61);
  const sent: ByteString[] = [long, "-end\r\n", new Uint8Array(70_000).fill(0x62), "\r\n"];
  for (const piece of sent) out.add(piece);
  const received: string[] = [];
  while (!out.isHandedOver) {
    out.send();
    received.push(...socket.writes.map(textOf));
    socket.writes = [];
    socket.writableLength = 0;
  }
  assertEquals(received.length, 2);
  assert(received.join("") === sent.map(textOf).join(""));
});
