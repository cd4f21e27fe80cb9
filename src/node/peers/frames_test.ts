import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { FrameDecoder, FrameWriter, ProtocolError } from "./frames.ts";

const decoder = () => new FrameDecoder({ frameBytesMax: 1000 });

function drain(frames: FrameDecoder): string[] {
  const texts: string[] = [];
  for (let frame = frames.next(); frame !== null; frame = frames.next()) {
    texts.push(new TextDecoder().decode(frame));
  }
  return texts;
}

function bytesOf(...texts: string[]): Uint8Array {
  const writer = new FrameWriter();
  for (const text of texts) writer.addText(text);
  return Buffer.concat(writer.take());
}

Deno.test("frames are decoded as they were encoded, split at any byte", () => {
  const bytes = bytesOf("one", "", "three and more", "ü");
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second += 3) {
      const frames = decoder();
      const texts: string[] = [];
      for (const part of [[0, first], [first, second], [second, bytes.length]] as const) {
        frames.push(bytes.subarray(...part));
        texts.push(...drain(frames));
      }
      assertEquals(texts, ["one", "", "three and more", "ü"]);
    }
  }
});

Deno.test("thousands of frames in one piece", () => {
  const frames = decoder();
  frames.push(bytesOf(...Array.from({ length: 5_000 }, (_, at) => `frame ${at}`)));
  assertEquals(drain(frames).length, 5_000);
});

Deno.test("a frame over the limit is refused as soon as its length is known", () => {
  const frames = decoder();
  frames.push(new Uint8Array([0, 0, 3, 0xe9]));
  assertThrows(() => frames.next(), ProtocolError, "a frame of 1001 bytes is over the limit");
  const small = decoder();
  small.push(new Uint8Array([0, 0, 0, 5]));
  assertThrows(() => small.next(4), ProtocolError, "a frame of 5 bytes is over the limit");
  const huge = decoder();
  huge.push(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
  assertThrows(() => huge.next(), ProtocolError, "4294967295");
});

Deno.test("a frame in many pieces costs linear time", () => {
  const frames = new FrameDecoder({ frameBytesMax: 1 << 24 });
  frames.push(new Uint8Array([0, 0x20, 0, 0]));
  const piece = new Uint8Array(16);
  for (let sent = 0; sent < 0x200000; sent += piece.length) {
    frames.push(piece);
    if (sent % 4096 === 0 && sent + piece.length < 0x200000) assertEquals(frames.next(), null);
  }
  assertEquals(frames.next()?.length, 0x200000);
});

Deno.test("small frames are joined for sending, and large ones are not copied", () => {
  const writer = new FrameWriter();
  const large = new Uint8Array(100_000).fill(7);
  writer.addText("one");
  writer.addText("two");
  writer.addPieces(["four", new Uint8Array(2), large]);
  writer.addPieces([large, "five"]);
  writer.addText("three");
  assertEquals(writer.isEmpty, false);
  const pieces = writer.take();
  assertEquals(pieces.map(({ length }) => length), [7 + 7 + 4 + 6, 100_000, 4, 100_000, 4 + 9]);
  assertStrictEquals(pieces[1], large);
  assertEquals([writer.isEmpty, writer.take()], [true, []]);
  const frames = new FrameDecoder({ frameBytesMax: 1 << 20 });
  for (const piece of pieces) frames.push(piece);
  const lengths: number[] = [];
  for (let frame = frames.next(); frame !== null; frame = frames.next()) lengths.push(frame.length);
  assertEquals(lengths, [3, 3, 100_006, 100_004, 5]);
});

Deno.test("taken bytes stay unchanged when the writer is reused", () => {
  const writer = new FrameWriter();
  writer.addText("first");
  const [taken] = writer.take();
  const before = taken?.slice();
  writer.addText("later");
  writer.take();
  assertEquals(taken, before);
});

Deno.test("a piece that is not ASCII has no known length, and is rejected", () => {
  assertThrows(() => new FrameWriter().addPieces(["\u00fc"]));
});
