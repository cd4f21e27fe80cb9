import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { subcommandNames } from "../../../src/cli/client/completion.ts";
import { splitInline } from "../../../src/resp/inline.ts";
import { SimpleString } from "../../../src/resp/reply.ts";
import { CALM } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { hasTool } from "../../support/redis_tools.ts";
import { regentCommand, runRegent } from "../../support/regent_process.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { TerminalProcess } from "../../support/terminal_process.ts";
import { withCluster } from "../../support/with_cluster.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

Deno.test("regent cli", async (t) => {
  await withCluster(CALM, async (cluster) => {
    await t.step("one command: its reply, and an exit code", () => oneCommand(cluster.proxy));
    await t.step("commands line by line from standard input", () => script(cluster.proxy));
    await t.step("--pipe sends 20,000 commands", () => pipe(cluster));
    await t.step("--pipe counts errors", () => pipeErrors(cluster.proxy));
    await t.step("a reader that leaves is no crash", () => closedOutput(cluster.proxy));
    await t.step("subcommands that are completed are those that exist", () => names(cluster));
    await t.step("an interactive session at a terminal", () => interactive(cluster));
  });
});

Deno.test("regent cli reports that nobody listens", async () => {
  const [port] = freePorts(1);
  for (const args of [["ping"], ["--pipe"]]) {
    const { code, stderr } = await runRegent(["cli", "-p", String(port), ...args]);
    assertEquals(code, 1);
    assertMatch(stderr, /^regent: Cannot [^\n]+: connection refused\n$/);
  }
});

async function cli({ port }: Member, args: readonly string[], stdin = ""): Promise<Result> {
  const options = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = regentCommand(["cli", "-p", String(port), ...args], options).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(stdin)).then(() => writer.close());
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), written.catch(() => {})]);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function oneCommand(proxy: Member): Promise<void> {
  const done = (stdout: string): Result => ({ code: 0, stdout, stderr: "" });
  assertEquals(await cli(proxy, ["SET", "k", 'é "\n']), done("OK\n"));
  assertEquals(await cli(proxy, ["GET", "k"]), done('é "\n\n'));
  assertEquals(await cli(proxy, ["--no-raw", "GET", "k"]), done('"\\xc3\\xa9 \\"\\n"\n'));
  assertEquals(await cli(proxy, ["INCRBY", "n", "-3"]), done("-3\n"));
  assertEquals(await cli(proxy, ["--no-raw", "MGET", "n", "no"]), done('1) "-3"\n2) (nil)\n'));
  const map = await cli(proxy, ["-3", "--no-raw", "CLUSTER", "ROLE"]);
  assertStringIncludes(map.stdout, '1# "role" => "proxy"\n');
  const wrong = await cli(proxy, ["GET", "--help", "-h"]);
  assertEquals([wrong.code, wrong.stdout], [1, ""]);
  assertStringIncludes(wrong.stderr, "wrong number of arguments for 'get' command");
}

async function script(proxy: Member): Promise<void> {
  const lines = ['set s "a\\x00b"', "", "strlen s", "bogus", 'get "s', "get s", "quit", "del s"];
  const { code, stdout, stderr } = await cli(proxy, ["--no-raw"], lines.join("\n"));
  assertEquals([code, stderr], [1, ""]);
  assertEquals(stdout.split("\n"), [
    "OK",
    "(integer) 3",
    "(error) ERR unknown command 'bogus', with args beginning with: ",
    "Invalid argument(s): quotes do not balance",
    '"a\\x00b"',
    "",
  ]);
  assertEquals(await cli(proxy, [], "strlen s"), { code: 0, stdout: "3\n", stderr: "" });
}

async function pipe({ proxy }: LocalCluster): Promise<void> {
  const commands = Array.from({ length: 20_000 }, (_, at) => {
    return at % 2 === 0
      ? `INCR piped\n`
      : `*3\r\n$3\r\nSET\r\n$7\r\npipe:${at % 90 + 10}\r\n$1\r\nx\r\n`;
  });
  const result = await cli(proxy, ["--pipe"], commands.join(""));
  assertEquals(result, { code: 0, stdout: "errors: 0, replies: 20000\n", stderr: "" });
  assertEquals(await ask(proxy, ["GET", "piped"]), "10000");
}

async function pipeErrors(proxy: Member): Promise<void> {
  const commands = ["set word a", ...Array(12).fill("incr word"), "get word"];
  const { code, stdout, stderr } = await cli(proxy, ["--pipe"], commands.join("\n"));
  assertEquals([code, stdout], [1, "errors: 12, replies: 14\n"]);
  assertEquals(stderr.match(/not an integer/g)?.length, 10);
  assertStringIncludes(stderr, "and 2 more errors");
}

async function closedOutput({ port }: Member): Promise<void> {
  const child = regentCommand(["cli", "-p", String(port)], {
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("ping\n".repeat(10))).catch(() => {});
  await writer.close().catch(() => {});
  const [said, { code }] = await Promise.all([new Response(child.stderr).text(), child.status]);
  assertEquals([code, said], [1, "regent: Cannot write to standard output: it was closed\n"]);
}

/** Everything that servers list in `HELP` is completed, and nothing that no server has. */
async function names({ proxy, nodes: [node] }: LocalCluster): Promise<void> {
  assert(node !== undefined);
  for (const command of ["cluster", "command"]) {
    const help = await ask(node, [command, "HELP"]);
    assert(Array.isArray(help));
    const told = help.slice(1)
      .map((line) => line instanceof SimpleString ? line.text : String(line))
      .flatMap((line) => line.match(/^[A-Z][A-Z-]*( \| [A-Z]+)*/)?.[0].split(" | ") ?? [])
      .map((name) => name.toLowerCase());
    assertEquals(told.toSorted(), [...subcommandNames(command)]);
  }
  for (const command of ["client", "config"]) {
    for (const name of subcommandNames(command)) {
      const { stdout, stderr } = await cli(proxy, [command, name, "a", "b", "c"]);
      assert(!/unknown subcommand/i.test(stdout + stderr), stderr);
    }
  }
}

async function interactive({ proxy }: LocalCluster): Promise<void> {
  if (!hasTool("script")) {
    console.log(
      "script is not installed: src/cli/client/interactive_session_test.ts alone tries it",
    );
    return;
  }
  await withTemporaryDirectory(async (home) => {
    const terminal = new TerminalProcess(["cli", "-p", String(proxy.port)], { HOME: home });
    const prompt = `127.0.0.1:${proxy.port}> `;
    await terminal.sees(prompt);
    await terminal.types("set shown 1\r");
    await terminal.sees("OK");
    await terminal.sees(prompt);
    for (let times = 0; times < 10; times++) { // a completion pauses the input
      await terminal.types("strl");
      await terminal.sees("strl");
      await terminal.types("\t");
      await terminal.sees("en ");
      await terminal.types("shown\r");
      await terminal.sees("(integer) 1");
    }
    await terminal.types("auth hunter2\r");
    await terminal.sees("(error)");
    await terminal.types("flushall\x03");
    await terminal.types("get shown\r");
    await terminal.sees('"1"');
    await terminal.types("\x04");
    assertEquals(await terminal.ended(), 0);
    const kept = Deno.readTextFileSync(`${home}/.regentcli_history`);
    assertEquals(kept.split("\n").flatMap((line) => splitInline(line) ?? []), [
      ...["set", "shown", "1", "strlen", "shown", "get", "shown"],
    ]);
  });
}
