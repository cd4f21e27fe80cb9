import { assertEquals, assertMatch } from "@std/assert";
import { EventEmitter } from "node:events";
import { FakeSocket, type FakeSocketOptions } from "../../tests/support/fake_socket.ts";
import { Recorder } from "../../tests/support/listener_bench.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { silentLogger } from "../base/logger.ts";
import { PushReply } from "../resp/reply.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { RespListener } from "./listener.ts";

const MIB = 2 ** 20;

/** A listener with one client, on a clock and a socket that the test drives. */
function start(limits: Partial<ClientLimits> = {}, socketOptions: FakeSocketOptions = {}) {
  const clock = new ManualClock();
  /** How often something was put off to the next turn of the event loop. */
  const turns = { count: 0 };
  const lines: string[] = [];
  const recorder = new Recorder();
  const accepting = new EventEmitter();
  const listener = new RespListener(
    Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
    {
      address: { host: "h", port: 1 },
      limits: { ...DEFAULT_CLIENT_LIMITS, ...limits },
      clock: {
        nowMs: () => clock.nowMs(),
        monotonicMs: () => clock.monotonicMs(),
        soon: (run) => clock.soon(run),
        after(delayMs, run) {
          if (delayMs === 0) turns.count++;
          return clock.after(delayMs, run);
        },
      },
      logger: { ...silentLogger, error: (line) => void lines.push(line) },
      handler: {
        handle: (connection, args, reply) => {
          if (args[0] === "SLOW") clock.leap(6);
          recorder.handle(connection, args, reply);
        },
        forget: (connection) => recorder.closedOne(connection),
      },
    },
  );
  const socket = new FakeSocket(socketOptions);
  accepting.emit("connection", socket);
  const send = (text: string) => {
    socket.send(latin1Bytes(text));
    clock.settle();
  };
  const names = () => recorder.pending.map(({ args: [name] }) => name);
  return { clock, turns, lines, recorder, listener, socket, send, names };
}

/** Requests after which a connection yields to the event loop. */
const LONG = "SLOW\r\n" + "A\r\n".repeat(7);

Deno.test("a failure after the end of a connection is not logged", () => {
  const { lines, recorder, send } = start();
  send("A\r\n");
  const [held] = recorder.pending;
  held?.connection.destroy();
  held?.reply.fail(new Error("thrown on purpose"));
  assertEquals([lines, recorder.closed.length], [[], 1]);
});

Deno.test("a long reply is sent 1 MiB a turn, however often the connection is flushed", () => {
  const { clock, turns, recorder, socket, send } = start({}, { isQuick: true });
  send("A\r\n");
  recorder.pending[0]?.reply.settle("x".repeat(3 * MIB));
  clock.settle();
  const expected = `$${3 * MIB}\r\n${"x".repeat(3 * MIB)}\r\n*1\r\n$1\r\np\r\n`;
  const headLength = expected.indexOf("x");
  assertEquals([socket.received.length, turns.count], [headLength + MIB, 1]);
  recorder.pending[0]?.connection.push(new PushReply(["p"]));
  clock.settle();
  assertEquals(turns.count, 1, "a second turn is asked for");
  clock.advance(0);
  assertEquals(socket.received === expected, true);
});

Deno.test("a client that does not close a connection that was ended has 10 s", () => {
  const { listener, recorder, clock, socket, send } = start({}, { staysOpen: true });
  send("A\r\n");
  const [held] = recorder.pending;
  held?.connection.closeAfterReplies();
  held?.reply.settle("a");
  clock.settle();
  assertEquals([socket.received, listener.connections.size], ["$1\r\na\r\n", 1]);
  assertEquals(socket.timeout?.ms, 10_000);
  socket.timeout?.run();
  assertEquals([socket.isEnded, listener.connections.size], [true, 0]);
});

Deno.test("what arrives after a connection has stopped accepting is not executed", () => {
  const { listener, recorder, clock, socket, send, names } = start({}, { staysOpen: true });
  send("A\r\n");
  const [held] = recorder.pending;
  held?.connection.closeAfterReplies();
  socket.emit("data", latin1Bytes("B\r\n")); // was on its way when reading was paused
  held?.reply.settle("a");
  clock.settle();
  assertEquals([names(), socket.received], [["A"], "$1\r\na\r\n"]);
  assertEquals(listener.totals.inputBytes, "A\r\n".length);
});

