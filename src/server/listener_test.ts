import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EventEmitter } from "node:events";
import { withListener } from "../../tests/support/listener_bench.ts";
import { AssertionFailure, UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { listen, type ListenOptions, RespListener } from "./listener.ts";

const net = { permissions: { net: true } };

Deno.test(
  "a client beyond the limit is refused in Redis's words",
  net,
  () =>
    withListener({ clientsMax: 1 }, async (listener, _recorder, connect) => {
      const first = await connect();
      await first.send("ECHO a\r\n");
      await first.read(7);
      assertEquals(await (await connect()).readAll(), "-ERR max number of clients reached\r\n");
      assertEquals(listener.totals.rejected, 1);
    }),
);

Deno.test("TCP keepalive is set as the flag says", () => {
  for (const [tcpKeepaliveS, asked] of [[300, [[true, 300_000]]], [0, []]] as const) {
    const accepting = new EventEmitter();
    const limits = { ...DEFAULT_CLIENT_LIMITS, tcpKeepaliveS };
    const listener = new RespListener(
      Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
      {
        ...{ address: { host: "h", port: 1 }, limits, clock: systemClock, logger: silentLogger },
        handler: { handle() {}, forget() {} },
      },
    );
    const set: unknown[][] = [];
    const setKeepAlive = (...how: unknown[]) => set.push(how);
    accepting.emit("connection", Object.assign(new EventEmitter(), { setKeepAlive, destroy() {} }));
    listener.close();
    assertEquals(set, [...asked.map((how) => [...how])]);
  }
});

Deno.test("a handler takes one kind of requests, and none of the other kind is lost", () => {
  const start = (handler: ListenOptions["handler"]) => {
    const source = { address: () => ({ port: 1 }), on() {}, close() {} };
    const limits = { ...DEFAULT_CLIENT_LIMITS, timeoutS: 0 };
    const address = { host: "h", port: 1 };
    const options = { address, handler, limits, clock: systemClock, logger: silentLogger };
    return new RespListener(source, options);
  };
  const served: string[] = [];
  const handle = () => void served.push("request");
  const forward = () => void served.push("text");
  const forget = () => {};
  const any = null as never;
  const [requests, texts] = [start({ handle, forget }), start({ forward, forget })];
  requests.request(any, any, any);
  texts.forward(any, any, any);
  assertEquals(served, ["request", "text"]);
  assertThrows(() => requests.forward(any, any, any), AssertionFailure, "no requests as text");
  assertThrows(() => texts.request(any, any, any), AssertionFailure, "requests as text only");
  const kinds = "a handler has either `handle` or `forward`";
  assertThrows(() => start({ handle, forward, forget }), AssertionFailure, kinds);
  assertThrows(() => start({ forget } as never), AssertionFailure, kinds);
});

Deno.test("a port in use is reported in one line", net, () =>
  withListener({}, async (listener) => {
    await assertRejects(
      () =>
        listen({
          address: listener.address,
          handler: { handle() {}, forget() {} },
          limits: DEFAULT_CLIENT_LIMITS,
          clock: systemClock,
          logger: silentLogger,
        }),
      UserError,
      `Cannot listen on 127.0.0.1:${listener.address.port}: the port is in use`,
    );
  }));

Deno.test(
  "resetting the totals sets each to zero, and reuses no client's id",
  net,
  () =>
    withListener({ clientsMax: 1 }, async (listener, _recorder, connect) => {
      const first = await connect();
      await first.send("ECHO a\r\n");
      await first.read(7);
      await (await connect()).readAll();
      assertEquals(Object.values(listener.totals).map((count) => count > 0).includes(false), false);
      listener.resetTotals();
      assertEquals(new Set(Object.values(listener.totals)), new Set([0]));
      assertEquals(listener.rates.get(listener.clock.monotonicMs()).requests >= 0, true);
      const [[before] = []] = listener.connections;
      listener.connections.get(before ?? 0)?.destroy();
      const second = await connect();
      await second.send("ECHO a\r\n");
      await second.read(7);
      assertEquals([...listener.connections.keys()].includes(before ?? 0), false);
      assertEquals(listener.totals.connections, 1);
    }),
);
