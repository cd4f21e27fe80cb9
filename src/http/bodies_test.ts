import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { sentOf } from "../../tests/support/http/http_bench.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { until } from "../../tests/support/until.ts";
import type { ApiRequest } from "./api.ts";
import { Bodies } from "./bodies.ts";
import { Problem } from "./problem.ts";

function put(init: BodyInit | null): Pick<ApiRequest, "headers" | "body"> {
  const request = new Request("http://localhost/keys/a", { method: "PUT", body: init });
  return { headers: request.headers, body: sentOf(request).body };
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
  for (let count = 1; count <= 3; count++) {
    clock.advance(90);
    controller?.enqueue(new Uint8Array(1));
    await until(`${count} bytes are held`, () => bodies.heldBytes === count);
  }
  clock.advance(200); // up to twice the limit
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

Deno.test("few values are read at the same time, and the others in their turn", async () => {
  const bodies = new Bodies({ clock: new ManualClock() });
  const answers: ((text: string) => void)[] = [];
  const read = () => new Promise<string>((resolve) => answers.push(resolve));
  const sent = Array.from({ length: 40 }, () => bodies.sendValue(read));
  await Promise.resolve();
  assertEquals(answers.length, 16);
  for (let at = 0; at < 40; at++) {
    await until("its turn has come", () => answers[at] !== undefined);
    assert(answers.length <= at + 16);
    answers[at]?.(`value ${at}`);
  }
  for (const [at, body] of (await Promise.all(sent)).entries()) {
    assertEquals(await textOf(body), `value ${at}`);
  }
  await assertRejects(() => bodies.sendValue(() => Promise.reject(new Error("failed"))));
  assertEquals(await textOf(await bodies.sendValue(() => Promise.resolve("next"))), "next");
});

Deno.test("a body that breaks off is the client's fault", async () => {
  const bodies = new Bodies({ clock: new ManualClock() });
  const body = new ReadableStream({ start: (controller) => controller.error(new Error("reset")) });
  const reading = () => bodies.read(put(body), 10, () => Promise.resolve());
  assertEquals((await assertRejects(reading, Problem)).code, "bad-request");
});

Deno.test("a body that is not wanted is dropped in turns, and ended if it is very long", () => {
  const clock = new ManualClock();
  const bodies = new Bodies({ clock });
  const calls: string[] = [];
  let receive: (chunk: Uint8Array) => void = () => {};
  bodies.drop({
    on: (event: string, run: (chunk: Uint8Array) => void) =>
      void (event === "data" && (receive = run)),
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
    destroy: () => calls.push("destroy"),
  });
  const mib = new Uint8Array(1024 * 1024);
  receive(mib);
  assertEquals(calls.splice(0), ["resume", "pause"]);
  clock.advance(1);
  clock.advance(1);
  assertEquals(calls.splice(0), ["resume"]);
  for (let count = 0; count < 31; count++) receive(mib);
  assertEquals(calls.includes("destroy"), false);
  receive(mib);
  assertEquals(calls.at(-1), "destroy");
});
