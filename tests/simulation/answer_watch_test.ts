import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { latin1Bytes } from "../../src/base/bytes.ts";
import { encodeRequest } from "../../src/resp/encode.ts";
import { AnswerWatch, type ConnectionWatch } from "./answer_watch.ts";
import { Scheduler } from "./scheduler.ts";
import { HostClock, SimProcess } from "./sim_process.ts";

const WITHIN_MS = 300;
const GET = latin1Bytes(encodeRequest(["GET", "k"]));

interface Scene {
  readonly scheduler: Scheduler;
  readonly process: SimProcess;
  readonly connection: ConnectionWatch;
}

function scene(clockRate = 1): Scene {
  const scheduler = new Scheduler();
  const process = new SimProcess({
    name: "n1",
    scheduler,
    random: () => 0,
    hostClock: new HostClock(0, clockRate),
    laziness: 0,
    onException: () => {},
  });
  const watch = new AnswerWatch({
    who: "n1",
    process,
    scheduler,
    withinMs: WITHIN_MS,
    fail: (what) => {
      throw new Error(what);
    },
  });
  return { scheduler, process, connection: watch.connected("c1:1") };
}

function runUntil(scheduler: Scheduler, untilMs: number): void {
  while (scheduler.runNext(untilMs));
}

Deno.test("answer watch: an answer in time settles its request", () => {
  const { scheduler, connection } = scene();
  connection.received(GET);
  runUntil(scheduler, WITHIN_MS);
  connection.sent("$-1\r\n");
  runUntil(scheduler, 10 * WITHIN_MS);
});

Deno.test("answer watch: a request without an answer fails as soon as its time is over", () => {
  const { scheduler, connection } = scene();
  connection.received(GET);
  const error = assertThrows(() => runUntil(scheduler, 10 * WITHIN_MS), Error);
  assertMatch(error.message, /^GET k of c1:1, which came to n1 at 0, is not answered/);
  assertEquals(Math.round(scheduler.nowMs), WITHIN_MS + 1);
});

Deno.test("answer watch: each request of a pipeline has its own time", () => {
  const { scheduler, connection } = scene();
  connection.received(latin1Bytes(encodeRequest(["GET", "a"])));
  runUntil(scheduler, WITHIN_MS - 10);
  connection.received(latin1Bytes(encodeRequest(["GET", "b"])));
  connection.sent("$-1\r\n");
  runUntil(scheduler, 2 * WITHIN_MS - 20);
  assertThrows(() => runUntil(scheduler, 10 * WITHIN_MS), Error, "GET b");
});

Deno.test("answer watch: half an answer does not count", () => {
  const { scheduler, connection } = scene();
  connection.received(GET);
  connection.sent("$10\r\nhalf");
  assertThrows(() => runUntil(scheduler, 10 * WITHIN_MS), Error, "is not answered");
});

Deno.test("answer watch: a late answer fails although nothing was checked meanwhile", () => {
  const { scheduler, process, connection } = scene();
  connection.received(GET.subarray(0, 5));
  runUntil(scheduler, 1_000);
  connection.received(GET.subarray(5)); // only now it is a request
  process.pause();
  runUntil(scheduler, 2_000);
  process.resume();
  scheduler.after(WITHIN_MS + 0.5, () => connection.sent("$-1\r\n"));
  assertThrows(() => runUntil(scheduler, 3_000), Error, "is answered at 2301, after 301 ms");
});

Deno.test("answer watch: time in which the process is suspended does not count", () => {
  const { scheduler, process, connection } = scene();
  connection.received(GET);
  runUntil(scheduler, 100);
  process.pause();
  runUntil(scheduler, 5_000);
  process.resume();
  runUntil(scheduler, 5_000 + WITHIN_MS - 110);
  connection.sent("$-1\r\n");
  runUntil(scheduler, 10_000);
});

Deno.test("answer watch: the process's own clock counts", () => {
  const { scheduler, connection } = scene(0.5);
  connection.received(GET);
  runUntil(scheduler, 2 * WITHIN_MS - 10);
  assertThrows(() => runUntil(scheduler, 3 * WITHIN_MS), Error, "is not answered");
});

Deno.test("answer watch: nothing is owed to a connection that has ended, or by a dead process", () => {
  const first = scene();
  first.connection.received(GET);
  first.connection.ended();
  runUntil(first.scheduler, 10 * WITHIN_MS);
  const second = scene();
  second.connection.received(GET);
  second.process.kill();
  runUntil(second.scheduler, 10 * WITHIN_MS);
});
