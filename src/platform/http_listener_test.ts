import { assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../tests/support/free_ports.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "./clock.ts";
import { type HttpListener, type HttpListenOptions, listenHttp } from "./http_listener.ts";

const NET = { permissions: { net: true, env: true, read: true } } as const;

async function withListener(
  options: Partial<HttpListenOptions>,
  test: (port: number, listener: HttpListener) => Promise<void>,
): Promise<void> {
  const [port = 0] = freePorts(1);
  const listener = await listenHttp({
    address: { host: "127.0.0.1", port },
    connectionsMax: 100,
    handle: (request) => Promise.resolve(new Response(new URL(request.url).pathname)),
    hasNoFreeDescriptors: () => false,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  try {
    await test(port, listener);
  } finally {
    listener.close();
  }
}

/** Sends this on a new connection. @returns what comes until the other side closes it */
async function exchange(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  await connection.write(new TextEncoder().encode(text));
  return await rest(connection);
}

async function rest(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(1 << 16);
  for (;;) {
    const length = await connection.read(buffer).catch(() => null); // it may be reset
    if (length === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
}

/** Nothing takes so long in these tests. */
const LONG_MS = 60_000;
const LONG = { headerMs: LONG_MS, requestMs: LONG_MS, idleMs: LONG_MS, stalledMs: LONG_MS };

Deno.test("a header that does not end is not waited for, however it drips", NET, async () => {
  await withListener({ timeouts: { ...LONG, headerMs: 200 } }, async (port) => {
    using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
    let isOver = false;
    const ending = rest(connection).then((text) => (isOver = true, text));
    for (let at = 0; !isOver; at++) {
      const line = new TextEncoder().encode(at === 0 ? "GET / HTTP/1.1\r\n" : `a${at}: b\r\n`);
      await connection.write(line).catch(() => {}); // it may be closed by now
      await new Promise<void>((resolve) => systemClock.after(20, resolve));
    }
    assertMatch(await ending, /^(HTTP\/1.1 408|$)/);
  });
});

Deno.test("a connection without a request is closed after a while", NET, async () => {
  await withListener({ timeouts: { ...LONG, idleMs: 200, headerMs: 200 } }, async (port) => {
    assertMatch(await exchange(port, ""), /^(HTTP\/1.1 408|$)/);
  });
  await withListener({ timeouts: { ...LONG, idleMs: 200 } }, async (port) => {
    const answer = await exchange(port, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    assertMatch(answer, /^HTTP\/1.1 200[^]*\/idle$/);
  });
});

Deno.test("a response that is not read is given up", NET, async () => {
  const isCancelled = Promise.withResolvers<void>();
  const chunk = new Uint8Array(64 * 1024);
  const endless = () =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(chunk),
          cancel: () => isCancelled.resolve(),
        }, { highWaterMark: 0 }),
      ),
    );
  const timeouts = { ...LONG, stalledMs: 300 };
  await withListener({ timeouts, handle: endless }, async (port) => {
    using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
    await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await isCancelled.promise;
  });
});

Deno.test(
  "no more connections are served than allowed, and later ones when some end",
  NET,
  async () => {
    await withListener({ connectionsMax: 3 }, async (port) => {
      const open = () => Deno.connect({ port, hostname: "127.0.0.1" });
      const held = await Promise.all([open(), open(), open()]);
      const request = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
      const buffer = new Uint8Array(1024);
      for (const connection of held) {
        await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        await connection.read(buffer);
      }
      assertEquals(await exchange(port, request), "");
      for (const connection of held) connection.close();
      let answer = "";
      while (answer === "") answer = await exchange(port, request);
      assertMatch(answer, /^HTTP\/1.1 200[^]*\/a$/);
    });
  },
);

Deno.test("a closed listener ends its connections and frees its port", NET, async () => {
  await withListener({}, async (port, listener) => {
    using idle = await Deno.connect({ port, hostname: "127.0.0.1" });
    await idle.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await idle.read(new Uint8Array(1024));
    listener.close();
    assertEquals(await rest(idle), "");
    Deno.listen({ port, hostname: "127.0.0.1" }).close();
  });
});

Deno.test("a port in use is told as such", NET, async () => {
  await withListener({}, async (port) => {
    const address = { host: "127.0.0.1", port };
    let message = "";
    await withListener({ address }, () => Promise.resolve()).catch((error) =>
      message = error.message
    );
    assertEquals(message, `Cannot listen on 127.0.0.1:${port}: the port is in use`);
  });
});
