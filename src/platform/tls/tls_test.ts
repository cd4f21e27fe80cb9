import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { HAS_OPENSSL, openssl } from "../../../tests/support/openssl.ts";
import { RawConnection } from "../../../tests/support/raw_connection.ts";
import { withTls } from "../../../tests/support/tls/bench.ts";
import { TestAuthority } from "../../../tests/support/tls/certificates.ts";
import { until } from "../../../tests/support/until.ts";
import { latin1Bytes } from "../../base/bytes.ts";
import { systemClock } from "../clock.ts";
import { TcpNetwork, tcpNetwork } from "../tcp_network.ts";
import { tlsConnect } from "./connect.ts";

const REAL = {
  permissions: { net: true, read: true, write: true, run: true, env: true, sys: true },
  ignore: !HAS_OPENSSL,
} as const;
const MIB = 1024 * 1024;

Deno.test("a client checks the node or the host that it dials", REAL, async () => {
  await withTls({}, async (bench) => {
    const { authority, port, dir } = bench;
    const files = await authority.issue("n2");
    for (const how of [{ node: "n1" }, { host: "localhost" }, { host: "127.0.0.1" }]) {
      const client = await bench.connect(files, how);
      await client.echo("hello");
      client.stream.close();
    }
    const refused = async (how: Parameters<typeof bench.connect>[1], reason: string) => {
      await assertRejects(() => bench.connect(files, how), Error, reason);
    };
    await refused({ node: "n2" }, "its certificate is that of node n1, not of node n2");
    bench.credentials.reload();
    // The server's certificate changes: each time, new connections meet the new one.
    await authority.issue("n1", { hosts: ["db.example"] });
    assert(bench.credentials.reload());
    await refused({ host: "127.0.0.1" }, "its certificate (node n1) is not for 127.0.0.1");
    await authority.issue("app", { kind: "client", hosts: ["127.0.0.1"] }, "n1");
    assert(bench.credentials.reload());
    await refused({ host: "127.0.0.1" }, "unable to verify the first certificate");
    const other = await TestAuthority.create(dir, "other");
    const stranger = { ...(await other.issue("n2", {}, "stranger")) };
    await assertRejects(() => bench.connect(stranger, { port }), Error, "certificate");

    const plain = await tcpNetwork.listen(
      { host: "127.0.0.1", port: 0 },
      (stream) =>
        stream.handle({
          onOpen() {},
          onData: () => stream.write("-ERR Protocol error\r\n"),
          onClose() {},
        }),
    );
    await refused({ port: plain.address.port }, "InvalidContentType");
    plain.close();
  });
});

Deno.test(
  "a client refuses a certificate that only looks like one of its authority",
  REAL,
  async () => {
    await withTls({}, async (bench) => {
      const { authority, dir } = bench;
      const [, issuer = ""] = /CN ?= ?(.*)$/m.exec(
        await openssl("x509", "-in", authority.path, "-noout", "-subject"),
      ) ?? [];
      const path = (name: string) => `${dir}/${name}`;
      for (const name of ["false.key", "forged.key"]) {
        await openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path(name));
      }
      const request = (
        key: string,
        name: string,
      ) => ["-new", "-key", path(key), "-subj", `/CN=${name}`];
      await openssl("req", "-x509", ...request("false.key", issuer), "-out", path("false.crt"));
      await openssl("req", ...request("forged.key", "localhost"), "-out", path("request"));
      const by = ["-CA", path("false.crt"), "-CAkey", path("false.key"), "-CAcreateserial"];
      Deno.writeTextFileSync(path("ext"), "subjectAltName=DNS:localhost,URI:regent://node/n1");
      const forge = async (...extensions: string[]) => {
        const args = ["x509", "-req", "-in", path("request"), "-days", "9", ...by, ...extensions];
        await openssl(...args, "-out", path("forged.crt"));
      };
      const versions: [string[], RegExp][] = [
        [[], /has X\.509 version 1, not 3/], // the runtime alone would accept this one
        [["-extfile", path("ext")], /certificate/],
      ];
      for (const [extensions, reason] of versions) {
        await forge(...extensions);
        using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const { port } = listener.addr;
        listener.close();
        const server = new Deno.Command("openssl", {
          args: [
            ...["s_server", "-accept", String(port), "-quiet"],
            ...["-cert", path("forged.crt"), "-key", path("forged.key")],
          ],
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }).spawn();
        try {
          await until("the server listens", async () => {
            return await Deno.connect({ hostname: "127.0.0.1", port }).then(
              (connection) => (connection.close(), true),
              () => false,
            );
          });
          for (const how of [{ node: "n1" }, { host: "localhost" }]) {
            const attempt = bench.connect({ own: null, authorities: authority.path }, {
              ...how,
              port,
            });
            assertMatch(await attempt.then(() => "accepted", String), reason);
          }
        } finally {
          server.kill();
          await server.status;
        }
      }
    });
  },
);

