import { assertEquals } from "@std/assert";
import { FakeConnection } from "../../tests/support/fake_connection.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { ClientPause } from "./client_pause.ts";
import { PendingReply } from "./pending_reply.ts";

/** Requests of two clients, and which of them were served. */
function start() {
  const clock = new ManualClock();
  const pause = new ClientPause(clock);
  const served: string[] = [];
  const clients = new Map(["a", "b"].map((name) => [
    name,
    new FakeConnection(),
  ]));
  const clientOf = (name: string) => clients.get(name) as FakeConnection;
  const send = (client: string, name: string, isWrite = false): void => {
    const reply = new PendingReply(clientOf(client), 2);
    const serve = () => send(client, name, isWrite);
    if (!pause.isOn || !pause.holds(clientOf(client), reply, isWrite, serve)) served.push(name);
  };
  return { clock, pause, served, send, clientOf };
}

Deno.test("a pause holds all requests until its time is up, and serves them in order", () => {
  const { clock, pause, served, send } = start();
  pause.begin("all", 1_000);
  send("a", "read a");
  send("b", "write b", true);
  send("a", "write a", true);
  clock.advance(999);
  assertEquals(served, []);
  clock.advance(1);
  assertEquals(served, ["read a", "write b", "write a"]);
  send("a", "next");
  assertEquals([served.at(-1), pause.isOn], ["next", false]);
});

Deno.test("a pause of writes holds writes, and later requests of the same client", () => {
  const { pause, served, send } = start();
  pause.begin("write", 1_000);
  send("a", "read a");
  send("a", "write a", true);
  send("a", "read after write");
  send("b", "read b");
  assertEquals(served, ["read a", "read b"]);
  pause.end();
  assertEquals(served.slice(2), ["write a", "read after write"]);
});

Deno.test("a second pause makes the first longer and stricter, never the opposite", () => {
  const { clock, pause, served, send } = start();
  pause.begin("write", 1_000);
  pause.begin("all", 500);
  pause.begin("write", 100);
  send("a", "read");
  clock.advance(999);
  assertEquals(served, []);
  clock.advance(1);
  assertEquals(served, ["read"]);
});

Deno.test("a pause that was ended gives none of its time to the next", () => {
  const { clock, pause } = start();
  pause.begin("all", 60_000);
  pause.end();
  pause.begin("write", 100);
  clock.advance(100);
  assertEquals(pause.isOn, false);
});

Deno.test("a pause may be longer than any timer", () => {
  const { clock, pause } = start();
  const weekMs = 7 * 24 * 60 * 60 * 1000;
  pause.begin("all", weekMs);
  clock.advance(weekMs - 1);
  assertEquals(pause.isOn, true);
  clock.advance(1);
  assertEquals(pause.isOn, false);
});

Deno.test("the requests of a disconnected client are not executed", () => {
  const { pause, served, send, clientOf } = start();
  pause.begin("all", 1_000);
  send("a", "write a", true);
  send("b", "write b", true);
  pause.forget(clientOf("a"));
  pause.end();
  assertEquals(served, ["write b"]);
});

Deno.test("a held request whose client is disconnected by an earlier one is not executed", () => {
  const clock = new ManualClock();
  const pause = new ClientPause(clock);
  const served: string[] = [];
  const [first, second] = [new FakeConnection(), new FakeConnection()];
  pause.begin("all", 1_000);
  pause.holds(first, new PendingReply(first, 2), true, () => {
    served.push("first");
    second.isClosed = true; // as by CLIENT KILL
    pause.forget(second);
  });
  pause.holds(second, new PendingReply(second, 2), true, () => served.push("second"));
  pause.end();
  assertEquals(served, ["first"]);
});

Deno.test("a disconnect of a client without held requests leaves those of others", () => {
  const { pause, served, send, clientOf } = start();
  pause.begin("all", 1_000);
  send("a", "read a");
  pause.forget(clientOf("b"));
  pause.end();
  assertEquals(served, ["read a"]);
});

Deno.test("a pause of 0 ms holds nobody, and does not end another one", () => {
  const clock = new ManualClock();
  const pause = new ClientPause(clock);
  pause.begin("all", 0);
  assertEquals(pause.isOn, false);
  pause.begin("write", 1_000);
  pause.begin("write", 0);
  assertEquals(pause.isOn, true);
  clock.advance(1_000);
  assertEquals(pause.isOn, false);
});
