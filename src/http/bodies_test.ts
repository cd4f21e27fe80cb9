import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { Bodies } from "./bodies.ts";
import { Problem } from "./problem.ts";

function put(body: BodyInit | null): Request {
  return new Request("http://localhost/keys/a", { method: "PUT", body });
}

async function textOf(body: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(body).text();
}

Deno.test("a body counts as held until it has been used", async () => {
  const bodies = new Bodies({ clock: new ManualClock(), heldBytesMax: 100 });
  await bodies.read(put("x".repeat(60)), 100, async (body) => {
    assertEquals([body.length, bodies.heldBytes], [60, 60]);
    const error = await assertRejects(
      () => bodies.read(put("y".repeat(41)), 100, () => Promise.resolve()),
      Problem,
    );
    assertEquals(error.code, "busy");
    assertEquals(bodies.heldBytes, 60);
  });
  assertEquals(bodies.heldBytes, 0);
  await assertRejects(() => bodies.read(put("x"), 1, () => Promise.reject(new Error("failed"))));
  assertEquals(bodies.heldBytes, 0);
});

Deno.test("a body arrives whole, in chunks or not at all", async () => {
  const bodies = new Bodies({ clock: new ManualClock() });
  const echo = (body: Uint8Array) => Promise.resolve(new TextDecoder().decode(body));
  assertEquals(await bodies.read(put(null), 10, echo), "");
  const chunks = ReadableStream.from(["ab", "c", "", "de"]).pipeThrough(new TextEncoderStream());
  assertEquals(await bodies.read(put(chunks), 10, echo), "abcde");
});

Deno.test("a body that stalls is given up, however often it moved before", async () => {
  const clock = new ManualClock();
  const bodies = new Bodies({ clock, stalledMsMax: 100 });
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  const reading = assertRejects(() => bodies.read(put(body), 10, () => Promise.resolve()), Problem);
  for (let at = 0; at < 3; at++) {
    await new Promise((resolve) => setTimeout(resolve, 0)); // until it waits for the next chunk
    clock.advance(90);
    controller?.enqueue(new Uint8Array(1));
  }
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(bodies.heldBytes, 3);
  clock.advance(101);
  assertEquals((await reading).code, "too-slow");
  assertEquals(bodies.heldBytes, 0);
});

Deno.test("a response counts as held until it is sent, or its client is gone", async () => {
  const bodies = new Bodies({ clock: new ManualClock(), heldBytesMax: 300_000 });
  const text = "x".repeat(200_000);
  const sent = bodies.send(text);
  assertEquals(bodies.heldBytes, 200_000);
  assertThrows(() => bodies.send(text), Problem);
  assertEquals(await textOf(sent), text);
  assertEquals(bodies.heldBytes, 0);
  const reader = bodies.send(text).getReader();
  await reader.read();
  assertEquals(bodies.heldBytes, 200_000);
  await reader.cancel();
  assertEquals(bodies.heldBytes, 0);
  assertEquals(await textOf(bodies.send("")), "");
});
