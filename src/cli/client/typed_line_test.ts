import { assertEquals } from "@std/assert";
import { isSecretLine, textOfBytes, typedArguments } from "./typed_lines.ts";

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
});

Deno.test("lines that may hold a password are known", () => {
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
