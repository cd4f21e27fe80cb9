import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ByteTail } from "./byte_tail.ts";

const KIB = 1024;
const textOf = (tail: ByteTail) => tail.bytes.toString("latin1", 0, tail.length);

/** Appends `length` bytes in chunks of 64 KiB, as a socket delivers them. */
function fill(tail: ByteTail, byte: number, length: number): void {
  for (let at = 0; at < length; at += 64 * KIB) {
    const chunk = Buffer.alloc(Math.min(64 * KIB, length - at), byte);
    tail.append(chunk, 0, chunk.length, length);
  }
}

Deno.test("consecutive large requests reuse the same memory", () => {
  const tail = new ByteTail();
  fill(tail, 1, KIB * KIB);
  const first = tail.bytes.buffer;
  tail.clear();
  for (let at = 0; at < 20; at++) {
    const next = new ByteTail();
    fill(next, at, KIB * KIB);
    assert(next.bytes.buffer === first, `request ${at} has memory of its own`);
    next.clear();
    assertEquals([next.length, next.bytes.length], [0, 0]);
  }
});

Deno.test("tails in use at the same time never share memory", () => {
  for (let round = 0; round < 3; round++) {
    const tails = Array.from({ length: 9 }, () => new ByteTail());
    const sizes = tails.map((_, at) => (at + 1) * 70 * KIB);
    for (let at = 0; at < 700 * KIB; at += 10 * KIB) {
      tails.forEach((tail, of) => {
        const chunk = Buffer.alloc(10 * KIB, 65 + of);
        if (at < (sizes[of] ?? 0)) tail.append(chunk, 0, chunk.length);
      });
    }
    tails.forEach((tail, of) => {
      const expected = String.fromCharCode(65 + of).repeat(sizes[of] ?? 0);
      assert(textOf(tail) === expected, `tail ${of} of round ${round}`);
      if (of % 2 === round % 2) tail.clear();
    });
  }
});

Deno.test("spare memory is bounded, and very large buffers are not kept", () => {
  const buffers = new Set<ArrayBufferLike>();
  const tails = Array.from({ length: 12 }, () => new ByteTail());
  const fillAll = () => tails.forEach((tail) => fill(tail, 1, 2 * KIB * KIB));
  fillAll();
  tails.forEach(({ bytes }) => buffers.add(bytes.buffer));
  tails.forEach((tail) => tail.clear());
  fillAll();
  assertEquals(tails.filter(({ bytes }) => buffers.has(bytes.buffer)).length, 4);
  tails.forEach((tail) => tail.clear());
  const large = new ByteTail();
  fill(large, 1, 3 * KIB * KIB);
  const { buffer } = large.bytes;
  large.clear();
  const next = new ByteTail();
  fill(next, 1, 3 * KIB * KIB);
  assert(next.bytes.buffer !== buffer);
});

/** Takes all spare buffers, so that the next tail allocates its own. */
function drainSpares(): void {
  for (let taken = 0; taken < 4; taken++) fill(new ByteTail(), 0, 64 * KIB);
}

Deno.test("taken bytes are handed over without a copy and never overwritten", () => {
  drainSpares();
  const tail = new ByteTail();
  fill(tail, 1, 300 * KIB);
  const { buffer } = tail.bytes;
  const taken = tail.take(300 * KIB - 2);
  assertEquals([tail.length, tail.bytes.length], [0, 0]);
  assert(taken.buffer === buffer, "it was copied");
  for (let round = 0; round < 9; round++) {
    const next = new ByteTail();
    fill(next, 2, 300 * KIB);
    next.clear();
  }
  assertEquals([taken.length, taken.every((byte) => byte === 1)], [300 * KIB - 2, true]);
});

Deno.test("bytes taken from a much larger buffer are copied, and the buffer is reused", () => {
  drainSpares();
  const large = new ByteTail();
  fill(large, 1, 2 * KIB * KIB);
  const { buffer } = large.bytes;
  large.clear();
  const tail = new ByteTail();
  fill(tail, 2, 100 * KIB);
  assert(tail.bytes.buffer === buffer);
  const taken = tail.take(100 * KIB);
  assert(taken.buffer.byteLength === 100 * KIB, `${taken.buffer.byteLength} bytes are kept`);
  assert(taken.every((byte) => byte === 2));
  const next = new ByteTail();
  fill(next, 3, 200 * KIB);
  assert(next.bytes.buffer === buffer);
  next.clear();
});
