import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { until } from "../../tests/support/until.ts";
import { type Arguments, textOf } from "../base/byte_string.ts";
import { silentLogger } from "../base/logger.ts";
import { Faults } from "../faults/faults.ts";
import { systemClock } from "../platform/clock.ts";
import { PushReply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import { DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { listen, type RespListener } from "./listener.ts";
import { PausableFrontend } from "./pausable_frontend.ts";
import type { PendingReply } from "./pending_reply.ts";

const LATER = "LATER";

/** Echoes each request's name; `LATER` waits for the test, `FAULT` pauses and heals. */
class Echo {
  readonly faults = new Faults(new ManualClock(), silentLogger);
  readonly seen: string[] = [];
  readonly later: PendingReply[] = [];
  #changed: () => void = () => {};

  handle(_connection: Connection, args: Arguments, reply: PendingReply): void {
    const [name = "", what] = args.map(textOf);
    this.seen.push(name);
    if (name === LATER) this.later.push(reply);
    else reply.settle(name);
    if (what === "pause") this.faults.begin({ kind: "pause" }, null);
    if (what === "heal") this.faults.heal();
    this.changed();
  }

  forget(): void {
    this.changed();
  }

  changed(): void {
    this.#changed();
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = () => holds() && resolve();
      this.#changed();
    });
  }
}

class Client {
  readonly #conn: Deno.TcpConn;
  /** All that it got. */
  text = "";
  readonly #read: Promise<void>;
  #got: () => void = () => {};

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#read = this.#readAll();
  }

  async send(text: string): Promise<void> {
    await this.#conn.write(new TextEncoder().encode(text));
  }

  until(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#got = () => this.text === text && resolve();
      this.#got();
    });
  }

  async close(): Promise<void> {
    this.#conn.close();
    await this.#read;
  }

  async #readAll(): Promise<void> {
    const buffer = new Uint8Array(4096);
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const count = await this.#conn.read(buffer);
        if (count === null) return;
        this.text += decoder.decode(buffer.subarray(0, count));
        this.#got();
      }
    } catch {
      // The test has closed it.
    }
  }
}

async function withEcho(
  test: (echo: Echo, connect: () => Promise<Client>, listener: RespListener) => Promise<void>,
): Promise<void> {
  const echo = new Echo();
  const handler = new PausableFrontend(echo, echo.faults, () => listener);
  const listener: RespListener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler,
    limits: DEFAULT_CLIENT_LIMITS,
    clock: systemClock,
    logger: silentLogger,
  });
  const clients: Client[] = [];
  try {
    await test(echo, async () => {
      const client = new Client(await Deno.connect({ port: listener.address.port }));
      clients.push(client);
      return client;
    }, listener);
  } finally {
    for (const client of clients) await client.close();
    listener.close();
  }
}

const net = { permissions: { net: true } };

Deno.test(
  "a paused node sends nothing and executes nothing, then continues",
  net,
  async () => {
    await withEcho(async (echo, connect, listener) => {
      const [early, operator] = [await connect(), await connect()];
      await early.send(`${LATER}\r\n`);
      await echo.until(() => echo.later.length === 1);
      await operator.send("FAULT pause\r\n");
      await operator.until("$5\r\nFAULT\r\n");

      echo.later[0]?.settle("done");
      const earliest = Math.min(...listener.connections.keys());
      listener.connections.get(earliest)?.push(new PushReply(["nobody hears this"]));
      const late = await connect();
      await late.send("ONE\r\nTWO\r\n");
      await early.send("THREE\r\n");
      // Whatever was to be said before these answers would have been said.
      for (let round = 2; round <= 5; round++) {
        await operator.send("FAULT list\r\n");
        await operator.until("$5\r\nFAULT\r\n".repeat(round));
      }
      assertEquals([early.text, late.text], ["", ""]);
      assertEquals(echo.seen.filter((name) => name !== "FAULT"), [LATER]);
      assertEquals(listener.connections.size, 3);

      await operator.send("FAULT heal\r\n");
      await early.until("$4\r\ndone\r\n$5\r\nTHREE\r\n");
      await late.until("$3\r\nONE\r\n$3\r\nTWO\r\n");
      await early.send("FOUR\r\n");
      await early.until("$4\r\ndone\r\n$5\r\nTHREE\r\n$4\r\nFOUR\r\n");
    });
  },
);

Deno.test(
  "a paused node holds the operator's other requests too, in their order",
  net,
  async () => {
    await withEcho(async (echo, connect) => {
      const operator = await connect();
      await operator.send("FAULT pause\r\n");
      await operator.until("$5\r\nFAULT\r\n");
      await operator.send("ONE\r\nfault heal\r\nTWO\r\n");
      await operator.until("$5\r\nFAULT\r\n$3\r\nONE\r\n$5\r\nfault\r\n$3\r\nTWO\r\n");
      assertEquals(echo.seen, ["FAULT", "fault", "ONE", "TWO"]);
    });
  },
);

Deno.test("a request whose client disconnects during the pause is not executed", net, async () => {
  await withEcho(async (echo, connect, listener) => {
    const [gone, operator] = [await connect(), await connect()];
    await operator.send("FAULT pause\r\n");
    await operator.until("$5\r\nFAULT\r\n");
    await gone.send("ONE\r\n");
    const [connection] = listener.connections.values();
    assert(connection !== undefined);
    await until("the request is held", () => connection.outstanding === 1);
    connection.destroy();
    await operator.send("FAULT heal\r\nTWO\r\n");
    await operator.until("$5\r\nFAULT\r\n$5\r\nFAULT\r\n$3\r\nTWO\r\n");
    assertEquals(echo.seen, ["FAULT", "FAULT", "TWO"]);
  });
});

Deno.test("faults other than a pause neither silence the listener nor hold requests", () => {
  const faults = new Faults(new ManualClock(), silentLogger);
  const silences: boolean[] = [];
  const seen: string[] = [];
  const largest: number[] = [];
  const frontend = {
    handle: (_connection: Connection, args: Arguments) => void seen.push(...args.map(textOf)),
    noteLargest: (bytes: number) => void largest.push(bytes),
    forget() {},
  };
  const pausable = new PausableFrontend(frontend, faults, () => ({
    silence: (isSilent) => void silences.push(isSilent),
  }));
  const request = () => pausable.handle({} as Connection, ["ONE"], {} as PendingReply);
  faults.begin({ kind: "slow-disk", delayMs: 1 }, null);
  request();
  assertEquals([silences, seen], [[], ["ONE"]]);
  faults.begin({ kind: "pause" }, null);
  faults.begin({ kind: "drop", percent: 1, peers: null }, null);
  request();
  pausable.noteLargest(7);
  assertEquals([silences, seen, largest], [[true], ["ONE"], [7]]);
});
