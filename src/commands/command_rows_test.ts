import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { serve } from "../../tests/support/serve.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply, MapReply, type Reply, type SimpleString } from "../resp/reply.ts";
import type { NodeServer } from "./local.ts";
import { COMMANDS } from "./table.ts";

function command(...args: string[]): Reply {
  return serve(["COMMAND", ...args]);
}

function errorOf(...args: string[]): string {
  const reply = command(...args);
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

Deno.test("COMMAND INFO shows the table's rows in Redis's format", () => {
  assertEquals(
    encodeReply(command("INFO", "GET", "nosuch"), 2),
    "*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n" +
      "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n" +
      "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n" +
      "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n" +
      "$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n" +
      "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n" +
      "$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n" +
      "$5\r\nlimit\r\n:0\r\n*0\r\n" + "$-1\r\n",
  );
});

Deno.test("COMMAND, COMMAND INFO, COUNT and LIST cover all commands", () => {
  for (const reply of [command(), command("info")]) {
    assert(Array.isArray(reply));
    assertEquals(reply.length, COMMANDS.length);
  }
  const names = COMMANDS.flatMap((
    { name, subcommands = [] },
  ) => [name, ...subcommands.map((one) => one.name)]);
  assertEquals(command("LIST"), names);
  assertEquals(command("count"), COMMANDS.length);
});

Deno.test("COMMAND LIST filters", () => {
  assertEquals(command("LIST", "FILTERBY", "PATTERN", "S*nX"), ["setnx"]);
  assertEquals(command("list", "filterby", "aclcat", "Dangerous"), [
    ...["deluser", "dryrun", "getuser", "list", "load", "log", "save", "setuser", "users"]
      .map((name) => `acl|${name}`),
    "bgsave",
    ...["kill", "list", "no-evict", "pause", "unpause"].map((name) => `client|${name}`),
    ...["forget", "join", "transfer", "users"].map((name) => `cluster|${name}`),
    ...["get", "resetstat", "rewrite", "set"].map((name) => `config|${name}`),
    "fault",
    ...["crash", "delay", "drop", "heal", "isolate", "list", "pause", "slow-disk"].map((name) => (
      `fault|${name}`
    )),
    ...["blobs", "commit", "drain", "forget", "held"].map((name) => `file|${name}`),
    ...["lost", "node", "out", "release", "work"].map((name) => `file|${name}`),
    "flushall",
    "flushdb",
    "info",
    "keys",
    "lastsave",
    "role",
    "snapshot",
    ...["begin", "end", "read"].map((name) => `snapshot|${name}`),
  ]);
  assertEquals(command("LIST", "FILTERBY", "MODULE", "x"), []);
  assertEquals(errorOf("LIST", "FILTERBY", "NOPE", "x"), "ERR syntax error");
  assertEquals(errorOf("LIST", "x"), "ERR syntax error");
});

Deno.test("COMMAND DOCS documents the commands that it knows", () => {
  const reply = command("DOCS", "nosuch", "set");
  assertInstanceOf(reply, MapReply);
  assertEquals(reply.pairs.map(([name]) => name), ["set"]);
});

Deno.test("COMMAND DOCS without names documents all commands, with their subcommands", () => {
  const reply = command("DOCS");
  assertInstanceOf(reply, MapReply);
  assertEquals(reply.pairs.map(([name]) => name), COMMANDS.map(({ name }) => name));
  const [, client] = reply.pairs.find(([name]) => name === "client") ?? [];
  assertInstanceOf(client, MapReply);
  const [, subcommands] = client.pairs.find(([name]) => name === "subcommands") ?? [];
  assertInstanceOf(subcommands, MapReply);
  assert(subcommands.pairs.some(([name]) => name === "client|kill"));
});

Deno.test("COMMAND INFO does not know a name that is longer than any", () => {
  assertEquals(command("INFO", "x".repeat(10_000)), [null]);
});

Deno.test("COMMAND GETKEYSANDFLAGS looks into a request that brings another", () => {
  const brought = ["ONCE", "7", "1/0", "SET", "k", "v"];
  assertEquals(
    encodeReply(command("GETKEYSANDFLAGS", ...brought), 2),
    encodeReply(command("GETKEYSANDFLAGS", ...brought.slice(3)), 2),
  );
  assertEquals(
    encodeReply(command("GETKEYSANDFLAGS", "SET", "k", "v"), 2),
    "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n",
  );
  assertEquals(command("GETKEYSANDFLAGS", ...brought.with(3, "NOSUCH")), []);
});

Deno.test("COMMAND GETKEYS finds the keys of a request", () => {
  assertEquals(command("GETKEYS", "MSET", "a", "1", "b", "2"), ["a", "b"]);
  assertEquals(errorOf("GETKEYS", "nosuch", "a"), "ERR Invalid command specified");
  assertEquals(errorOf("GETKEYS", "ping", "a"), "ERR The command has no key arguments");
  assertEquals(
    errorOf("GETKEYS", "get", "a", "b"),
    "ERR Invalid number of arguments specified for command",
  );
  assertEquals(errorOf("GETKEYS"), "ERR wrong number of arguments for 'command|getkeys' command");
});

Deno.test("HELP lists the subcommands, those of nodes only at nodes", () => {
  const lines = (isNode: boolean) =>
    (serve(["CLUSTER", "HELP"], { ofNode: isNode ? {} as NodeServer : null }) as SimpleString[])
      .map(({ text }) => text);
  assert(lines(true).includes("FENCE <term>") && lines(true).includes("    Prints this help."));
  assert(!lines(false).includes("FENCE <term>") && lines(false).includes("NODES"));
  const help = command("HELP") as SimpleString[];
  assertEquals(help.slice(1, 3).map(({ text }) => text), [
    "(no subcommand)",
    "    Return details about all commands.",
  ]);
});

Deno.test("COMMAND rejects unknown names and subcommands", () => {
  assertEquals(errorOf("nope"), "ERR unknown subcommand 'nope'. Try COMMAND HELP.");
  assertEquals(errorOf("COUNT", "x"), "ERR wrong number of arguments for 'command|count' command");
});

Deno.test("COMMAND takes bounded time: a pattern and the number of names are bounded", () => {
  assertEquals(
    errorOf("LIST", "FILTERBY", "PATTERN", "*a".repeat(8_193)),
    "ERR the pattern is too long, more than 16384 bytes",
  );
  for (const subcommand of ["INFO", "DOCS"]) {
    assertEquals(
      errorOf(subcommand, ...new Array(257).fill("get")),
      "ERR too many commands, more than 256",
    );
    assert(!(command(subcommand, ...new Array(256).fill("get")) instanceof ErrorReply));
  }
  for (const subcommand of ["GETKEYS", "GETKEYSANDFLAGS"]) {
    const keys = new Array(4_096).fill("k");
    assertEquals(errorOf(subcommand, "MGET", ...keys), "ERR too many arguments, more than 4096");
    assertEquals((command(subcommand, "MGET", ...keys.slice(1)) as Reply[]).length, 4_095);
  }
});
