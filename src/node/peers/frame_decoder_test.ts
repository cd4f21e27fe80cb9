import { Buffer } from "node:buffer";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { FrameDecoder, ProtocolError } from "./frame_decoder.ts";
import { FrameWriter } from "./frame_writer.ts";

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

Deno.test("frames come out as they went in, split at any byte", () => {
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
  writer.addPayload(large);
  writer.addPayload(large);
  writer.addText("three");
  assertEquals(writer.isEmpty, false);
  const pieces = writer.take();
  assertEquals(pieces.map(({ length }) => length), [4 + 3 + 4 + 3 + 4, 100_000, 4, 100_000, 4 + 5]);
  assertStrictEquals(pieces[1], large);
  assertEquals([writer.isEmpty, writer.take()], [true, []]);
  const frames = new FrameDecoder({ frameBytesMax: 1 << 20 });
  for (const piece of pieces) frames.push(piece);
  const lengths: number[] = [];
  for (let frame = frames.next(); frame !== null; frame = frames.next()) lengths.push(frame.length);
  assertEquals(lengths, [3, 3, 100_000, 100_000, 5]);
});

Deno.test("only a large frame that was put together here is said to stay as it is", () => {
  const frames = new FrameDecoder({ frameBytesMax: 1 << 20 });
  const next = () => {
    const payload = frames.next();
    return payload === null ? null : [payload.length, payload[0], frames.isKept(payload)];
  };
  const chunk = bytesOf("small", "x".repeat(70_000), "y".repeat(70_000));
  frames.push(chunk);
  assertEquals([next(), next()], [[5, 0x73, false], [70_000, 0x78, false]]);
  assertEquals([next(), next()], [[70_000, 0x79, false], null]);
  frames.push(chunk.subarray(0, 80_000));
  assertEquals([next(), next(), next()], [[5, 0x73, false], [70_000, 0x78, false], null]);
  const rest = chunk.slice(80_000);
  frames.push(rest);
  const payload = frames.next() ?? new Uint8Array();
  assertEquals(frames.isKept(payload), true);
  chunk.fill(0);
  rest.fill(0);
  assertEquals(payload.every((byte) => byte === 0x79), true);
});
