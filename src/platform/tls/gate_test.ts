import { assert, assertEquals, assertMatch } from "@std/assert";
import tls from "node:tls";
import { HAS_OPENSSL, openssl } from "../../../tests/support/openssl.ts";
import { RawConnection } from "../../../tests/support/raw_connection.ts";
import { runTool } from "../../../tests/support/redis_tools.ts";
import { type TlsBench, withTls } from "../../../tests/support/tls/bench.ts";
import { TestAuthority } from "../../../tests/support/tls/certificates.ts";
import { until } from "../../../tests/support/until.ts";
import type { TlsFiles } from "./credentials.ts";

const REAL = {
  permissions: { net: true, read: true, write: true, run: true, env: true, sys: true },
  ignore: !HAS_OPENSSL,
} as const;
const HOUR_MS = 60 * 60 * 1000;
const MIB = 1024 * 1024;
/** The interval in which a refusal is logged once, in milliseconds. */
const REPEATED_MS = 10_000;
/** A record of a handshake that announces 200 bytes, and the first of them. */
const HALF_HELLO = "\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03";

const onlyNodes = {
  requiresCertificate: true,
  refusePeer: (peer: { readonly mayBeNode: boolean }) => peer.mayBeNode ? null : "is not a node's",
};

/** Connects, and expects the server to refuse that with this line. */
async function refusedWith(
  bench: TlsBench,
  line: RegExp,
  connect: () => Promise<unknown>,
): Promise<void> {
  bench.clock.push(REPEATED_MS);
  bench.lines.length = 0;
  await connect();
  await until("the refusal is logged", () => bench.lines.length > 0);
  assertEquals(bench.lines.length, 1, bench.lines.join("\n"));
  assertMatch(bench.lines[0] ?? "", /^refuses 127\.0\.0\.1:\d+ on the test port: /);
  assertMatch(bench.lines[0] ?? "", line);
  assertEquals([bench.accepted, bench.gate.handshakes], [[], 0]);
}

/** Sends this without TLS. @returns what comes until the server closes the connection */
async function plainly(bench: TlsBench, text: string): Promise<string> {
  const connection = await RawConnection.open(bench.port);
  await connection.send(text);
  const answer = await connection.readToEnd();
  connection.close();
  return answer;
}

Deno.test("a peer whose certificate is good is let in, and known", REAL, async () => {
  await withTls(onlyNodes, async (bench) => {
    const client = await bench.connect(await bench.authority.issue("n2"), { node: "n1" });
    await client.echo("hello");
    assertEquals(bench.accepted.map(({ peer }) => String(peer)), ["node n2"]);
    assertEquals(bench.accepted[0]?.peer?.isNode("n2"), true);
    assertEquals([bench.lines, bench.gate.handshakes], [[], 0]);
    client.stream.close();
  });
});

