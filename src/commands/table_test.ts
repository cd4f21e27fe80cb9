import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { replyOf } from "../../tests/support/reply_of.ts";
import { ErrorReply } from "../resp/reply.ts";
import { unknownSubcommand } from "./command_error.ts";
import {
  checkRequest,
  COMMANDS,
  hasRightArity,
  keysOf,
  lookup,
  lookupFullName,
  rowOf,
} from "./table.ts";

function errorOf(...args: string[]): string {
  const reply = replyOf(() => checkRequest(args));
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

function keys(...args: string[]): string[] {
  const command = lookup(args[0] ?? "");
  assert(command !== undefined);
  return keysOf(command, args);
}

Deno.test("commands are found in any case, and nothing else is", () => {
  for (const name of ["get", "GET", "gEt"]) assertEquals(lookup(name)?.name, "get");
  for (const name of ["", "gett", "__proto__", "constructor", "get\0", "x".repeat(1e6)]) {
    assertEquals(lookup(name), undefined);
  }
});

Deno.test("every row is complete: lower-case and unique names, handlers where they belong", () => {
  const names = COMMANDS.map(({ name }) => name);
  assertEquals(names, [...new Set(names)].sort());
  for (const command of COMMANDS) {
    const { name, kind, run, serve, arity, keys, access, accessOf, summary } = command;
    assertEquals(name, name.toLowerCase());
    assertEquals(run === undefined, kind === "local", name);
    // A container is served where it may stand alone, as COMMAND may.
    const isServed = kind === "local" &&
      (command.subcommands === undefined || hasRightArity(command, 1));
    assertEquals(serve !== undefined, isServed, name);
    assert(arity !== 0 && !summary.endsWith("."), name);
    assert(keys === null || keys.first < Math.abs(arity), name);
    assertEquals(access === undefined, keys === null, name);
    assertEquals(String(access).endsWith(" variable_flags"), accessOf !== undefined, name);
  }
});

Deno.test("every subcommand's row is complete: a summary, a handler where one belongs", () => {
  for (const { name: container, subcommands, kind } of COMMANDS) {
    if (subcommands === undefined) continue;
    assertEquals(kind, "local", "a container answers for itself only where it has no second word");
    for (const row of subcommands) {
      const { name, kind, run, serve, arity, help = [], summary, subcommands: nested } = row;
      assert(name.startsWith(`${container}|`) && name === name.toLowerCase(), name);
      assertEquals(run === undefined, kind === "local", name);
      assertEquals(serve === undefined, kind !== "local", name);
      assert(Math.abs(arity) >= 2 && !summary.endsWith("."), name);
      assert(help[0]?.toLowerCase().startsWith(name.slice(container.length + 1)), name);
      assert(help.length > 1 && nested === undefined, name);
    }
    assert(subcommands.some(({ name }) => name === `${container}|help`), container);
  }
});

Deno.test("a container's request is checked by its second word, in any case", () => {
  assertEquals(checkRequest(["cluster", "Nodes"]), lookupFullName("CLUSTER|nodes"));
  assertEquals(checkRequest(["SESSION", "OPEN"]), rowOf(["session", "open"]));
  assertEquals(checkRequest(["SESSION", "HELP"]), lookupFullName("session|help"));
  assertEquals(checkRequest(["COMMAND"]), lookup("command"));
  assertEquals(
    errorOf("client", "kill"),
    "ERR wrong number of arguments for 'client|kill' command",
  );
  for (const word of ["", "nope", "__proto__", "x".repeat(1e6)]) {
    assertEquals(errorOf("CLIENT", word), unknownSubcommand(["CLIENT", word]).reply.text);
  }
});

Deno.test("keys are found by their positions", () => {
  assertEquals(keys("GET", "a"), ["a"]);
  assertEquals(keys("DEL", "a", "b", "a"), ["a", "b", "a"]);
  assertEquals(keys("MSET", "a", "1", "b", "2"), ["a", "b"]);
  assertEquals(keys("COPY", "a", "b", "REPLACE"), ["a", "b"]);
  assertEquals(keys("SET", "a", "1", "EX", "5"), ["a"]);
  assertEquals(keys("PING"), []);
});

Deno.test("the keys of a request that contains another one are those of the inner one", () => {
  assertEquals(keys("ONCE", "s", "1", "mset", "a", "1", "b", "2"), ["a", "b"]);
  assertEquals(keys("ONCE", "s", "1", "FLUSHALL"), []);
  // Whatever comes, also what was not checked.
  for (
    const rest of [[], ["nosuch", "a"], ["INCR"], ["GET", "a"], ["ONCE", "s", "1", "INCR", "a"]]
  ) {
    assertEquals(keys("ONCE", "s", "1", ...rest), []);
  }
  assertEquals(keys("ONCE"), []);
});

Deno.test("the inner request is checked, and must be a write", () => {
  const notTaken = (name: string) =>
    `ERR ONCE takes writes only, and '${name}' is not one it takes`;
  assertEquals(checkRequest(["ONCE", "s", "1", "incr", "n"]), lookup("once"));
  assertEquals(errorOf("ONCE", "s", "1"), "ERR wrong number of arguments for 'once' command");
  assertEquals(
    errorOf("ONCE", "s", "1", "INCR"),
    "ERR wrong number of arguments for 'incr' command",
  );
  assertEquals(errorOf("ONCE", "s", "1", "GET", "a"), notTaken("get"));
  assertEquals(errorOf("ONCE", "s", "1", "SESSION", "OPEN"), notTaken("session|open"));
  const nested = Array.from({ length: 300_000 }, (_, at) => ["ONCE", "s", "1"][at % 3] ?? "");
  assertEquals(replyOf(() => checkRequest(nested)), new ErrorReply(notTaken("once")));
  assert(errorOf("ONCE", "s", "1", "nosuch", "a").startsWith("ERR unknown command 'nosuch'"));
});

Deno.test("a wrong number of arguments is refused in Redis's words", () => {
  assertEquals(errorOf("GET"), "ERR wrong number of arguments for 'get' command");
  assertEquals(errorOf("gEt", "a", "b"), "ERR wrong number of arguments for 'get' command");
  assertEquals(errorOf("SET", "a"), "ERR wrong number of arguments for 'set' command");
  assertEquals(checkRequest(["SET", "a", "1", "NX"]), lookup("set"));
});

Deno.test("an unknown command is refused in Redis's words, truncated and without line breaks", () => {
  const beginning = "with args beginning with: ";
  assertEquals(errorOf("foo"), `ERR unknown command 'foo', ${beginning}`);
  assertEquals(errorOf("foo", "a", "b c"), `ERR unknown command 'foo', ${beginning}'a' 'b c' `);
  assertEquals(errorOf("a\r\nb", "c\n"), `ERR unknown command 'a  b', ${beginning}'c ' `);
  assertEquals(errorOf("a\0b", "c\0d"), `ERR unknown command 'a', ${beginning}'c' `);
  assertEquals(
    errorOf("x".repeat(200), "y".repeat(100), "z".repeat(100), "never"),
    `ERR unknown command '${"x".repeat(128)}', ${beginning}'${"y".repeat(100)}' '${
      "z".repeat(25)
    }' `,
  );
});

Deno.test("an unknown subcommand is refused in Redis's words", () => {
  assertEquals(
    unknownSubcommand(["cluster", "nope"]).reply.text,
    "ERR unknown subcommand 'nope'. Try CLUSTER HELP.",
  );
});
