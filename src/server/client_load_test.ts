import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { ClientLoad, type LoadingClient } from "./client_load.ts";

function start() {
  const clock = new ManualClock();
  let isFull = true;
  const load = new ClientLoad({
    clock,
    requestBytesMax: 1_000,
    outputBytesMax: 1_000,
    isFull: () => isFull,
  });
  const goneOn: string[] = [];
  const client = (name: string, whenGoingOn = () => {}): LoadingClient => ({
    waitingBytes: 0,
    resume() {
      goneOn.push(name);
      whenGoingOn();
    },
    disconnect() {},
  });
  const relieve = () => {
    isFull = false;
    load.wakeLater();
    clock.advance(0);
  };
  return { load, goneOn, client, relieve };
}

Deno.test("clients that wait go on in their order once there is room", () => {
  const { load, goneOn, client, relieve } = start();
  for (const name of ["a", "b"]) load.wait(client(name));
  assertEquals(goneOn, []);
  relieve();
  assertEquals(goneOn, ["a", "b"]);
});

Deno.test("a client that an earlier one has disconnected does not go on", () => {
  const { load, goneOn, client, relieve } = start();
  const second = client("b");
  load.wait(client("a", () => load.forget(second))); // as by CLIENT KILL
  load.wait(second);
  relieve();
  assertEquals([goneOn, load.isWaiting(second)], [["a"], false]);
});
