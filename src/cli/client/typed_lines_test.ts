import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { latin1Bytes } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";
import {
  CommandHistory,
  inputLines,
  isSecretLine,
  textOfBytes,
  typedArguments,
} from "./typed_lines.ts";

async function* input(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield latin1Bytes(chunk);
}

Deno.test("lines are the same wherever the bytes are cut", async () => {
  const text = "a\n\nbc\xff\r\n\x00d";
  const wanted = ["a", "", "bc\xff\r", "\x00d"];
  for (let cut = 0; cut <= text.length; cut++) {
    const lines = inputLines(input(text.slice(0, cut), text.slice(cut)));
    assertEquals(await Array.fromAsync(lines), wanted);
  }
  assertEquals(await Array.fromAsync(inputLines(input(...text))), wanted);
  assertEquals(await Array.fromAsync(inputLines(input("a\n"))), ["a"]);
});

Deno.test("a line without an end is not buffered for ever", async () => {
  const endless = inputLines(input("abc", "def", "ghi"), 8);
  await assertRejects(() => Array.fromAsync(endless), UserError, "more than 8 bytes");
});

Deno.test("a typed line is split as redis-cli splits it, in bytes", () => {
  const cases: [string, string[] | null][] = [
    ["", []],
    ["  set  a\tb ", ["set", "a", "b"]],
    ['set k "a \\n\\x00\\"b"', ["set", "k", 'a \n\x00"b']],
    ["set k 'a \\n \\' \"'", ["set", "k", "a \\n ' \""]],
    ['set k ""', ["set", "k", ""]],
    ["set k é", ["set", "k", "\xc3\xa9"]],
    ['set k "abc', null],
    ['set k "a"b', null],
    ["set k 'abc", null],
  ];
  for (const [line, args] of cases) assertEquals(typedArguments(line), args, line);
  assertEquals(textOfBytes(typedArguments("é€😀")?.[0] ?? ""), "é€😀");
  assertEquals(textOfBytes("\xef\xbb\xbfa"), "\ufeffa", "a byte order mark stays");
});

Deno.test("lines that may contain a password are recognised", () => {
  const secret = [
    "auth hunter2",
    "  AUTH user hunter2",
    '"auth" hunter2',
    'auth "hunter2',
    "hello 3 auth default hunter2",
    "HELLO 3 SETNAME a AUTH default hunter2",
    "acl setuser bob on >hunter2",
    "config set requirepass hunter2",
    "CONFIG SET maxmemory 0 MasterAuth hunter2",
    "migrate host 1 key 0 1 AUTH hunter2",
  ];
  const open = ["get auth", "set auth 1", "hello 3", "acl list", "config get requirepass", "", "a"];
  for (const line of secret) assertEquals(isSecretLine(line), true, line);
  for (const line of open) assertEquals(isSecretLine(line), false, line);
});

const PERMISSIONS: Deno.PermissionOptions = { read: true, write: true };

Deno.test("lines are kept for the next session, newest first, readable only by their owner", {
  permissions: PERMISSIONS,
}, async () => {
  await withTemporaryDirectory((home) => {
    const history = new CommandHistory(home);
    for (const line of ["get a", "get a", " ", "auth hunter2", "set b 1"]) history.add(line);
    assertEquals(history.lines, ["set b 1", "get a"]);
    const file = `${home}/.regentcli_history`;
    assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
    assertEquals(Deno.readTextFileSync(file), "get a\nset b 1\n");
    Deno.chmodSync(file, 0o644);
    assertEquals(new CommandHistory(home).lines, ["set b 1", "get a"]);
    assertEquals((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
    return Promise.resolve();
  });
});

Deno.test("the file stays small", { permissions: PERMISSIONS }, async () => {
  await withTemporaryDirectory((home) => {
    const file = `${home}/.regentcli_history`;
    Deno.writeTextFileSync(file, Array.from({ length: 2_500 }, (_, i) => `get ${i}\n`).join(""));
    const { lines } = new CommandHistory(home);
    assertEquals([lines.length, lines[0], lines.at(-1)], [1_000, "get 2499", "get 1500"]);
    assertEquals(Deno.readTextFileSync(file).split("\n").length, 1_001);
    return Promise.resolve();
  });
});

Deno.test("without a home directory nothing is kept, and a failure is reported", {
  permissions: PERMISSIONS,
}, async () => {
  const nowhere = new CommandHistory(undefined);
  nowhere.add("get a");
  assertEquals([nowhere.lines, nowhere.failure], [["get a"], null]);
  await withTemporaryDirectory((home) => {
    Deno.mkdirSync(`${home}/.regentcli_history`);
    const broken = new CommandHistory(home);
    broken.add("get a");
    assertEquals(broken.lines, ["get a"]);
    assertStringIncludes(broken.failure ?? "", "Cannot keep the history in");
    return Promise.resolve();
  });
});
