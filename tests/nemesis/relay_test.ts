import { assertEquals } from "@std/assert";
import { frameHeader } from "../../src/node/peers/frames.ts";
import { until } from "../support/until.ts";
import { LinkFaults } from "./link_faults.ts";
import { Relay } from "./relay.ts";

const HOST = "127.0.0.1";

function helloOf(from: string): Uint8Array {
  const payload = new TextEncoder().encode(JSON.stringify({ from, to: "b" }));
  return new Uint8Array([...frameHeader(payload.length), ...payload]);
}

/** One end of a connection, which records what arrives. */
class End {
  received = "";
  hasEnded = false;
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#listen();
  }

  async send(text: string): Promise<void> {
    await this.#connection.write(new TextEncoder().encode(text));
  }

  close(): void {
    this.#connection.close();
  }

  async #listen(): Promise<void> {
    try {
      for await (const chunk of this.#connection.readable) {
        this.received += new TextDecoder().decode(chunk);
      }
    } catch {
      // a reset is an end like any other
    }
    this.hasEnded = true;
  }
}

interface Link {
  readonly faults: LinkFaults;
  readonly dial: () => Promise<End>;
  /** The node's ends of the connections, in order of arrival. */
  readonly arrived: readonly End[];
}

/** A relay in front of node `b`, to which `a` connects. */
function withLink(name: string, test: (link: Link) => Promise<void>): void {
  // Connections that the relay has closed may still be ending when the test is over.
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false }, async () => {
    const arrived: End[] = [];
    const node = Deno.listen({ hostname: HOST, port: 0 });
    (async () => {
      for await (const connection of node) arrived.push(new End(connection));
    })();
    const faults = new LinkFaults();
    const relay = new Relay(0, "b", node.addr.port, faults);
    const dial = async () => {
      const connection = await Deno.connect({ hostname: HOST, port: relay.port });
      await connection.write(helloOf("a"));
      return new End(connection);
    };
    await test({ faults, dial, arrived });
    relay.stop();
    node.close();
  });
}

const ends = (end: End | undefined, text: string) => end?.received.endsWith(text) === true;

withLink("an open link carries bytes both ways, the hello too", async ({ dial, arrived }) => {
  const a = await dial();
  await a.send("ping");
  await until("b hears a", () => ends(arrived[0], "ping"));
  assertEquals(arrived[0]?.received.includes('"from":"a"'), true);
  await arrived[0]?.send("pong");
  await until("a hears b", () => a.received === "pong");
});

withLink(
  "held bytes arrive later, and the other direction is free",
  async ({ faults, dial, arrived }) => {
    const a = await dial();
    await until("the link is up", () => arrived.length === 1);
    const end = faults.begin((from) => from === "a", { kind: "hold" });
    await a.send("late");
    await arrived[0]?.send("free");
    await until("a hears b", () => a.received === "free");
    assertEquals(ends(arrived[0], "late"), false);
    end();
    await until("b hears a", () => ends(arrived[0], "late"));
  },
);

withLink("swallowed bytes never arrive, and then the link is reset", async (link) => {
  const { faults, dial, arrived } = link;
  const a = await dial();
  await until("the link is up", () => arrived.length === 1);
  const end = faults.begin((from) => from === "a", { kind: "swallow" });
  await a.send("lost");
  await arrived[0]?.send("free");
  await until("a hears b", () => a.received === "free");
  end();
  await until("both ends are reset", () => a.hasEnded && arrived[0]?.hasEnded === true);
  assertEquals(ends(arrived[0], "lost"), false);
});

withLink("a refused link is reset, and so are new ones", async ({ faults, dial, arrived }) => {
  const a = await dial();
  await until("the link is up", () => arrived.length === 1);
  const end = faults.begin(() => true, { kind: "refuse" });
  await until("the old one is reset", () => a.hasEnded && arrived[0]?.hasEnded === true);
  const refused = await dial();
  await until("the new one is reset", () => refused.hasEnded);
  assertEquals(arrived.length, 1);
  end();
  const again = await dial();
  await until("a new one is let through", () => arrived.length === 2);
  again.close();
});

withLink("a delayed link keeps the order", async ({ faults, dial, arrived }) => {
  faults.begin(() => true, { kind: "delay", delayMs: 30 });
  const a = await dial();
  const beginMs = performance.now();
  for (const text of ["1", "2", "3"]) await a.send(text);
  await until("all has arrived", () => ends(arrived[0], "123"));
  assertEquals(performance.now() - beginMs >= 29, true);
});

withLink("of two faults the later one holds until it ends", async ({ faults, dial, arrived }) => {
  const endHold = faults.begin(() => true, { kind: "hold" });
  const endRefuse = faults.begin(() => true, { kind: "refuse" });
  const refused = await dial();
  await until("it is reset", () => refused.hasEnded);
  endRefuse();
  const held = await dial();
  await held.send("late");
  assertEquals(arrived.length, 0);
  endHold();
  await until("what was held comes", () => ends(arrived[0], "late"));
});
