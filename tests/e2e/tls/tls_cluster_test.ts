import { assert, assertEquals, assertMatch } from "@std/assert";
import { freePorts } from "../../support/free_ports.ts";
import { HAS_OPENSSL } from "../../support/openssl.ts";
import { runTool } from "../../support/redis_tools.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

const HOST = "127.0.0.1";
const IDS = ["n1", "n2", "n3"];
/** A binary that an older Deno has compiled has no TLS, and says so. */
const HAS_TLS = await withTemporaryDirectory(async (dir) =>
  !(await runRegent(["certs", "--dir", `${dir}/certs`, "n1"])).stderr.includes("it needs Deno")
);

/** Three nodes and a proxy, each with a certificate of its own. */
class TlsCluster {
  readonly dir: string;
  readonly ports: ReadonlyMap<string, number>;
  readonly raftPorts: ReadonlyMap<string, number>;
  readonly httpPorts: ReadonlyMap<string, number>;
  readonly #running = new Map<string, RegentProcess>();

  constructor(dir: string) {
    this.dir = dir;
    const names = [...IDS, "proxy"];
    const some = freePorts(3 * names.length);
    const take = () => new Map(names.map((name) => [name, some.pop() ?? 0]));
    this.ports = take();
    this.raftPorts = take();
    this.httpPorts = take();
  }

  port(name: string): number {
    return this.ports.get(name) ?? 0;
  }

  process(name: string): RegentProcess | undefined {
    return this.#running.get(name);
  }

  /** Starts a node or the proxy. @param files the name of its certificate */
  start(name: string, tls: string, files = name): RegentProcess {
    const { dir } = this;
    const certs = `${dir}/certs`;
    const secure = tls === "plain"
      ? []
      : ["--tls", tls, "--tls-cert", `${certs}/${files}.crt`, "--tls-key", `${certs}/${files}.key`];
    const all = [...secure, ...(tls === "plain" ? [] : ["--tls-ca", `${certs}/ca.crt`])];
    const listen = [
      "--port",
      String(this.port(name)),
      "--http-port",
      String(this.httpPorts.get(name)),
    ];
    const peers = IDS.map((id) => `${id}=${HOST}:${this.raftPorts.get(id)}`).join(",");
    const own = name === "proxy"
      ? ["proxy", "--nodes", IDS.map((id) => `${HOST}:${this.port(id)}`).join(",")]
      : [
        ...["node", "--id", name, "--peers", peers, "--dir", `${dir}/${name}`],
        ...["--raft-port", String(this.raftPorts.get(name)), "--file-weight", "1"],
      ];
    const process = new RegentProcess([...own, ...listen, ...all]);
    this.#running.set(name, process);
    return process;
  }

  async restart(name: string, tls: string): Promise<void> {
    await this.#running.get(name)?.signal("SIGTERM");
    this.start(name, tls);
  }

  /** redis-cli with TLS, or without. */
  async cli(name: string, isSecure: boolean, ...args: string[]): Promise<string> {
    const secure = isSecure ? ["--tls", "--cacert", `${this.dir}/certs/ca.crt`] : [];
    const all = ["-h", HOST, "-p", String(this.port(name)), ...secure, ...args];
    const { stdout, stderr } = await runTool("redis-cli", all, { timeoutMs: 10_000 });
    return (stdout + stderr).trimEnd();
  }

  said(): string {
    return [...this.#running].map(([name, { said }]) => `${name}:\n${said}`).join("\n");
  }

  async stop(): Promise<void> {
    for (const process of this.#running.values()) await process.signal("SIGTERM");
  }
}

async function withCluster(test: (cluster: TlsCluster) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    const certs = ["certs", "--dir", `${dir}/certs`, ...IDS, "proxy", "--client", "app"];
    assertEquals((await runRegent(certs)).code, 0);
    const cluster = new TlsCluster(dir);
    try {
      await test(cluster);
    } catch (error) {
      console.error(cluster.said());
      throw error;
    } finally {
      await cluster.stop();
    }
  });
}

