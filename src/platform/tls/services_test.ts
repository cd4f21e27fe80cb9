import { assertEquals, assertMatch } from "@std/assert";
import { type TlsBench, withTls } from "../../../tests/support/tls/bench.ts";
import { until } from "../../../tests/support/until.ts";
import { silentLogger } from "../../base/logger.ts";
import { channelsOver } from "../byte_channel.ts";
import { HttpClient } from "../http_client.ts";
import { listenHttp } from "../http_listener.ts";
import { HttpServer } from "../http_server.ts";
import { tlsConnect } from "./connect.ts";
import { TlsGate } from "./gate.ts";

const REAL = {
  permissions: { net: true, read: true, write: true, run: true, env: true, sys: true },
} as const;
const MIB = 1024 * 1024;

function gateOf({ credentials, clock }: TlsBench, takesPlain = false): TlsGate {
  return new TlsGate({
    ...{ credentials, takesPlain, requiresCertificate: false, connectionsMax: 100 },
    ...{ clock, logger: silentLogger, port: "the HTTP port" },
  });
}

async function withHttp(
  bench: TlsBench,
  takesPlain: boolean,
  test: (port: number) => Promise<void>,
  timeouts = { headerMs: 60_000, requestMs: 60_000, idleMs: 60_000, stalledMs: 60_000 },
): Promise<void> {
  using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr;
  probe.close();
  const listener = await listenHttp({
    address: { host: "127.0.0.1", port },
    connectionsMax: 100,
    async handle(request, { body }) {
      let bytes = 0;
      await new Promise<void>((resolve) => {
        body.on("data", (chunk) => bytes += chunk.length);
        body.on("end", resolve);
        body.on("close", resolve);
      });
      const { pathname } = new URL(request.url);
      if (pathname === "/large") return new Response(new Uint8Array(16 * MIB).fill(7));
      return new Response(`${request.method} ${pathname} ${bytes}`);
    },
    refuse: (refusal) => new Response(refusal, { status: 503 }),
    clock: bench.clock,
    logger: silentLogger,
    gate: gateOf(bench, takesPlain),
    timeouts,
  });
  try {
    await test(port);
  } finally {
    listener.close();
  }
}

Deno.test("HTTP is served over TLS, and over both", REAL, async () => {
  await withTls({}, async (bench) => {
    const caCerts = [bench.authority.pem];
    using client = Deno.createHttpClient({ caCerts });
    for (const takesPlain of [false, true]) {
      await withHttp(bench, takesPlain, async (port) => {
        const secure = `https://localhost:${port}`;
        const get = async (path: string, init: RequestInit = {}) =>
          await (await fetch(secure + path, { ...init, client })).text();
        assertEquals(await get("/a"), "GET /a 0");
        assertEquals(await get("/a"), "GET /a 0"); // on the same connection
        const body = new Uint8Array(8 * MIB).fill(1);
        assertEquals(await get("/b", { method: "PUT", body }), `PUT /b ${8 * MIB}`);
        assertEquals((await get("/large")).length, 16 * MIB);
        const plain = await fetch(`http://127.0.0.1:${port}/c`).then(
          (response) => response.text(),
          () => "refused",
        );
        assertEquals(plain, takesPlain ? "GET /c 0" : "refused");
      });
    }
  });
});

Deno.test("a header that does not end is not waited for over TLS either", REAL, async () => {
  await withTls({}, async (bench) => {
    const never = 600_000;
    const timeouts = { headerMs: 200, requestMs: never, idleMs: never, stalledMs: never };
    await withHttp(bench, false, async (port) => {
      const connection = await Deno.connectTls({
        ...{ hostname: "localhost", port, caCerts: [bench.authority.pem] },
      });
      await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
      let isOver = false;
      const ending = restOf(connection).then((text) => (isOver = true, text));
      await until("the connection ends", () => isOver, { timeoutMs: 30_000 });
      assertMatch(await ending, /^(HTTP\/1.1 503[^]*too-slow|$)/);
      connection.close();
    }, timeouts);
  });
});

async function restOf(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("nodes exchange contents over TLS, and hold each other back", REAL, async () => {
  await withTls({}, async (bench) => {
    let received = 0;
    const server = await HttpServer.open({
      address: { host: "127.0.0.1", port: 0 },
      connectionsMax: 100,
      connectionsFlag: "--max",
      async handle(exchange) {
        for await (const chunk of exchange.body()) {
          received += chunk.length;
          if (received % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await exchange.answer(200, [], new Uint8Array(4 * MIB).fill(9));
      },
      gate: gateOf(bench),
      clock: bench.clock,
      logger: silentLogger,
    });
    const credentials = bench.clientCredentials(bench.files);
    const { clock } = bench;
    const client = new HttpClient({
      clock,
      connect: channelsOver(tlsConnect({ credentials, clock })),
    });
    for (let round = 0; round < 2; round++) {
      received = 0;
      const call = client.call({
        address: { host: "127.0.0.1", port: server.port },
        method: "PUT",
        target: "/blob",
        headers: {},
        body: 32 * MIB,
      });
      for (let at = 0; at < 32; at++) await call.write(new Uint8Array(MIB).fill(at));
      const answer = await call.answer();
      let bytes = 0;
      for await (const chunk of answer.body) bytes += chunk.length;
      assertEquals([answer.status, received, bytes], [200, 32 * MIB, 4 * MIB]);
    }
    const wrong = new HttpClient({ clock });
    const call = wrong.call({
      address: { host: "127.0.0.1", port: server.port },
      ...{ method: "GET", target: "/", headers: {}, body: 0 },
    });
    assertMatch(
      await call.answer().then(() => "answered", String),
      /without an answer|closed|reset/i,
    );
    client.close();
    wrong.close();
    await server.close();
  });
});
