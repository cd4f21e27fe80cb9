import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { freePorts } from "../../tests/support/free_ports.ts";
import { FakeFiles } from "../../tests/support/http/fake_files.ts";
import { HttpBench } from "../../tests/support/http/http_bench.ts";
import { until } from "../../tests/support/until.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { listenHttp } from "../platform/http_listener.ts";

const MIB = 1024 * 1024;

interface Served {
  readonly files: FakeFiles;
  readonly port: number;
  readonly url: string;
  readonly logged: readonly string[];
}

async function withFiles(test: (served: Served) => Promise<void>): Promise<void> {
  const files = new FakeFiles();
  const logged: string[] = [];
  const log = (line: string) => void logged.push(line);
  const logger: Logger = { info: log, warn: log, error: log };
  const { http } = new HttpBench({ files, logger });
  const [port = 0] = freePorts(1);
  const listener = await listenHttp({
    address: { host: "127.0.0.1", port },
    connectionsMax: 100,
    handle: (request, sent) => http.handle(request, sent),
    refuse: (refusal) => http.refuse(refusal),
    clock: systemClock,
    logger: silentLogger,
  });
  try {
    await test({ files, port, url: `http://127.0.0.1:${port}/files`, logged });
  } finally {
    listener.close();
  }
}

async function connect(port: number, text: string): Promise<Deno.Conn> {
  const connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  await connection.write(new TextEncoder().encode(text.replaceAll("\n", "\r\n")));
  return connection;
}

/** What comes next on a connection; `""` when it has ended. */
async function next(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  const length = await connection.read(buffer).catch(() => null);
  return new TextDecoder().decode(buffer.subarray(0, length ?? 0));
}

async function rest(connection: Deno.Conn): Promise<string> {
  let text = "";
  for (let more = await next(connection); more !== ""; more = await next(connection)) text += more;
  return text;
}

/** Resolves when a number has stopped growing. */
async function settled(read: () => number): Promise<number> {
  let seen = -1;
  for (let same = 0; same < 20; await new Promise((resolve) => setTimeout(resolve, 10))) {
    same = read() === seen ? same + 1 : 0;
    seen = read();
  }
  return seen;
}

Deno.test("a large file goes up and comes down in pieces, byte for byte", async () => {
  await withFiles(async ({ files, url }) => {
    const piece = crypto.getRandomValues(new Uint8Array(65_536));
    const content = new Blob(Array.from({ length: 512 }, () => piece)); // 32 MiB
    const put = await fetch(`${url}/large`, { method: "PUT", body: content });
    assertEquals([put.status, put.headers.get("etag")], [201, '"1"']);
    await put.body?.cancel();
    assertEquals(files.contentOf("large")?.length, content.size);
    const stream = await fetch(`${url}/chunked`, { method: "PUT", body: content.stream() });
    assertEquals(stream.status, 201);
    await stream.body?.cancel();
    for (const name of ["large", "chunked"]) {
      const got = await fetch(`${url}/${name}`);
      assertEquals(got.headers.get("content-length"), `${content.size}`);
      const bytes = new Uint8Array(await got.arrayBuffer());
      assertEquals(bytes.length, content.size);
      assert(bytes.every((byte, at) => byte === piece[at % piece.length]));
    }
    const head = await fetch(`${url}/large`, { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), `${content.size}`);
    assertEquals(files.reading, 0);
  });
});

/** Deno 2.6 takes whatever is written, and holds it until the client reads. */
const ignore = Deno.version.deno.startsWith("2.6.");

Deno.test("who stops reading holds little, and who goes away nothing", { ignore }, async () => {
  await withFiles(async ({ files, port }) => {
    files.set("large", new Uint8Array(128 * MIB));
    const connection = await connect(port, "GET /files/large HTTP/1.1\nHost: localhost\n\n");
    assertMatch(await next(connection), /^HTTP\/1.1 200 /);
    // The rest are the buffers of the two sockets, which the kernel bounds.
    const readBytes = await settled(() => files.readBytes);
    assert(readBytes < 32 * MIB, `${readBytes} bytes were read`);
    assertEquals(files.reading, 1);
    connection.close();
    await until("nobody reads any more", () => files.reading === 0);
    assert(files.readBytes < 32 * MIB);
  });
});

Deno.test("a content that breaks off never looks complete", async () => {
  await withFiles(async ({ files, url, port, logged }) => {
    files.set("a", new Uint8Array(MIB).fill(97));
    files.chunkBytes = 100_000;
    for (const breaksAt of [MIB - 1, 500_000, 100_000]) {
      files.breaksAt = breaksAt;
      await assertRejects(async () => await (await fetch(`${url}/a`)).arrayBuffer());
      await assertRejects(async () => {
        const response = await fetch(`${url}/a`, { headers: { range: "bytes=0-0,99-" } });
        assertEquals(response.status, 206);
        await response.arrayBuffer();
      });
    }
    using connection = await connect(port, "GET /files/a HTTP/1.1\nHost: localhost\n\n");
    const [, body = ""] = (await rest(connection)).split("\r\n\r\n");
    assertMatch(body, /^a*$/); // no text of an error among it
    assert(body.length < MIB);
    await until("it is logged", () => logged.length === 7);
    assertEquals(logged[0], "HTTP getFile: the content broke off: All copies are broken.");
    assertEquals(files.reading, 0);
  });
});

Deno.test("a body is asked for only if it is wanted", async () => {
  await withFiles(async ({ files, port }) => {
    files.set("a", "old");
    const put = (name: string, headers: string) =>
      connect(
        port,
        `PUT /files/${name} HTTP/1.1\nHost: localhost\nContent-Length: 3\n` +
          `Expect: 100-continue\n${headers}\n`,
      );
    for (const [name, headers] of [["a", "If-None-Match: *\n"], ["a/../b", ""]] as const) {
      using refused = await put(name, headers);
      assertMatch(await rest(refused), /^HTTP\/1.1 4\d\d [^]*"code":"(precond|bad-req)/);
    }
    using wanted = await put("a", "");
    assertEquals(await next(wanted), "HTTP/1.1 100 Continue\r\n\r\n");
    await wanted.write(new TextEncoder().encode("new"));
    assertMatch(await next(wanted), /^HTTP\/1.1 204 /);
    assertEquals(new TextDecoder().decode(files.contentOf("a") ?? undefined), "new");
  });
});

Deno.test("an upload that breaks off leaves nothing", async () => {
  await withFiles(async ({ files, port }) => {
    const connection = await connect(
      port,
      "PUT /files/a HTTP/1.1\nHost: localhost\nContent-Length: 10\n\nhello",
    );
    await until("some of it has arrived", () => files.putBytes === 5);
    connection.close();
    const again = await connect(
      port,
      "GET /files/a HTTP/1.1\nHost: localhost\nConnection: close\n\n",
    );
    assertMatch(await rest(again), /^HTTP\/1.1 404 /);
    again.close();
    assertEquals(files.commits, 0);
  });
});
