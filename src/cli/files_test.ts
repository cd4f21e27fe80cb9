import { assertEquals, assertMatch } from "@std/assert";
import { captured } from "../../tests/support/captured.ts";
import { FakeFilesServer } from "../../tests/support/fake_files_server.ts";

const REAL = { permissions: { net: true, env: true } } as const;

async function withFiles(
  test: (
    server: FakeFilesServer,
    files: (...args: string[]) => ReturnType<typeof captured>,
  ) => Promise<void>,
): Promise<void> {
  await using server = new FakeFilesServer();
  server.set("b/1", "12345");
  server.set("a", "1");
  server.set("b/\u0085\u202e2", "123");
  server.set("rm", "");
  await test(server, (...args) => captured(["files", ...args], { REGENT_HTTP: server.address }));
}

Deno.test("files are listed by name, size or date, page by page", REAL, async () => {
  await withFiles(async (server, files) => {
    assertEquals((await files()).stdout, "a\nb/1\nb/\\u0085\\u202e2\nrm\n");
    assertEquals(server.seen.length, 2);
    assertEquals((await files("b/")).stdout, "b/1\nb/\\u0085\\u202e2\n");
    assertEquals((await files("--sort", "size", "--reverse")).stdout.split("\n")[0], "b/1");
    assertEquals((await files("--sort", "date", "list", "rm")).stdout, "rm\n");
    assertEquals((await files("--sort", "date")).stdout.split("\n")[0], "b/1");
    assertEquals(await files("none"), { code: 0, stdout: "", stderr: "" });
  });
});

Deno.test("files are shown as a table or as JSON", REAL, async () => {
  await withFiles(async (server, files) => {
    server.set("b/1", "x".repeat(1_234));
    assertEquals(
      (await files("b/", "--long")).stdout,
      "size  modified              copies  version  name\n" +
        "1234  1970-01-01 00:00:05Z  3       5        b/1\n" +
        "3     1970-01-01 00:00:03Z  3       3        b/\\u0085\\u202e2\n",
    );
    const lines = (await files("--json")).stdout.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ name }) => name), ["a", "b/1", "b/\u0085\u202e2", "rm"]);
    assertEquals(Object.keys(lines[0]).sort(), [
      ...["copies", "modifiedMs", "name", "sha256", "size", "type", "version"],
    ]);
  });
});

Deno.test("files are deleted, also when one of them does not exist", REAL, async () => {
  await withFiles(async (server, files) => {
    const { code, stdout, stderr } = await files("rm", "a", "none", "rm");
    assertEquals([code, stdout], [1, "a is deleted\nrm is deleted\n"]);
    assertEquals(stderr, "regent: Cannot delete none: there is no such file\n");
    assertEquals(server.files.size, 2);
  });
});

Deno.test("the nodes of a file are shown", REAL, async () => {
  await withFiles(async (_server, files) => {
    const { code, stdout } = await files("where", "b/1", "a");
    assertEquals(code, 0);
    const row = (name: string) =>
      `0123456789abc  n1           n1,n2   n2       degraded  ${name}\n`;
    const heading = "id             responsible  wanted  holders  health    name\n";
    assertEquals(stdout, heading + row("b/1") + row("a"));
    const json = await files("where", "--json", "a");
    assertEquals(JSON.parse(json.stdout).holders, ["n2"]);
    assertEquals((await files("where", "none")).code, 1);
  });
});

Deno.test("files says in one sentence what it cannot do", REAL, async () => {
  await withFiles(async (server, files) => {
    server.faults.push({ kind: "status", method: "GET", status: 503 });
    assertEquals(await files(), {
      code: 1,
      stdout: "",
      stderr: "regent: Cannot list the files: the cluster is busy\n",
    });
    for (
      const [args, message] of [
        [["rm"], /Cannot start: expected the NAME after rm\./],
        [["where"], /Cannot start: expected the NAME after where\./],
        [["a", "b"], /Unexpected argument: b\./],
        [["--long", "--json"], /Cannot use --long with --json\./],
        [["--sort", "age"], /expected name or size or date/],
        [["rm", "--long", "a"], /Cannot use rm with flags of lists\./],
      ] as [string[], RegExp][]
    ) {
      const { code, stderr } = await files(...args);
      assertEquals(code, 2);
      assertMatch(stderr, message);
    }
    assertEquals(server.files.size, 4);
  });
});