Deno.test("new files hold for new connections, and open ones stay", REAL, async () => {
  await withTls({}, async (bench) => {
    const { authority, dir } = bench;
    const files = await authority.issue("n2");
    const before = await bench.connect(files, { node: "n1" });
    await authority.issue("n3", {}, "n1");
    assert(bench.credentials.reload());
    const after = await bench.connect(files, { node: "n3" });
    await before.echo("before");
    await after.echo("after");
    // The authority is replaced, while both are trusted for a while.
    const next = await TestAuthority.create(dir, "next");
    Deno.writeTextFileSync(authority.path, authority.pem + next.pem);
    assert(bench.credentials.reload());
    const nextFiles = await next.issue("n2", {}, "n2-next");
    const overlapping = { own: nextFiles.own, authorities: authority.path };
    for (const one of [files, overlapping]) {
      const client = await bench.connect(one, { node: "n3" });
      await client.echo("overlap");
      client.stream.close();
    }
    await next.issue("n3", {}, "n1");
    Deno.writeTextFileSync(authority.path, next.pem);
    assert(bench.credentials.reload());
    bench.lines.length = 0;
    const last = await bench.connect(nextFiles, { node: "n3" });
    await last.echo("next");
    Deno.writeTextFileSync(`${dir}/old.crt`, authority.pem + next.pem);
    await bench.connectAnyhow({ own: files.own, authorities: `${dir}/old.crt` }, "hello");
    await until("the old one is refused", () => bench.lines.length > 0);
    assertMatch(bench.lines.join("\n"), /\(node n2\) is not from an authority that is known here$/);
    await before.echo("still open");
    for (const client of [before, after, last]) client.stream.close();
  });
});

Deno.test("large contents arrive whole, over TLS too", REAL, async () => {
  await withTls({}, async (bench) => {
    const chunk = new Uint8Array(MIB).map((_, at) => at * 7 >> 3);
    const sent = createHash("sha256");
    const received = createHash("sha256");
    let missing = 64 * MIB;
    const done = Promise.withResolvers<void>();
    const credentials = bench.clientCredentials(bench.files);
    const network = new TcpNetwork({ connect: tlsConnect({ credentials, clock: systemClock }) });
    const address = { host: "127.0.0.1", port: bench.port };
    const stream = network.connect(address, {
      onOpen() {
        for (let at = 0; at < 64; at++) {
          const text = String.fromCharCode(...chunk.subarray(0, 1000)) + at;
          const piece = at % 2 === 0 ? chunk : text.padEnd(MIB, "\xff");
          sent.update(typeof piece === "string" ? latin1Bytes(piece) : piece);
          stream.write(piece);
        }
      },
      onData(bytes) {
        received.update(bytes);
        missing -= bytes.length;
        if (missing === 0) done.resolve();
      },
      onClose: (reason) => done.reject(new Error(reason)),
    });
    await done.promise;
    assertEquals(received.digest("hex"), sent.digest("hex"));
    stream.close();
  });
});

