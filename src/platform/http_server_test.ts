import { assert, assertEquals, assertMatch } from "@std/assert";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "./clock.ts";
import { type HttpExchange, HttpServer, type HttpServerOptions } from "./http_server.ts";

const LONG_MS = 60_000;
const LONG = { headMs: LONG_MS, idleMs: LONG_MS, stalledMs: LONG_MS };

/** Answers with the method, the target and the body. */
async function echo(exchange: HttpExchange): Promise<void> {
  let text = `${exchange.method} ${exchange.target} `;
  for await (const chunk of exchange.body()) text += new TextDecoder().decode(chunk);
  await exchange.answer(200, [], new TextEncoder().encode(text));
}

async function withServer(
  options: Partial<HttpServerOptions>,
  test: (server: HttpServer) => Promise<void>,
): Promise<void> {
  const server = await HttpServer.open({
    address: { host: "127.0.0.1", port: 0 },
    connectionsMax: 100,
    handle: echo,
    connectionsFlag: "--max",
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

function connect({ port }: HttpServer): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

async function send(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function rest(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null); // it may be reset
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

const answerOf = (body: string, end = "") =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${end}\r\n${body}`;
const CLOSE = "connection: close\r\n";

Deno.test("requests that follow each other at once are answered in order", async () => {
  await withServer({}, async (server) => {
    using connection = await connect(server);
    await send(
      connection,
      "PUT /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc" +
        "PUT /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" +
        "2\r\nde\r\n3;x=y\r\nfgh\r\n0\r\ntrailer: z\r\n\r\n" +
        "GET /c HTTP/1.1\r\nconnection: close\r\n\r\n",
    );
    assertEquals(
      await rest(connection),
      answerOf("PUT /a abc") + answerOf("PUT /b defgh") + answerOf("GET /c ", CLOSE),
    );
  });
});

Deno.test("a request is understood however it is cut", async () => {
  await withServer({}, async (server) => {
    using connection = await connect(server);
    const request = "PUT /b HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n" +
      "2\r\nde\r\n3\r\nfgh\r\n0\r\n\r\n";
    for (const byte of request) await send(connection, byte);
    assertEquals(await rest(connection), answerOf("PUT /b defgh", CLOSE));
  });
});

Deno.test("what is no HTTP is refused, and the connection ends", async () => {
  await withServer({}, async (server) => {
    const cases: [string, RegExp][] = [
      ["hello\r\n\r\n", /^HTTP\/1.1 400 /],
      [`GET / HTTP/1.1\r\na: ${"b".repeat(20_000)}`, /^HTTP\/1.1 431 /],
      ["GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", /^HTTP\/1.1 400 /],
      ["GET / HTTP/2.0\r\n\r\n", /^HTTP\/1.1 400 /],
      ["PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", /^HTTP\/1.1 400 /],
      [
        `PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n${"1".repeat(20_000)}`,
        /^HTTP\/1.1 400 /,
      ],
      ["PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", /^HTTP\/1.1 400 /],
    ];
    for (const [text, answer] of cases) {
      using connection = await connect(server);
      await send(connection, text).catch(() => {});
      assertMatch(await rest(connection), answer, text.slice(0, 40));
    }
  });
});

Deno.test("connections that send no request, or not all of it, are closed in time", async () => {
  const late = /^HTTP\/1.1 408 /;
  const cases: [Partial<typeof LONG>, string, RegExp][] = [
    [{ idleMs: 100 }, "", /^$/],
    [{ headMs: 100 }, "GET / HTTP/1.1\r\n", late],
    [{ stalledMs: 100 }, "PUT / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab", late],
    [{ stalledMs: 100 }, "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", late],
  ];
  for (const [times, text, answer] of cases) {
    await withServer({ times: { ...LONG, ...times } }, async (server) => {
      using connection = await connect(server);
      await send(connection, text);
      assertMatch(await rest(connection), answer);
    });
  }
});

Deno.test("a head that drips is not waited for", async () => {
  await withServer({ times: { ...LONG, headMs: 200 } }, async (server) => {
    using connection = await connect(server);
    let isOver = false;
    const ending = rest(connection).then((text) => (isOver = true, text));
    await send(connection, "GET / HTTP/1.1\r\n");
    while (!isOver) {
      await send(connection, "a: b\r\n").catch(() => {});
      await new Promise<void>((resolve) => systemClock.after(20, resolve));
    }
    assertMatch(await ending, /^(HTTP\/1.1 408 |$)/); // it may be reset
  });
});

Deno.test("an answer that is not read is given up", async () => {
  const isCut = Promise.withResolvers<unknown>();
  const handle = async (exchange: HttpExchange) => {
    await exchange.begin(200, [], 2 ** 40);
    for (;;) {
      await exchange.write(new Uint8Array(2 ** 20)).catch((error) => {
        isCut.resolve(error);
        throw error;
      });
    }
  };
  await withServer({ times: { ...LONG, stalledMs: 200 }, handle }, async (server) => {
    using connection = await connect(server);
    await send(connection, "GET / HTTP/1.1\r\n\r\n");
    assertMatch(String(await isCut.promise), /nothing was taken for 200 ms/);
  });
});

Deno.test("a handler that fails within its answer cuts it after what it has written", async () => {
  const handle = async (exchange: HttpExchange) => {
    await exchange.begin(200, [], 1_000_000);
    await exchange.write(new Uint8Array(300_000).fill(97));
    throw new Error("damaged");
  };
  await withServer({ handle }, async (server) => {
    using connection = await connect(server);
    await send(connection, "GET / HTTP/1.1\r\n\r\n");
    const [, body = ""] = (await rest(connection)).split("\r\n\r\n");
    assertEquals(body.length, 300_000);
  });
});

Deno.test("a refusal arrives while the body is still on its way", async () => {
  const handle = (exchange: HttpExchange) => exchange.answer(507, [], new Uint8Array(2).fill(97));
  await withServer({ handle }, async (server) => {
    using connection = await connect(server);
    const sending = send(connection, `PUT / HTTP/1.1\r\ncontent-length: ${2 ** 26}\r\n\r\n`)
      .then(() => send(connection, "x".repeat(2 ** 24)));
    const buffer = new Uint8Array(1_000);
    const count = await connection.read(buffer) ?? 0;
    assertMatch(new TextDecoder().decode(buffer.subarray(0, count)), /^HTTP\/1.1 507 .*close/s);
    await sending; // a client that is slow to notice is not reset meanwhile
  });
});

Deno.test("a refused body that never ends is dropped for a while only", async () => {
  const handle = (exchange: HttpExchange) => exchange.answer(507, [], new Uint8Array(0));
  await withServer({ handle, times: { ...LONG, stalledMs: 300 } }, async (server) => {
    using connection = await connect(server);
    let isOver = false;
    const ending = rest(connection).then(() => isOver = true);
    await send(connection, "PUT / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n");
    while (!isOver) {
      await send(connection, "x").catch(() => {});
      await new Promise<void>((resolve) => systemClock.after(20, resolve));
    }
    await ending;
  });
});

Deno.test("no more connections are served than allowed, and later ones when some end", async () => {
  await withServer({ connectionsMax: 2 }, async (server) => {
    const held = [await connect(server), await connect(server)];
    const buffer = new Uint8Array(1_000);
    for (const connection of held) {
      await send(connection, "PUT / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
      await connection.read(buffer);
    }
    const request = "GET /a HTTP/1.1\r\nconnection: close\r\n\r\n";
    const attempt = async () => {
      using connection = await connect(server);
      await send(connection, request).catch(() => {});
      return await rest(connection);
    };
    assertMatch(await attempt(), /^HTTP\/1.1 503 /);
    for (const connection of held) connection.close();
    let answer = "";
    while (!answer.startsWith("HTTP/1.1 200")) answer = await attempt();
    assertEquals(answer, answerOf("GET /a ", CLOSE));
  });
});

Deno.test("at the limit, a new connection takes the place of the one that is idle for longest", async () => {
  await withServer({ connectionsMax: 2 }, async (server) => {
    const held = [await connect(server), await connect(server)];
    const buffer = new Uint8Array(1_000);
    const ask = async (connection: Deno.TcpConn) => {
      await send(connection, "GET / HTTP/1.1\r\n\r\n");
      return await connection.read(buffer) ?? 0;
    };
    for (const connection of [...held, ...held.slice(0, 1)]) assert(await ask(connection) > 0);
    const third = await connect(server);
    assert(await ask(third) > 0);
    const [first, second] = held;
    assert(first !== undefined && second !== undefined);
    assertEquals(await rest(second), "");
    assert(await ask(first) > 0);
    for (const connection of [...held, third]) connection.close();
  });
});

Deno.test("closing ends what is handled, and waits for it", async () => {
  const hasBegun = Promise.withResolvers<void>();
  let hasEnded = false;
  const handle = async (exchange: HttpExchange) => {
    hasBegun.resolve();
    try {
      for await (const _ of exchange.body());
    } finally {
      await new Promise<void>((resolve) => systemClock.after(20, resolve));
      hasEnded = true;
    }
  };
  await withServer({ handle }, async (server) => {
    using connection = await connect(server);
    await send(connection, "PUT / HTTP/1.1\r\ncontent-length: 5\r\n\r\n");
    await hasBegun.promise;
    await server.close();
    assert(hasEnded);
    assertEquals(await rest(connection), "");
  });
});

Deno.test("a client that waits to be asked for a body is asked when it is read", async () => {
  const head = "PUT /a HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  await withServer({}, async (server) => {
    using connection = await connect(server);
    await send(connection, head);
    const buffer = new Uint8Array(1_000);
    const count = await connection.read(buffer) ?? 0;
    const asked = new TextDecoder().decode(buffer.subarray(0, count));
    assertEquals(asked, "HTTP/1.1 100 Continue\r\n\r\n");
    await send(connection, "hiGET /b HTTP/1.1\r\nConnection: close\r\n\r\n");
    assertEquals(await rest(connection), answerOf("PUT /a hi") + answerOf("GET /b ", CLOSE));
  });
  const handle = (exchange: HttpExchange) => exchange.answer(507, [], new Uint8Array());
  await withServer({ handle }, async (server) => {
    using connection = await connect(server);
    await send(connection, head);
    await connection.closeWrite();
    assertMatch(await rest(connection), /^HTTP\/1\.1 507 /);
  });
});
