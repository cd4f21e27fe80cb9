import { assertEquals, assertMatch } from "@std/assert";
import { hasTool, runTool } from "../../tests/support/redis_tools.ts";
import { withTls } from "../../tests/support/tls/bench.ts";
import { textOf } from "../base/byte_string.ts";
import { silentLogger } from "../base/logger.ts";
import { TlsGate } from "../platform/tls/gate.ts";
import { DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { listen } from "./listener.ts";

const REAL = {
  permissions: { net: true, read: true, write: true, run: true, env: true, sys: true },
} as const;

Deno.test({
  name: "redis-cli connects with --tls, and is told why not without",
  ignore: !hasTool("redis-cli"),
  ...REAL,
  async fn() {
    await withTls({}, async (bench) => {
      const listener = await listen({
        address: { host: "127.0.0.1", port: 0 },
        handler: {
          handle: (_connection, args, reply) => reply.settle(textOf(args[1] ?? "PONG")),
          forget() {},
        },
        limits: { ...DEFAULT_CLIENT_LIMITS, clientsMax: 2 },
        clock: bench.clock,
        logger: silentLogger,
        gate: new TlsGate({
          ...{ credentials: bench.credentials, takesPlain: false, requiresCertificate: false },
          ...{ connectionsMax: 2, clock: bench.clock, logger: silentLogger, port: "the RESP port" },
        }),
      });
      const { port } = listener.address;
      const { authority } = bench;
      const app = await authority.issue("app", { kind: "client" });
      const cli = (...args: string[]) => runTool("redis-cli", ["-p", String(port), ...args]);
      const secure = ["--tls", "--cacert", authority.path];
      assertEquals((await cli(...secure, "ECHO", "hello")).stdout, "hello\n");
      const shown = ["--cert", app.own?.certificate ?? "", "--key", app.own?.key ?? ""];
      assertEquals((await cli(...secure, ...shown, "ECHO", "me")).stdout, "me\n");
      const long = "x".repeat(100_000);
      assertEquals((await cli(...secure, "ECHO", long)).stdout, `${long}\n`);
      assertMatch((await cli("ECHO", "x")).stderr, /closed the connection|reset by peer/);
      // The limit of clients is told over TLS too.
      const caCerts = [authority.pem];
      const open = () => Deno.connectTls({ hostname: "localhost", port, caCerts });
      const clients = [await open(), await open()];
      for (const client of clients) {
        await client.write(new TextEncoder().encode("ECHO a\r\n"));
        await client.read(new Uint8Array(7));
      }
      const { stdout, stderr } = await cli(...secure, "ECHO", "y");
      assertMatch(stdout + stderr, /max number of clients reached/);
      for (const client of clients) client.close();
      listener.close();
    });
  },
});