Deno.test("a peer over TLS cannot fill the memory of one that does not read", REAL, async () => {
  for (const side of ["server", "client"] as const) {
    await withPausedReader(side, async ({ write, reader, heldBytes }) => {
      reader.pause();
      const before = Deno.memoryUsage().rss;
      for (let at = 0; at < 400 && heldBytes() < 64 * MIB; at++) await write(256 * 1024);
      // Without back-pressure all 100 MiB would be taken, and be in memory.
      assert(heldBytes() > 50 * MIB, `${side}: ${heldBytes() / MIB} MiB are still to be sent`);
      assert(Deno.memoryUsage().rss - before < 400 * MIB);
      let got = 0;
      let largest = 0;
      reader.on("data", (chunk: Uint8Array) => {
        got += chunk.length;
        largest = Math.max(largest, chunk.length);
      });
      reader.resume();
      await until("all has come", () => heldBytes() === 0 && got >= 64 * MIB);
      assert(largest <= MIB, `a chunk of ${largest} bytes`);
    });
  }
});

interface PausedReader {
  readonly reader: {
    pause(): unknown;
    resume(): unknown;
    on(event: "data", received: (chunk: Uint8Array) => void): unknown;
  };
  /** Writes so many bytes, and lets the runtime work. */
  readonly write: (bytes: number) => Promise<void>;
  /** What was written and is not sent. */
  readonly heldBytes: () => number;
}

/** @param side which of both reads */
async function withPausedReader(
  side: "server" | "client",
  test: (one: PausedReader) => Promise<void>,
): Promise<void> {
  const { TlsGate } = await import("./gate.ts");
  const { Acceptor } = await import("../acceptor.ts");
  await withTls({}, async (bench) => {
    const { clock } = bench;
    const logger = { info() {}, warn() {}, error() {} };
    const acceptor = await Acceptor.open({
      address: { host: "127.0.0.1", port: 0 },
      allowHalfOpen: false,
      hasNoFreeDescriptors: null,
      checksEachConnection: false,
      clock,
      logger,
      gate: new TlsGate({
        ...{ credentials: bench.credentials, takesPlain: false, requiresCertificate: false },
        ...{ connectionsMax: 10, clock, logger, port: "a port" },
      }),
    });
    const accepted = Promise.withResolvers<import("../sockets.ts").Socket>();
    acceptor.on("connection", accepted.resolve);
    const opened = Promise.withResolvers<void>();
    const credentials = bench.clientCredentials(bench.files);
    const connect = tlsConnect({ credentials, clock });
    const client = connect({ host: "127.0.0.1", port: acceptor.address().port }, opened.resolve);
    await opened.promise;
    const server = await accepted.promise;
    const [reader, writer] = side === "server" ? [server, client] : [client, server];
    try {
      await test({
        reader,
        async write(bytes) {
          writer.write(new Uint8Array(bytes));
          await new Promise<void>((resolve) => systemClock.after(1, resolve));
        },
        heldBytes: () => writer.writableLength,
      });
    } finally {
      client.destroy();
      server.destroy();
      acceptor.close();
    }
  });
}

Deno.test(
  "a peer that leaves in the middle ends the connection, and nothing else",
  REAL,
  async () => {
    await withTls({}, async (bench) => {
      const files = await bench.authority.issue("n2");
      const other = await bench.connect(files, { node: "n1" });
      // Through a relay that cuts the connection without a word of TLS.
      using relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const halves: Deno.Conn[] = [];
      const relaying = (async () => {
        const near = await relay.accept();
        const far = await Deno.connect({ hostname: "127.0.0.1", port: bench.port });
        halves.push(near, far);
        void near.readable.pipeTo(far.writable).catch(() => {});
        void far.readable.pipeTo(near.writable).catch(() => {});
      })();
      const cut = await bench.connect(files, { node: "n1", port: relay.addr.port });
      await relaying;
      await cut.echo("hello");
      cut.stream.write("x".repeat(8 * MIB));
      for (const half of halves) half.close();
      await until("the client notices", () => cut.reason !== null);
      assertEquals(bench.accepted.length, 2);
      await other.echo("hello");

      const garbled = await RawConnection.open(bench.port);
      await garbled.send("\x16\x03\x01\x00\x01\x01");
      garbled.close();
      await other.echo("still here");
      other.stream.close();
    });
  },
);
