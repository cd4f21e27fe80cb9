import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import type { FramePiece } from "./frames.ts";
import { PacedOutput } from "./link.ts";

const PART_BYTES = 256 * 1024;
/** What a stream gets at once, and one piece that begins within it. */
const AT_ONCE_BYTES_MAX = 1024 * 1024 + PART_BYTES;

/** A stream that takes what the test says. */
function make() {
  const clock = new ManualClock();
  const written: Uint8Array[] = [];
  let pendingBytes = 0;
  const stream = {
    remote: "n2",
    handle() {},
    close() {},
    pendingBytes: () => pendingBytes,
    write(data: Uint8Array | string) {
      assert(data instanceof Uint8Array);
      written.push(data);
      pendingBytes += data.length;
    },
  };
  const take = (bytes: number) => pendingBytes = Math.max(0, pendingBytes - bytes);
  return { clock, written, take, output: new PacedOutput(stream, clock) };
}

const parts = (count: number, made: number[]): FramePiece[] =>
  Array.from({ length: count }, (_, number) => ({
    length: PART_BYTES,
    make() {
      made.push(number);
      return [new Uint8Array(PART_BYTES).fill(number)];
    },
  }));

Deno.test("what is small leaves at once", () => {
  const { written, output } = make();
  output.add([Uint8Array.of(1), Uint8Array.of(2)]);
  assertEquals(written, [Uint8Array.of(1), Uint8Array.of(2)]);
  assertEquals(output.pendingBytes, 2);
});

Deno.test("a large entry leaves as the peer takes it, in order, and is made no sooner", () => {
  const { clock, written, take, output } = make();
  const made: number[] = [];
  output.add(parts(64, made));
  output.add([Uint8Array.of(99)]);
  assertEquals(output.pendingBytes, 64 * PART_BYTES + 1);
  let leftBytes = 0;
  const bytesWritten = () => written.reduce((sum, { length }) => sum + length, 0);
  while (bytesWritten() < 64 * PART_BYTES + 1) {
    assert(bytesWritten() - leftBytes <= AT_ONCE_BYTES_MAX, "more at once than it is to hold");
    leftBytes += 2 * PART_BYTES;
    take(2 * PART_BYTES);
    clock.advance(1);
  }
  assertEquals(made, Array.from({ length: 64 }, (_, number) => number));
  assertEquals(written.map(([first]) => first), [...made, 99]);
});

Deno.test("a peer that takes nothing gets no more, and after the end nothing is written", () => {
  const { clock, written, take, output } = make();
  const made: number[] = [];
  output.add(parts(64, made));
  clock.advance(1_000);
  assert(made.length * PART_BYTES <= AT_ONCE_BYTES_MAX);
  const { length } = written;
  output.stop();
  take(Infinity);
  clock.advance(1_000);
  assertEquals(written.length, length);
  assertEquals(output.pendingBytes, 0);
});
