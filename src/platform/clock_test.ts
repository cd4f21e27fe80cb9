import { assert, assertEquals, assertGreater } from "@std/assert";
import net from "node:net";
import { FairReading, readFairly } from "./acceptor.ts";
import { systemClock } from "./clock.ts";

/** Lets the server listen, and connects to it. */
async function connectTo(server: net.Server): Promise<net.Socket> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect(port, "127.0.0.1");
  await new Promise((resolve) => client.once("connect", resolve));
  return client;
}

Deno.test(
  "a timer that is cancelled when it is due does not run",
  { permissions: { net: true } },
  async () => {
    const server = net.createServer((socket) => socket.on("data", (data) => socket.write(data)));
    const client = await connectTo(server);
    let ranLate = 0;
    for (let round = 0; round < 20; round++) {
      const isOver = Promise.withResolvers<void>();
      let isCancelled = false;
      const cancel = systemClock.after(10, () => {
        if (isCancelled) ranLate++;
      });
      client.once("data", () => {
        isCancelled = true;
        cancel();
        systemClock.after(5, isOver.resolve);
      });
      client.write("x");
      const untilMs = systemClock.monotonicMs() + round;
      while (systemClock.monotonicMs() < untilMs); // sockets and timers are due together
      await isOver.promise;
    }
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
    assertEquals(ranLate, 0);
  },
);

Deno.test("what is put off to the next turn and cancelled before does not run", async () => {
  const ran: string[] = [];
  const cancel = systemClock.after(0, () => ran.push("cancelled"));
  systemClock.after(0, () => ran.push("next turn"));
  cancel();
  await new Promise<void>((resolve) => systemClock.after(1, resolve));
  assertEquals(ran, ["next turn"]);
});

/**
 * Number of turns of this length after which a byte is read that has been sent meanwhile.
 *
 * @param inTurn is called in each turn
 */
async function turnsUntilRead(turnMs: number, inTurn = () => {}): Promise<number> {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  using client = await Deno.connect({ port, hostname: "127.0.0.1" });
  using server = await listener.accept();
  let turns = 0;
  let isRead = false;
  const read = server.read(new Uint8Array(1)).then(() => void (isRead = true));
  await new Promise<void>((resolve) => {
    const work = () => {
      const endMs = performance.now() + turnMs;
      while (performance.now() < endMs);
      inTurn();
      if (++turns === 10) void client.write(new Uint8Array(1));
      if (isRead || turns > 100) resolve();
      else systemClock.after(0, work);
    };
    work();
  });
  await read;
  return turns - 10;
}

Deno.test("sockets are read while one piece of work takes many turns", {
  permissions: { net: true },
}, async () => {
  for (const turnMs of [2, 5, 15]) {
    const turns = await turnsUntilRead(turnMs);
    assert(turns < 15, `read after ${turns} turns of ${turnMs} ms`);
  }
});

Deno.test("sockets are read while work takes many turns and one socket always has data", {
  permissions: { net: true },
}, async () => {
  const all = new FairReading((run) => systemClock.after(0, run));
  let received = 0;
  const server = net.createServer((socket) => {
    readFairly(socket, (data) => void (received += data.length), all);
  });
  const client = await connectTo(server);
  const turns = await turnsUntilRead(4, () => client.write(new Uint8Array(1 << 20)));
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
  assertGreater(received, 0);
  assert(turns < 15, `read after ${turns} turns of 4 ms`);
});

Deno.test("turns that sockets ask for one by one need no timer", {
  permissions: { net: true },
}, async () => {
  const server = net.createServer((socket) =>
    readFairly(socket, (data) => socket.write(data), all)
  );
  const all = new FairReading((run) => systemClock.after(0, run));
  const client = await connectTo(server);
  const setTimer = globalThis.setTimeout;
  let timers = 0;
  globalThis.setTimeout = ((run: () => void, delayMs?: number) => {
    timers++;
    return setTimer(run, delayMs);
  }) as typeof setTimeout;
  try {
    const endMs = performance.now() + 50;
    await new Promise<void>((resolve) => {
      const received = () => {
        if (performance.now() > endMs) return resolve();
        systemClock.after(0, () => void client.write("x"));
      };
      readFairly(client, received, all);
      client.write("x");
    });
  } finally {
    globalThis.setTimeout = setTimer;
  }
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
  assertEquals(timers, 0);
});
