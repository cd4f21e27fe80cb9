import { assertEquals } from "@std/assert";
import { FairReading, type PausableSocket } from "./acceptor.ts";

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
