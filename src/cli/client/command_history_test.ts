import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { CommandHistory } from "./typed_lines.ts";

const PERMISSIONS: Deno.PermissionOptions = { read: true, write: true };

Deno.test("lines are kept for the next session, newest first, by their owner alone", {
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

Deno.test("without a home nothing is kept, and a failure is told", {
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
