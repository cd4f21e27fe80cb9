import { assert, assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../../platform/clock.ts";
import { HttpClient } from "../../platform/http_client.ts";
import type { Address } from "../../platform/network.ts";
import { bytesOf, exchange, HttpBroken, type HttpRequest } from "./http_exchange.ts";

const NET = { permissions: { net: true } } as const;

/** Serves connections one after the other, each by the next of these functions. */
async function withServer(
  serves: readonly ((connection: Deno.TcpConn) => Promise<void>)[],
  test: (client: Client) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for (const serve of serves) {
      using connection = await listener.accept();
      await serve(connection);
    }
  })();
  const client = new Client({ host: "127.0.0.1", port: listener.addr.port });
  try {
    await test(client);
    await serving;
  } finally {
    client.close();
  }
}

/** A client of one server. */
class Client {
  readonly #http: HttpClient;
  readonly #address: Address;

  constructor(address: Address, stalledMs = 10_000) {
    this.#http = new HttpClient({ clock: systemClock, stalledMs });
    this.#address = address;
  }

  request(request: HttpRequest) {
    return exchange(this.#http, this.#address, request);
  }

  close(): void {
    this.#http.close();
  }
}

const decoder = new TextDecoder();

function say(connection: Deno.TcpConn, text: string): Promise<unknown> {
  return connection.write(new TextEncoder().encode(text));
}

/** Reads until this text has arrived. @returns everything up to it */
async function hear(connection: Deno.TcpConn, end = "\r\n\r\n"): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(1 << 16);
  while (!text.includes(end)) {
    const length = await connection.read(buffer);
    assert(length !== null, `it ended after ${text}`);
    text += decoder.decode(buffer.subarray(0, length));
  }
  return text;
}

async function sent(client: Client, request: Partial<HttpRequest> = {}): Promise<string> {
  const answer = await client.request({ method: "GET", target: "/a", ...request });
  return `${answer.status} ${decoder.decode(await bytesOf(answer, 1 << 20))}`;
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(new TextEncoder().encode(text));
}

Deno.test("a connection is kept as long as both sides want it", NET, async () => {
  const heads: string[] = [];
  await withServer([
    async (connection) => {
      heads.push(await hear(connection));
      await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
      heads.push(await hear(connection));
      await say(connection, "HTTP/1.1 204 No Content\r\nX: 1\r\nx:  2 \r\n\r\n");
      heads.push(await hear(connection));
      await say(
        connection,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthree",
      );
    },
    async (connection) => {
      heads.push(await hear(connection));
      await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
      await hear(connection);
      await say(connection, "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n");
    },
  ], async (client) => {
    assertEquals(await sent(client), "200 one");
    const answer = await client.request({ method: "DELETE", target: "/b?c" });
    const { status, headers } = answer;
    assertEquals([status, headers.get("x")], [204, "1, 2"]);
    assertEquals((await bytesOf(answer, 0)).length, 0);
    assertEquals(await sent(client, { headers: { range: "bytes=1-" } }), "200 three");
    assertEquals(await sent(client, { method: "HEAD" }), "200 ");
    assertEquals(await sent(client), "304 ");
  });
  assert(/^GET \/a HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/.test(heads[0] ?? ""), heads[0]);
  assert(heads[1]?.includes("DELETE /b?c HTTP/1.1\r\n"), heads[1]);
  assert(heads[1]?.includes("\r\ncontent-length: 0\r\n"), heads[1]);
  assert(heads[2]?.includes("\r\nrange: bytes=1-\r\n"), heads[2]);
});

Deno.test("an answer in chunks is read however it is cut", NET, async () => {
  const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5;a=b\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nRepr-Digest: x\r\n\r\n";
  await withServer([
    async (connection) => {
      connection.setNoDelay(true);
      for (let round = 0; round < 2; round++) {
        await hear(connection);
        for (const character of answer) await say(connection, character);
      }
    },
  ], async (client) => {
    assertEquals(await sent(client), "200 hello world");
    assertEquals(await sent(client), "200 hello world");
  });
});

