import { assert, assertEquals, assertMatch } from "@std/assert";
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
    refuse: (refusal) => new Response(refusal, { status: 503 }),
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
const LONG = { headerMs: LONG_MS, idleMs: LONG_MS, stalledMs: LONG_MS };

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
    assertMatch(await ending, /^(HTTP\/1.1 503[^]*too-slow|$)/);
  });
});

Deno.test("a connection without a request is closed after a while", NET, async () => {
  await withListener({ timeouts: { ...LONG, idleMs: 200, headerMs: 200 } }, async (port) => {
    assertMatch(await exchange(port, ""), /^(HTTP\/1.1 503[^]*too-slow|$)/);
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

const REQUEST = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** Opens a connection, sends this, and waits for the first part of an answer. */
async function begin(port: number, text: string): Promise<Deno.Conn> {
  const connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  await connection.write(new TextEncoder().encode(text));
  await connection.read(new Uint8Array(1024));
  return connection;
}

Deno.test("a new connection takes the place of the one idle for longest", NET, async () => {
  await withListener({ connectionsMax: 2, timeouts: LONG }, async (port, listener) => {
    const first = await begin(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const second = await begin(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assertMatch(await exchange(port, REQUEST), /^HTTP\/1.1 200[^]*\/a$/);
    assertEquals(await rest(first), "");
    await second.write(new TextEncoder().encode(REQUEST));
    assertMatch(await rest(second), /^HTTP\/1.1 200[^]*\/a$/);
    assert(listener.connections <= 2);
    first.close();
    second.close();
  });
});

Deno.test(
  "a connection too many is refused, told once, and not once one has ended",
  NET,
  async () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (line: string) => void warnings.push(line) };
    const endless = (request: Request) => {
      const path = new URL(request.url).pathname;
      if (path === "/a") return Promise.resolve(new Response(path));
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
      });
      const headers = { "content-type": "text/event-stream" };
      return Promise.resolve(new Response(body, { headers }));
    };
    const options = { connectionsMax: 3, timeouts: LONG, handle: endless, logger };
    await withListener(options, async (port) => {
      const open = () => begin(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const held = await Promise.all([open(), open(), open()]);
      for (let count = 0; count < 2; count++) {
        const answer = await exchange(port, REQUEST);
        assertMatch(answer, /^HTTP\/1.1 503[^]*connection: close[^]*too-many-connections$/i);
      }
      const silent: Deno.Conn[] = [];
      for (let count = 0; count < 8; count++) {
        silent.push(await Deno.connect({ port, hostname: "127.0.0.1" }));
      }
      assertEquals(await exchange(port, ""), "");
      for (const connection of silent) connection.close();
      assertEquals(warnings, [
        "refuses connections for HTTP: all 3 have requests (--http-connections-max)",
      ]);
      for (const connection of held) connection.close();
      let answer = "";
      while (!answer.startsWith("HTTP/1.1 200")) answer = await exchange(port, REQUEST);
    });
  },
);

Deno.test("what is no HTTP gets the listener's own answer", NET, async () => {
  await withListener({ timeouts: LONG }, async (port) => {
    for (const text of ["*1\r\n$4\r\nPING\r\n", "\x16\x03\x01"]) {
      assertMatch(await exchange(port, text), /^HTTP\/1.1 503 [^]*\r\n\r\nno-http$/);
    }
    const answer = await exchange(port, "GET / HTTP/1.1\r\nHost: http://[\r\n\r\n");
    assertMatch(answer, /^HTTP\/1.1 503 [^]*connection: close[^]*no-http$/i);
    const long = `GET /${"x".repeat(100_000)} HTTP/1.1\r\n\r\n`;
    assertMatch(await exchange(port, long), /^HTTP\/1.1 503 [^]*\r\n\r\nheader-too-large$/);
  });
  await withListener({ timeouts: { ...LONG, headerMs: 100 } }, async (port) => {
    const answer = await exchange(port, "GET / HTTP/1.1\r\n");
    assertMatch(answer, /^HTTP\/1.1 503 [^]*\r\n\r\ntoo-slow$/);
  });
});

Deno.test("a chunk that is none ends a request under way", NET, async () => {
  const isOver = Promise.withResolvers<string>();
  const handle: HttpListenOptions["handle"] = async (_, { body }) => {
    body.on("data", () => {});
    body.on("close", () => isOver.resolve("close"));
    await isOver.promise;
    return new Response("late");
  };
  await withListener({ timeouts: LONG, handle }, async (port) => {
    const header = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assertMatch(await exchange(port, `${header}1\r\nx\r\nno length\r\n`), /^HTTP\/1.1 503 .*/);
    assertEquals(await isOver.promise, "close");
  });
});

Deno.test(
  "a client that waits until its body is wanted hears so when it is read",
  NET,
  async () => {
    const handle: HttpListenOptions["handle"] = (request, { body, isWaiting }) => {
      if (new URL(request.url).pathname === "/no") {
        assert(isWaiting());
        return Promise.resolve(new Response("no", { status: 413 }));
      }
      return new Promise((resolve) => {
        let length = 0;
        body.on("data", (chunk) => length += chunk.length);
        body.on("end", () => resolve(new Response(`${length}`)));
      });
    };
    await withListener({ timeouts: LONG, handle }, async (port) => {
      const expect = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
      using refused = await Deno.connect({ port, hostname: "127.0.0.1" });
      await refused.write(new TextEncoder().encode(`PUT /no HTTP/1.1\r\n${expect}`));
      const buffer = new Uint8Array(12);
      await refused.read(buffer);
      assertEquals(new TextDecoder().decode(buffer), "HTTP/1.1 413");
      const close = expect.replace("Host", "Connection: close\r\nHost");
      using wanted = await Deno.connect({ port, hostname: "127.0.0.1" });
      await wanted.write(new TextEncoder().encode(`PUT /yes HTTP/1.1\r\n${close}`));
      await wanted.read(buffer);
      assertEquals(new TextDecoder().decode(buffer), "HTTP/1.1 100");
      await wanted.write(new TextEncoder().encode("hello"));
      assertMatch(await rest(wanted), /HTTP\/1.1 200[^]*\r\n\r\n5$/);
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
