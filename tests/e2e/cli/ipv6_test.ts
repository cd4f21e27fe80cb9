import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../support/free_ports.ts";
import { hasTool, runTool } from "../../support/redis_tools.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

/** What is missing here, or `null`. */
function missing(): string | null {
  if (!hasTool("redis-cli")) return "redis-cli is not installed";
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return null;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `there is no ::1: ${error.message}`;
  }
}

const reason = missing();

Deno.test({
  name: "a cluster on ::1, by every command that takes or shows an address" +
    (reason === null ? "" : ` (${reason})`),
  ignore: reason !== null,
  fn: byEveryCommand,
});

async function byEveryCommand(t: Deno.TestContext): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const ports = freePorts(9);
    const [c1 = 0, c2 = 0, c3 = 0, c4 = 0, r1 = 0, r2 = 0, r3 = 0, r4 = 0, proxyPort = 0] = ports;
    const at = (port: number) => `[::1]:${port}`;
    const processes: RegentProcess[] = [];
    const start = (...args: string[]) => {
      const process = new RegentProcess(args);
      processes.push(process);
      return process;
    };
    const node = (id: string, port: number, raftPort: number, ...flags: string[]) =>
      start(
        ...["node", "--id", id, "--port", String(port), "--raft-port", String(raftPort)],
        ...["--host", "::1", "--dir", `${directory}/${id}`, "--allow-faults", ...flags],
      );
    const redisCli = async (port: number, ...args: string[]) =>
      (await runTool("redis-cli", ["-h", "::1", "-p", String(port), ...args])).stdout;
    const said = () => processes.map((process) => process.said).join("---\n");
    const works = async (args: readonly string[]) => {
      const { code, stdout, stderr } = await runRegent(args);
      assertEquals([code, stderr], [0, ""], `${args.join(" ")}\n${said()}`);
      return stdout;
    };
    const status = async (port: number) =>
      (await runRegent(["status", "--nodes", at(port)])).stdout;
    const untilStatus = (port: number, pattern: RegExp) =>
      until(`a status like ${pattern}`, async () => pattern.test(await status(port)), {
        describe: said,
      });
    try {
      await t.step("one node alone", async () => {
        node("n1", c1, r1, "--role", "leader");
        await untilStatus(c1, new RegExp(`^n1 +leader +1 +\\[::1\\]:${c1} .* yes`, "m"));
      });
      await t.step("others join, by the form of Redis's replies too", async () => {
        node("n2", c2, r2, "--join", at(c1));
        await untilStatus(c1, /^n2 +follower .* yes /m);
        node("n3", c3, r3, "--join", `::1:${c2}`);
        await untilStatus(c1, /^n3 +follower .* yes /m);
      });
      await t.step("a proxy, and brackets around the host it listens on", async () => {
        start("proxy", "--port", String(proxyPort), "--host", "[::1]", "--nodes", at(c3));
        await untilStatus(proxyPort, /^n1 +leader .*\nn2 +follower .*\nn3 +follower .* yes /m);
      });
      await t.step("cli", async () => {
        const set = ["SET", "greeting", "hello"];
        const cli = (host: string, port: number) => ["cli", "-h", host, "-p", String(port)];
        assertEquals(await works([...cli("::1", proxyPort), ...set]), "OK\n");
        assertEquals(await works([...cli("[::1]", c2), "GET", "greeting"]), "hello\n");
      });
      await t.step("replies in Redis's own form, which its clients can read", async () => {
        const nodes = await works(["cli", "-h", "::1", "-p", String(c1), "CLUSTER", "NODES"]);
        assertStringIncludes(nodes, ` ::1:${c2}@${r2} `);
        const { stderr } = await runRegent(["cli", "-h", "::1", "-p", String(c2), "SET", "a", "b"]);
        assertMatch(stderr, new RegExp(`^MOVED [0-9]+ ::1:${c1}\n$`));
        assertEquals(await redisCli(c2, "-c", "SET", "a", "b"), "OK\n");
        assertEquals(await redisCli(proxyPort, "-c", "GET", "a"), "b\n");
        assertMatch(await redisCli(c2, "CLIENT", "LIST"), / addr=\[::1\]:\d+ laddr=\[::1\]/);
      });
      await t.step("fault", async () => {
        const fault = ["fault", "--host", "::1", "--port", String(c3)];
        assertEquals(await works([...fault, "delay", "1"]), `${at(c3)}: delay 1 ms\n`);
        assertEquals(await works([...fault, "heal"]), `${at(c3)}: no faults\n`);
      });
      await t.step("backup, by a node and by a proxy", async () => {
        for (const port of [c2, proxyPort]) {
          const file = `${directory}/${port}.backup`;
          assertMatch(
            await works(["backup", "--from", at(port), file]),
            / from \[::1\]:[0-9]+ in /,
          );
        }
      });
      await t.step("transfer and remove", async () => {
        await works(["transfer", "n2", "--from", at(c3)]);
        await untilStatus(c1, /^n2 +leader /m);
        await works(["remove", "n1", "--from", at(proxyPort)]);
        await untilStatus(proxyPort, /^n2 +leader .*\nn3 +follower .* yes /m);
        assertEquals((await processes[0]?.ended())?.code, 0);
      });
      await t.step("restore for members on ::1, and the log as text", async () => {
        const dir = `${directory}/restored`;
        const peers = ["--peers", `n4=${at(r4)}`];
        const file = `${directory}/${proxyPort}.backup`;
        await works(["restore", file, "--dir", dir, "--id", "n4", ...peers]);
        start(
          ...["node", "--id", "n4", "--port", String(c4), "--raft-port", String(r4)],
          ...["--host", "::1", "--dir", dir],
        );
        await untilStatus(c4, /^n4 +leader .* yes /m);
        assertEquals(await works(["cli", "-h", "::1", "-p", String(c4), "GET", "a"]), "b\n");
        const log = await works(["log", "--dir", `${directory}/n2`]);
        assertStringIncludes(log, `n2=${at(r2)}, n3=${at(r3)}`);
      });
      await t.step("where nobody listens", async () => {
        await processes.at(-1)?.signal("SIGKILL");
        const { stderr } = await runRegent(["status", "--nodes", at(c4)]);
        assertStringIncludes(stderr, `Cannot reach the cluster: ${at(c4)}: `);
      });
    } finally {
      await Promise.all(processes.map(async (process) => {
        await process.signal("SIGKILL");
        await process.ended();
      }));
    }
  });
}
