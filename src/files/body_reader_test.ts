import { assert, assertEquals } from "@std/assert";
import { Holders } from "../../tests/support/files/holders.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { BodyReader } from "./body_reader.ts";
import { FileError } from "./file_error.ts";
import { PiecePool } from "./pieces.ts";

/** A body that a test sends by hand. */
class HandBody implements BodySource {
  readonly #listeners = new Map<string, ((chunk: Uint8Array) => void)[]>();
  isFlowing = false;

  on(event: string, listener: (chunk: Uint8Array) => void): void {
    this.#listeners.set(event, [...this.#listeners.get(event) ?? [], listener]);
  }

  emit(event: string, chunk: Uint8Array = new Uint8Array()): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(chunk);
  }

  hears(event: string): boolean {
    return this.#listeners.has(event);
  }

  pause(): void {
    this.isFlowing = false;
  }

  resume(): void {
    this.isFlowing = true;
  }

  destroy(): void {}
}

function open() {
  const holders = new Holders(0);
  const body = new HandBody();
  return { holders, body, reader: new BodyReader(body, new PiecePool(), holders.clock, 1_000) };
}

Deno.test("nothing is taken before it is asked for", async () => {
  const { holders, body, reader } = open();
  assertEquals(body.hears("data"), false);
  const next = reader.next();
  assertEquals([body.hears("data"), body.isFlowing], [true, true]);
  body.emit("data", Uint8Array.of(1, 2));
  assertEquals((await holders.result(next))?.bytes, Uint8Array.of(1, 2));
});

Deno.test("what waits to be read is bounded, and then flows again", async () => {
  const { holders, body, reader } = open();
  const next = reader.next();
  let sent = 0;
  while (body.isFlowing) {
    body.emit("data", new Uint8Array(10_000));
    sent += 10_000;
  }
  assert(sent >= 256 * 1024 && sent < 300 * 1024);
  let read = (await holders.result(next))?.bytes.length ?? 0;
  while (read < sent) read += (await holders.result(reader.next()))?.bytes.length ?? 0;
  assertEquals([read, body.isFlowing], [sent, false]);
  reader.next();
  assertEquals(body.isFlowing, true);
});

Deno.test("many small chunks are joined, and the memory of large ones is used again", async () => {
  const { holders, body, reader } = open();
  const first = reader.next();
  for (let byte = 0; byte < 100; byte++) body.emit("data", Uint8Array.of(byte));
  assertEquals(
    (await holders.result(first))?.bytes,
    Uint8Array.from({ length: 100 }, (_, at) => at),
  );
  body.emit("data", new Uint8Array(100_000));
  const large = await holders.result(reader.next());
  assertEquals(large?.bytes, new Uint8Array(100_000));
  large?.retain();
  large?.release();
  body.emit("data", new Uint8Array(100_000));
  const other = await holders.result(reader.next());
  assert(other?.bytes.buffer !== large?.bytes.buffer); // it is still in use
  large?.release();
  body.emit("data", new Uint8Array(100_000));
  assert((await holders.result(reader.next()))?.bytes.buffer === large?.bytes.buffer);
});

Deno.test("what has arrived before the end is read, then comes the end", async () => {
  const { holders, body, reader } = open();
  const next = reader.next();
  body.emit("data", Uint8Array.of(1));
  body.emit("end");
  body.emit("close");
  assertEquals((await holders.result(next))?.bytes, Uint8Array.of(1));
  assertEquals(await holders.result(reader.next()), null);
  assertEquals(await holders.result(reader.next()), null);
});

Deno.test("a body that breaks off or stalls is aborted", async () => {
  for (const event of ["error", "close"]) {
    const { holders, body, reader } = open();
    const next = reader.next();
    body.emit(event);
    assertEquals(await holders.failure(next), "aborted");
  }
  const { holders, body, reader } = open();
  body.emit("close"); // before anybody reads
  assertEquals(await holders.failure(reader.next()), "aborted");
  const stalled = open();
  assertEquals(await stalled.holders.failure(stalled.reader.next()), "aborted");
  assertEquals(stalled.holders.clock.monotonicMs(), 1_000);
});

Deno.test("after a stop, the body is paused and nothing of it is kept", async () => {
  const { holders, body, reader } = open();
  const next = reader.next();
  reader.stop();
  assertEquals([body.isFlowing, await holders.failure(next)], [false, "aborted"]);
  body.emit("data", Uint8Array.of(1));
  assertEquals(await holders.failure(reader.next()), "aborted");
});

/** Sends so many bytes each second, and reads them. */
async function drip(bytes: number, seconds: number): Promise<string> {
  const { holders, body, reader } = open();
  for (let second = 0; second < seconds; second++) {
    const next = reader.next();
    holders.clock.after(990, () => body.emit("data", new Uint8Array(bytes)));
    const code = await holders.failure(next);
    if (code !== "none") return `${code} after ${holders.clock.monotonicMs()}`;
  }
  return "none";
}

Deno.test("a body that brings a byte now and then is ended", async () => {
  assertEquals(await drip(1, 100), "aborted after 30000");
  assertEquals(await drip(900, 100), "aborted after 30000");
  assertEquals(await drip(1_100, 100), "none");
});

Deno.test("the pace of a body is not that of its reader", async () => {
  const { holders, body, reader } = open();
  for (let second = 0; second < 100; second++) {
    const next = reader.next();
    body.emit("data", Uint8Array.of(1));
    assertEquals(await holders.failure(next), "none");
    await holders.runFor(1_000);
  }
});

Deno.test("a reader may be told that nothing is wanted any more", async () => {
  const { holders, body, reader } = open();
  const next = reader.next();
  reader.fail(new FileError("insufficient-storage", "full"));
  assertEquals([body.isFlowing, await holders.failure(next)], [false, "insufficient-storage"]);
});
