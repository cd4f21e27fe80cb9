import { assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { Acceptor, FairReading, type PausableSocket, sharedSuspicion } from "./acceptor.ts";

const KIB = 1024;

/** Sockets that record calls, and turns of the event loop that the test ends. */
function setUp() {
  let timers: (() => void)[] = [];
  const reading = new FairReading((run) => void timers.push(run));
  const log: string[] = [];
  const socket = (name: string): PausableSocket => ({
    pause: () => log.push(`${name} pauses`),
    resume: () => log.push(`${name} goes on`),
  });
  const timerCount = () => timers.length;
  const endTurn = () => {
    const due = timers;
    timers = [];
    for (const run of due) run();
  };
  return { reading, timerCount, endTurn, log, socket };
}

const always = () => true;

Deno.test("usual traffic is not interrupted, and starts few timers", () => {
  const { reading, timerCount, endTurn, log, socket } = setUp();
  reading.received(63 * KIB, socket("a"), always);
  assertEquals(timerCount(), 0);
  reading.received(150 * KIB, socket("b"), always);
  reading.received(10 * KIB, socket("b"), always);
  assertEquals(timerCount(), 1);
  endTurn();
  reading.received(200 * KIB, socket("a"), always);
  assertEquals(log, []);
});

Deno.test("a socket that delivers more than its share of a turn continues when all had theirs", () => {
  const { reading, endTurn, log, socket } = setUp();
  const [flood, late] = [socket("flood"), socket("late")];
  for (let chunk = 0; chunk < 4; chunk++) reading.received(64 * KIB, flood, always);
  reading.received(10, late, always);
  assertEquals(log, ["flood pauses", "late pauses"]);
  endTurn();
  assertEquals(log.length, 2);
  endTurn();
  assertEquals(log.slice(2), ["flood goes on", "late goes on"]);
  reading.received(64 * KIB, flood, always);
  assertEquals(log.length, 4);
});

Deno.test("a socket that its owner has paused meanwhile stays paused", () => {
  const { reading, endTurn, log, socket } = setUp();
  let isWanted = true;
  reading.received(300 * KIB, socket("a"), () => isWanted);
  isWanted = false;
  endTurn();
  endTurn();
  assertEquals(log, ["a pauses"]);
});

const PORT = 7_000;

/** A server socket that starts to listen, or fails to, when the test says so. */
class FakeServer extends EventEmitter {
  port = NaN;
  isClosed = false;
  #isListening = false;
  #listening: () => void = () => {};

  listen({ port }: { readonly port: number }, listening: () => void): void {
    this.port = port;
    this.#listening = listening;
  }

  succeed(): void {
    this.#isListening = true;
    this.#listening();
  }

  fail(): void {
    this.emit("error", new Error("no descriptor is free"));
  }

  /** Like `node:net`, it has an address only while it listens. */
  address() {
    return this.#isListening ? { address: "127.0.0.1", family: "IPv4", port: PORT } : null;
  }

  close(): void {
    this.#isListening = false;
    this.isClosed = true;
  }
}

/** An acceptor that listens on a port of the system's choice, and has `accepted` connections. */
async function openAcceptor() {
  const clock = new ManualClock();
  const log: string[] = [];
  const note = (line: string) => void log.push(line);
  const servers: FakeServer[] = [];
  const descriptors = { areUsedUp: false };
  const opening = Acceptor.open({
    address: { host: "127.0.0.1", port: 0 },
    allowHalfOpen: false,
    hasNoFreeDescriptors: () => descriptors.areUsedUp,
    checksEachConnection: false,
    clock,
    logger: { info: note, warn: note, error: note },
    createServer() {
      const server = new FakeServer();
      servers.push(server);
      return server;
    },
  });
  servers[0]?.succeed();
  const acceptor = await opening;
  const accepted: unknown[] = [];
  acceptor.on("connection", (socket) => accepted.push(socket));
  /** Ends the attempt to listen that is under way. */
  const end = async (how: "succeed" | "fail") => {
    servers.at(-1)?.[how]();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { acceptor, clock, log, servers, descriptors, accepted, end };
}

/** Time in milliseconds after which a port that is not free is another process's. */
const CLOSING_MS = 3_000;
/** Interval in milliseconds at which an acceptor looks for free descriptors. */
const LOOK_MS = 1_000;

Deno.test("a port that cannot be opened again is tried until it can", async () => {
  const { acceptor, clock, log, servers, descriptors, accepted, end } = await openAcceptor();
  descriptors.areUsedUp = true;
  clock.advance(LOOK_MS);
  descriptors.areUsedUp = false;
  clock.advance(LOOK_MS);
  assertEquals([servers.length, servers[0]?.isClosed], [2, true]);
  clock.leap(CLOSING_MS);
  await end("fail");
  clock.advance(LOOK_MS);
  await end("fail");
  clock.advance(LOOK_MS);
  await end("succeed");
  assertEquals(servers.map(({ port }) => port), [0, PORT, PORT, PORT]);
  assertEquals(acceptor.address().port, PORT);
  servers.at(-1)?.emit("connection", "a socket");
  assertEquals(accepted, ["a socket"]);
  const failure = `Cannot listen on 127.0.0.1:${PORT}: no descriptor is free, trying again`;
  assertEquals(log, [
    "out of file descriptors (ulimit -n): nobody can connect for now",
    ...[failure, failure],
    "file descriptors are free again: connections are accepted",
  ]);
  acceptor.close();
});

Deno.test("a port that is being opened again is not opened a second time meanwhile", async () => {
  const { acceptor, clock, servers, accepted, end } = await openAcceptor();
  acceptor.suspect();
  clock.advance(LOOK_MS);
  assertEquals(servers.length, 2);
  acceptor.suspect();
  clock.advance(3 * LOOK_MS);
  assertEquals([servers.length, acceptor.address().port], [2, PORT]);
  await end("succeed");
  servers.at(-1)?.emit("connection", "a socket");
  assertEquals(accepted, ["a socket"]);
  clock.advance(LOOK_MS);
  assertEquals([servers.length, servers[1]?.isClosed], [3, true]);
  await end("succeed");
  acceptor.close();
  assertEquals(servers.map(({ isClosed }) => isClosed), [true, true, true]);
});

Deno.test("what another thread suspects has the port opened again", async () => {
  const { acceptor, clock, servers, end } = await openAcceptor();
  clock.advance(LOOK_MS);
  assertEquals(servers.length, 1);
  Atomics.add(new Int32Array(sharedSuspicion()), 0, 1);
  clock.advance(LOOK_MS);
  assertEquals([servers.length, servers[0]?.isClosed], [2, true]);
  await end("succeed");
  clock.advance(LOOK_MS);
  assertEquals(servers.length, 2);
  acceptor.close();
});

Deno.test("an acceptor that is closed while it opens its port again does not listen", async () => {
  const { acceptor, clock, log, servers, end } = await openAcceptor();
  acceptor.suspect();
  clock.advance(LOOK_MS);
  acceptor.close();
  await end("succeed");
  assertEquals([servers.length, servers[1]?.isClosed], [2, true]);
  acceptor.close();
  clock.advance(10 * LOOK_MS);
  assertEquals([servers.length, log], [2, []]);
});