Deno.test("a client whose requests wait for their turn is not read beyond 1 MiB", () => {
  const { clock, socket, recorder, send, names } = start();
  send(`${LONG}B\r\n`);
  assertEquals([names().length, socket.isPaused], [7, false]);
  send(`*2\r\n$1\r\nC\r\n$${MIB}\r\n${"x".repeat(MIB)}\r\n`);
  assertEquals([names().length, socket.isPaused], [7, true]);
  clock.advance(0);
  assertEquals([names().slice(7), socket.isPaused], [["A", "B", "C"], false]);
  assertEquals(recorder.pending.at(-1)?.args[1]?.length, MIB);
});

Deno.test("a client with large replies lets others have a turn after fewer requests", () => {
  const { clock, send, names } = start();
  const large = `*2\r\n$4\r\nECHO\r\n$100000\r\n${"x".repeat(100_000)}\r\n`;
  send(`${large}SLOW\r\nA\r\n`);
  assertEquals(names(), ["SLOW"]);
  clock.advance(0);
  assertEquals(names(), ["SLOW", "A"]);
});

Deno.test("requests that wait for their turn are not executed once the connection ends", () => {
  const { clock, recorder, send, names } = start();
  send(`${LONG}B\r\n`);
  assertEquals(names().length, 7);
  recorder.pending[0]?.connection.closeAfterReplies();
  clock.advance(0);
  assertEquals(names().length, 7);
});

Deno.test("a client is not served while it leaves 1 MiB of replies unread", () => {
  const { clock, recorder, socket, send, names } = start();
  send("A\r\n");
  socket.writableLength = MIB; // it has taken nothing of earlier replies
  send("B\r\n");
  assertEquals([names(), socket.isPaused], [["A"], true]);
  socket.writableLength = 0;
  recorder.pending[0]?.reply.settle("a");
  clock.settle();
  assertEquals([names(), socket.isPaused], [["A", "B"], false]);
});

Deno.test(
  "an unbounded wait ends 1 s after its client, though requests after it wait for their turn",
  () => {
    for (const [isUnbounded, openAfterwards] of [[true, 0], [false, 1]] as const) {
      const { clock, socket, recorder, listener, send, names } = start({ pipelineMax: 12 });
      send(`${LONG}${"B\r\n".repeat(8)}`);
      if (isUnbounded) recorder.pending[0]?.reply.waitUnbounded(() => {});
      socket.emit("end");
      clock.advance(0);
      assertEquals([names().length, socket.isPaused], [12, true]);
      clock.advance(999);
      assertEquals(listener.connections.size, 1);
      clock.advance(1);
      assertEquals(listener.connections.size, openAfterwards);
    }
  },
);

Deno.test("a socket that cannot be served is closed, and the next client is served", () => {
  const lines: string[] = [];
  const accepting = new EventEmitter();
  const listener = new RespListener(
    Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
    {
      address: { host: "h", port: 1 },
      limits: DEFAULT_CLIENT_LIMITS,
      clock: new ManualClock(),
      logger: { ...silentLogger, error: (line) => void lines.push(line) },
      handler: { handle() {}, forget() {} },
    },
  );
  const broken = Object.assign(new FakeSocket(), {
    setKeepAlive() {
      throw new Error("thrown on purpose");
    },
  });
  accepting.emit("connection", broken);
  assertEquals([broken.isEnded, listener.connections.size], [true, 0]);
  assertEquals(lines, ["accepting a client failed: thrown on purpose"]);
  accepting.emit("connection", new FakeSocket());
  assertEquals(listener.connections.size, 1);
});

Deno.test("what was thrown is logged without a place where it is no error", () => {
  const { lines, recorder, send } = start();
  send("A\r\n");
  recorder.pending[0]?.reply.fail("a text");
  assertEquals(lines.length, 1);
  assertMatch(lines[0] ?? "", /: the connection ends, since serving it failed: a text$/);
});