Deno.test("a body is sent with its length, or in chunks", NET, async () => {
  await withServer([
    async (connection) => {
      const text = await hear(connection, "abcdef");
      assert(/\r\ncontent-length: 6\r\n\r\nabcdef$/.test(text), text);
      await say(connection, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
      const chunked = await hear(connection, "0\r\n\r\n");
      assert(
        /\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n$/.test(chunked),
      );
      await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      assert(/\r\ncontent-length: 2\r\n\r\nhi$/.test(await hear(connection, "hi")));
      await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    },
  ], async (client) => {
    const put = { method: "PUT" };
    const known = { ...put, body: chunks("abc", "", "def"), bodyBytes: 6 };
    assertEquals(await sent(client, known), "201 ");
    assertEquals(await sent(client, { ...put, body: chunks("abc", "defg") }), "200 ");
    assertEquals(await sent(client, { ...put, body: chunks("hi"), bodyBytes: 2 }), "200 ");
    // One that grows or shrinks meanwhile must not be taken for the beginning of the next request.
    const wrong = { ...put, body: chunks("abc"), bodyBytes: 2 };
    await assertRejects(() => sent(client, wrong), Error);
  });
});

Deno.test("a body that is refused is not sent", NET, async () => {
  let pulls = 0;
  const endless = (async function* () {
    const chunk = new Uint8Array(1 << 16);
    for (;; pulls++) yield await Promise.resolve(chunk);
  })();
  const refusal = "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 2\r\n\r\nno";
  await withServer([
    async (connection) => {
      assert((await hear(connection)).includes("\r\nexpect: 100-continue\r\n"));
      await say(connection, refusal);
    },
    async (connection) => {
      await hear(connection);
      await say(connection, refusal);
      const buffer = new Uint8Array(1 << 16);
      while (await connection.read(buffer) !== null); // until the client ends it
    },
    async (connection) => {
      await hear(connection);
      await say(connection, "HTTP/1.1 100 Continue\r\n\r\n");
      assertEquals(await hear(connection, "content"), "content");
      await say(connection, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
      await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    },
  ], async (client) => {
    const put = { method: "PUT", expectContinue: true };
    const small = () => ({ ...put, body: chunks("content"), bodyBytes: 7 });
    assertEquals(await sent(client, small()), "412 no");
    assertEquals(
      await sent(client, { method: "PUT", body: endless, bodyBytes: 2 ** 50 }),
      "412 no",
    );
    assert(pulls > 0);
    assertEquals(await sent(client, small()), "200 fine");
  });
});

Deno.test("an answer that ends too early or is no HTTP is an error", NET, async () => {
  const answers = [
    "",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    "-ERR unknown command 'GET'\r\n\r\n",
    `HTTP/1.1 200 OK\r\na: ${"x".repeat(70_000)}`,
    "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + "x".repeat(2_000_000),
  ];
  const serves = answers.map((answer) => async (connection: Deno.TcpConn) => {
    await hear(connection);
    const bytes = new TextEncoder().encode(answer);
    let at = 0;
    while (at < bytes.length) {
      at += await connection.write(bytes.subarray(at)).catch(() => Infinity);
    }
  });
  await withServer(serves, async (client) => {
    for (const answer of answers) {
      await assertRejects(() => sent(client), HttpBroken, undefined, answer.slice(0, 60));
    }
  });
  const nobody = new Client({ host: "127.0.0.1", port: 1 });
  await assertRejects(() => sent(nobody), HttpBroken, "refused");
  const split = { headers: { a: "b\r\nc: d" } };
  await withServer([], async (client) => {
    await assertRejects(() => sent(client, split), Error, "Cannot send a: b");
  });
});

Deno.test("a server that falls silent is given up, and a slow reader is not", NET, async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = new Client({ host: "127.0.0.1", port: listener.addr.port }, 200);
  const get = { method: "GET", target: "/" };
  let answer = client.request(get);
  using connection = await listener.accept();
  await hear(connection);
  const bytes = 8_000_000;
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const serving = (async () => {
    await say(connection, `HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    const body = new Uint8Array(bytes);
    for (let at = 0; at < bytes;) at += await connection.write(body.subarray(at));
  })();
  let read = 0;
  for await (const chunk of (await answer).body) {
    if (read === 0) await wait(500);
    read += chunk.length;
  }
  await serving;
  assertEquals(read, bytes);
  answer = client.request(get);
  await hear(connection);
  await say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome");
  const silent = await answer;
  await assertRejects(() => bytesOf(silent, 9), HttpBroken, "nothing came for 200 ms");
  client.close();
});