Deno.test({
  name: "a cluster works with TLS on all ports, and with nothing else",
  ignore: !HAS_TLS,
  async fn() {
    await withCluster(async (cluster) => {
      for (const name of [...IDS, "proxy"]) cluster.start(name, "only");
      await until(
        "a write is answered",
        async () => await cluster.cli("proxy", true, "SET", "a", "1") === "OK",
      );
      assertEquals(await cluster.cli("proxy", true, "GET", "a"), "1");
      const answers = await Promise.all(IDS.map((id) => cluster.cli(id, true, "GET", "a")));
      assertEquals(answers, ["1", "1", "1"]);
      assertMatch(await cluster.cli("proxy", false, "GET", "a"), /closed the connection|reset/);
      assertMatch(await cluster.cli("n1", false, "GET", "a"), /closed the connection|reset/);

      // Files over HTTPS, and between the nodes.
      using client = Deno.createHttpClient({
        caCerts: [Deno.readTextFileSync(`${cluster.dir}/certs/ca.crt`)],
      });
      const url = (name: string) => `https://localhost:${cluster.httpPorts.get(name)}/files/song`;
      const body = new Uint8Array(3_000_000).map((_, at) => at >> 3);
      // A process opens its port for HTTP after the one for clients.
      await until("all serve HTTP", async () => {
        const all = [...IDS, "proxy"].map((name) => fetch(url(name), { client }));
        const answers = await Promise.allSettled(all);
        for (const answer of answers) {
          if (answer.status === "fulfilled") await answer.value.body?.cancel();
        }
        return answers.every(({ status }) => status === "fulfilled");
      });
      await until("a file is stored", async () => {
        const response = await fetch(url("proxy"), { method: "PUT", body, client });
        await response.body?.cancel();
        return response.status === 201;
      });
      for (const name of [...IDS, "proxy"]) {
        const response = await fetch(url(name), { client });
        assertEquals(new Uint8Array(await response.arrayBuffer()), body, name);
      }

      // The command line.
      const regent = (...args: string[]) =>
        runRegent(args, { REGENT_TLS_CA: `${cluster.dir}/certs/ca.crt` });
      const nodes = IDS.map((id) => `${HOST}:${cluster.port(id)}`).join(",");
      const status = await regent("status", "--nodes", nodes);
      assertEquals([status.code, status.stdout.match(/ yes\b/g)?.length], [0, 3], status.stdout);
      const port = String(cluster.port("proxy"));
      assertEquals((await regent("cli", "-p", port, "GET", "a")).stdout, "1\n");
      const http = `${HOST}:${cluster.httpPorts.get("n2")}`;
      const copy = `${cluster.dir}/copy`;
      assertEquals((await regent("get", "--from", http, "song", "-o", copy)).code, 0);
      assertEquals(Deno.readFileSync(copy), body);
      const { stderr } = await runRegent(["cli", "-p", port, "GET", "a"]);
      assertMatch(stderr, /closed/);
      const strange = await regent("cli", "-h", "localhost", "-p", port, "GET", "a");
      assertEquals(strange.stdout, "1\n");

      // New files without a restart.
      const certs = ["certs", "--dir", `${cluster.dir}/certs`, "--renew"];
      assertEquals((await runRegent(certs)).code, 0);
      for (const name of [...IDS, "proxy"]) cluster.process(name)?.hangUp();
      await until(
        "all use the new files",
        () =>
          [...IDS, "proxy"].every((name) =>
            cluster.process(name)?.said.includes("new connections use the new certificate files")
          ),
      );
      assertEquals(await cluster.cli("proxy", true, "SET", "a", "2"), "OK");
    });
  },
});

Deno.test({
  name: "a node with another node's certificate does not start, and no client becomes a node",
  ignore: !HAS_TLS || !HAS_OPENSSL,
  async fn() {
    await withCluster(async (cluster) => {
      const wrong = cluster.start("n1", "only", "n2");
      assertEquals((await wrong.ended()).code, 1);
      assertMatch(wrong.said, /Cannot use \S+n2\.crt: it is that of node n2/);
      for (const id of IDS) cluster.start(id, "only");
      await until(
        "a write is answered",
        async () => (await cluster.cli("n1", true, "-c", "SET", "a", "1")).endsWith("OK"),
      );
      const certs = `${cluster.dir}/certs`;
      const raft = `${HOST}:${cluster.raftPorts.get("n1")}`;
      const shown = [
        "-cert",
        `${certs}/app.crt`,
        "-key",
        `${certs}/app.key`,
        "-CAfile",
        `${certs}/ca.crt`,
      ];
      await runTool("openssl", ["s_client", "-connect", raft, "-quiet", ...shown], {
        stdin: "hello\n",
      });
      await until("it is refused", () => {
        const said = cluster.process("n1")?.said ?? "";
        return /on the Raft port: its certificate \(client app\) is not a node's/.test(said);
      });
    });
  },
});

Deno.test({
  name: "a running cluster moves from plain to TLS while clients write",
  ignore: !HAS_TLS,
  async fn() {
    await withCluster(async (cluster) => {
      for (const name of [...IDS, "proxy"]) cluster.start(name, "plain");
      await until(
        "a write is answered",
        async () => await cluster.cli("proxy", false, "SET", "count", "0") === "OK",
      );
      let wanted = 0;
      const write = async (isSecure: boolean) => {
        wanted++;
        assertEquals(await cluster.cli("proxy", isSecure, "INCR", "count"), String(wanted));
      };
      for (const mode of ["both", "only"]) {
        for (const id of IDS) {
          const restarting = cluster.restart(id, mode);
          await write(false);
          await restarting;
          await until(
            `${id} has caught up`,
            async () => (await cluster.cli(id, mode === "only", "GET", "count")) === String(wanted),
          );
          await write(false);
        }
        if (mode === "both") await cluster.restart("proxy", "both");
        await until(
          "the proxy serves both",
          async () => await cluster.cli("proxy", true, "PING") === "PONG",
        );
        await write(true);
      }
      await cluster.restart("proxy", "only");
      await until(
        "the proxy serves",
        async () => await cluster.cli("proxy", true, "PING") === "PONG",
      );
      await write(true);
      assert(/closed the connection|reset/.test(await cluster.cli("proxy", false, "PING")));
    });
  },
});