Deno.test("each refusal is one line that says why", REAL, async () => {
  await withTls(onlyNodes, async (bench) => {
    const nowMs = Date.now();
    const { authority, dir } = bench;
    const other = await TestAuthority.create(dir, "other");
    const past = { nowMs: nowMs - HOUR_MS, untilMs: nowMs - 1 };
    const cases: [TlsFiles, RegExp][] = [
      [await authority.issue("app", { kind: "client" }), /e \(client app\) is not a node's$/],
      [await authority.issue("proxy", { kind: "proxy" }), /e \(proxy proxy\) is not a node's$/],
      [
        { ...(await other.issue("n2", {}, "stranger")), authorities: authority.path },
        /: its certificate \(node n2\) is not from an authority that is known here$/,
      ],
      [await authority.issue("n2", past, "old"), /\(node n2\) has expired on 20\S+Z$/],
      [
        await authority.issue("n2", { nowMs: nowMs + 3 * HOUR_MS }, "early"),
        /: its certificate \(node n2\) is not valid before 20\S+Z$/,
      ],
      [{ own: null, authorities: authority.path }, /: showed no certificate$/],
    ];
    for (const [files, line] of cases) {
      await refusedWith(bench, line, () => bench.connectAnyhow(files, "PING\r\n"));
    }
    // A client that does not trust the server says so.
    const own = await authority.issue("n2");
    await refusedWith(bench, /the other side refuses the certificate shown to it$/, async () => {
      await bench.connectAnyhow({ ...own, authorities: other.path });
    });
    for (const text of ["PING\r\n", "POST / HTTP/1.1\r\n\r\n", "\0", "\x00\x00\x00\x05hello"]) {
      await refusedWith(bench, /: sent plain text where TLS is expected$/, async () => {
        assertEquals(await plainly(bench, text), "");
      });
    }
    for (const text of ["\x16\x04", "\x16\x03\x01\x40\x01"]) {
      await refusedWith(bench, /: sent something that is not TLS$/, async () => {
        assertEquals(await plainly(bench, text), "");
      });
    }
    await refusedWith(
      bench,
      /: the TLS handshake failed: the other side speaks no TLS$/,
      async () => {
        await plainly(bench, "\x16\x03\x01\x00\x05hello");
      },
    );
  });
});

Deno.test("old versions and weak suites of TLS are refused", REAL, async () => {
  await withTls({}, async (bench) => {
    const client = ["s_client", "-connect", `127.0.0.1:${bench.port}`];
    const shaken = (...how: string[]) =>
      openssl(...client, "-CAfile", bench.authority.path, ...how);
    for (const [version, suite] of [["tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"], ["tls1_3", ""]]) {
      const how = suite === "" ? [] : ["-cipher", suite ?? ""];
      assertMatch(await shaken(`-${version}`, ...how), /Verify return code: 0 \(ok\)/);
    }
    const old = ["-cipher", "ALL:@SECLEVEL=0"];
    const weak = [
      "AES128-SHA",
      "ECDHE-ECDSA-AES256-SHA384",
      "ECDHE-ECDSA-AES128-SHA",
      "AES128-GCM-SHA256",
    ];
    const cases = [
      ["-tls1", ...old],
      ["-tls1_1", ...old],
      ...weak.map((suite) => ["-tls1_2", "-cipher", `${suite}:@SECLEVEL=0`]),
    ];
    bench.accepted.length = 0;
    for (const how of cases) {
      await refusedWith(bench, /no version or cipher of TLS in common$/, async () => {
        assertMatch(await shaken(...how).catch(String), /alert/, how.join(" "));
      });
    }
  });
});

Deno.test("a session that is resumed makes no certificate good", REAL, async () => {
  for (const version of ["-tls1_2", "-tls1_3"]) {
    await withTls(onlyNodes, async (bench) => {
      const { authority, dir } = bench;
      const text = (path = "") => Deno.readTextFileSync(path);
      // Another port of the process, which lets everybody in, as the keys of tickets are the same.
      const open = tls.createServer({
        cert: text(bench.files.own?.certificate),
        key: text(bench.files.own?.key),
        ca: authority.pem,
        requestCert: true,
        rejectUnauthorized: false,
      }, (socket) => {
        socket.on("error", () => {});
        socket.once("data", (chunk) => socket.end(chunk));
      });
      await new Promise<void>((resolve) => open.listen(0, "127.0.0.1", resolve));
      const openPort = (open.address() as { readonly port: number }).port;
      const session = `${dir}/session`;
      const hello = async (port: number, { own }: TlsFiles, ...how: string[]) => {
        const shown = ["-cert", own?.certificate ?? "", "-key", own?.key ?? ""];
        const args = ["s_client", "-connect", `127.0.0.1:${port}`, version, "-ign_eof"];
        return (await runTool("openssl", [...args, ...shown, ...how], { stdin: "hello\n" })).stdout;
      };
      const other = await TestAuthority.create(dir, "other");
      const cases: [TlsFiles, RegExp][] = [
        [await other.issue("n2", {}, "stranger"), /\(node n2\) is not from an authority that is/],
        [await authority.issue("n2"), /: resumed a session$/],
      ];
      for (const [files, line] of cases) {
        assertMatch(await hello(openPort, files, "-sess_out", session), /hello/);
        assertMatch(await hello(openPort, files, "-sess_in", session), /^Reused, .*hello/ms);
        await refusedWith(bench, line, async () => {
          assertMatch(await hello(bench.port, files, "-sess_in", session), /^Reused, /m);
        });
      }
      open.close();
    });
  }
});

Deno.test(
  "an identity may be shown where none is required, but it must be good",
  REAL,
  async () => {
    await withTls({}, async (bench) => {
      const { authority } = bench;
      const anybody = await bench.connect({ own: null, authorities: authority.path });
      await anybody.echo("hello");
      const app = await bench.connect(await authority.issue("app", { kind: "client" }));
      await app.echo("hello");
      assertEquals(bench.accepted.map(({ peer }) => peer?.clientName ?? null), [null, "app"]);
      bench.accepted.length = 0;
      const nowMs = Date.now();
      const past = { kind: "client", nowMs: nowMs - HOUR_MS, untilMs: nowMs - 1 } as const;
      const old = await authority.issue("app", past, "old");
      await refusedWith(bench, /\(client app\) has expired/, () => bench.connectAnyhow(old));
      anybody.stream.close();
      app.stream.close();
    });
  },
);

Deno.test("a port may take both TLS and plain connections", REAL, async () => {
  await withTls({ takesPlain: true, handshakeMs: 300 }, async (bench) => {
    const secure = await bench.connect(await bench.authority.issue("n2"), { node: "n1" });
    await secure.echo("secure");
    const plain = await RawConnection.open(bench.port);
    await plain.send("PING\r\n");
    assertEquals(await plain.read(6), "PING\r\n");
    await plain.send("and more");
    assertEquals(await plain.read(8), "and more");
    assertEquals(bench.accepted.map(({ peer }) => String(peer)), ["node n2", "null"]);

    // One that waits before it speaks has time, and speaks no TLS.
    const silent = await RawConnection.open(bench.port);
    await until("it is passed on", () => bench.accepted.length === 3);
    await silent.send("later");
    assertEquals(await silent.read(5), "later");
    assertEquals(bench.lines, []);
    for (const one of [plain, silent]) one.close();
    secure.stream.close();
  });
});

Deno.test("who sends nothing, or half a handshake, is disconnected", REAL, async () => {
  await withTls({ handshakeMs: 200 }, async (bench) => {
    const within = /within 0\.2 s$/;
    await refusedWith(bench, /: sent nothing within/, () => plainly(bench, ""));
    await refusedWith(bench, within, () => plainly(bench, "\x16"));
    await refusedWith(bench, within, () => plainly(bench, HALF_HELLO));
    await refusedWith(bench, within, async () => {
      const connection = await RawConnection.open(bench.port);
      await connection.send(await clientHello(bench));
      assertEquals((await connection.readToEnd()).slice(0, 2), "\x16\x03"); // the server's half
      connection.close();
    });
    // Whoever leaves by itself is not worth a line.
    bench.lines.length = 0;
    for (const text of ["", HALF_HELLO]) {
      const connection = await RawConnection.open(bench.port);
      await connection.send(text);
      connection.close();
    }
    await until("no handshake is left", () => bench.gate.handshakes === 0);
    assertEquals(bench.lines, []);
  });
});

/** What a client sends first. */
async function clientHello({ port, authority }: TlsBench): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const to = `127.0.0.1:${listener.addr.port}`;
  assert(port > 0);
  const client = new Deno.Command("openssl", {
    args: ["s_client", "-connect", to, "-CAfile", authority.path],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  using connection = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer) ?? 0;
  client.kill();
  await client.status;
  return buffer.slice(0, count);
}

Deno.test(
  "a thousand plain connections to a TLS port cost a few lines and little memory",
  REAL,
  async () => {
    await withTls({}, async (bench) => {
      const before = Deno.memoryUsage().rss;
      let most = 0;
      for (let round = 0; round < 10; round++) {
        const opened = await Promise.all(
          Array.from({ length: 100 }, () => RawConnection.open(bench.port)),
        );
        await Promise.all(opened.map((connection) => connection.send("PING\r\n")));
        assertEquals(
          new Set(await Promise.all(opened.map((one) => one.readToEnd()))),
          new Set([""]),
        );
        for (const connection of opened) connection.close();
        most = Math.max(most, Deno.memoryUsage().rss - before);
      }
      assertEquals([bench.lines.length, bench.accepted.length], [1, 0]);
      assertEquals(bench.gate.handshakes, 0);
      assert(most < 100 * MIB, `${most} bytes`);
      const client = await bench.connect(await bench.authority.issue("n2"), { node: "n1" });
      await client.echo("still here");
      client.stream.close();
    });
  },
);

Deno.test("handshakes that do not go on make room for others", REAL, async () => {
  await withTls({ connectionsMax: 64, handshakeMs: 60_000 }, async (bench) => {
    const idle = await Promise.all(
      Array.from({ length: 64 }, () => RawConnection.open(bench.port)),
    );
    await until("all wait", () => bench.gate.handshakes === 64);
    const files = await bench.authority.issue("n2");
    // Young ones keep their places.
    await refusedOnce(() => bench.connect(files, { node: "n1" }));
    assertMatch(bench.lines.join("\n"), /: there are too many handshakes at once$/);
    bench.clock.push(REPEATED_MS);
    bench.lines.length = 0;
    const client = await bench.connect(files, { node: "n1" });
    await client.echo("in");
    assertMatch(bench.lines.join("\n"), /too many handshakes at once, and this was the slowest$/);
    assertEquals(await idle[0]?.readToEnd(), "");
    for (const connection of idle) connection.close();
    client.stream.close();
  });
});

async function refusedOnce(connect: () => Promise<unknown>): Promise<void> {
  const reason = await connect().then(() => "", String);
  assertMatch(reason, /disconnected before secure TLS connection|ECONNRESET/);
}
