import { assertEquals, assertMatch } from "@std/assert";
import { captured } from "../../tests/support/captured.ts";
import { FakeFilesServer } from "../../tests/support/fake_files_server.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";

const REAL = { permissions: { net: true, read: true, write: true, env: true } } as const;

async function withPut(
  test: (
    server: FakeFilesServer,
    dir: string,
    put: (...args: string[]) => ReturnType<typeof captured>,
  ) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    await using server = new FakeFilesServer();
    await test(server, dir, (...args) => captured(["put", "--to", server.address, ...args]));
  });
}

Deno.test("put stores files under their names, which are composed", REAL, async () => {
  await withPut(async (server, dir, put) => {
    const decomposed = "Cafe\u0301 #1?.txt";
    Deno.writeTextFileSync(`${dir}/${decomposed}`, "coffee");
    Deno.writeTextFileSync(`${dir}/empty`, "");
    const { code, stdout, stderr } = await put(`${dir}/${decomposed}`, `${dir}/empty`);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(
      stdout,
      /^Café #1\?\.txt: version 1, 6 bytes in \S+ s\nempty: version 2, 0 bytes in/,
    );
    assertEquals(server.text("Caf\u00e9 #1?.txt"), "coffee");
    assertEquals(server.text("empty"), "");
    await put("--name", "other/name", "--copies", "2", "--type", "audio/flac", `${dir}/empty`);
    assertEquals(
      server.seen.at(-1),
      "PUT /files/other/name, regent-copies: 2, content-type: audio/flac",
    );
  });
});

Deno.test("put stores directories with everything in them", REAL, async () => {
  await withPut(async (server, dir, put) => {
    Deno.mkdirSync(`${dir}/a/b`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/a/2`, "two");
    Deno.writeTextFileSync(`${dir}/a/b/1`, "one");
    Deno.symlinkSync("2", `${dir}/a/link`);
    Deno.symlinkSync("nothing", `${dir}/a/dead`);
    Deno.symlinkSync("..", `${dir}/a/b/circle`);
    const refused = await put(`${dir}/a`);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /Cannot put .*\/a: it is a directory; give --recursive\n$/);
    const { code, stderr } = await put("--recursive", "--prefix", "p/", `${dir}/a/`);
    assertEquals(code, 0);
    assertEquals([...server.files.keys()], ["p/a/2", "p/a/b/1", "p/a/link"]);
    assertMatch(
      stderr,
      /skips .*\/a\/b\/circle: it is no file\n.*skips .*\/a\/dead: it is no file/,
    );
    server.files.clear();
    await put("--recursive", `${dir}/a/.`);
    assertEquals([...server.files.keys()], ["2", "b/1", "link"]);
    const twice = await put(`${dir}/a/2`, `${dir}/a/b/../2`);
    assertMatch(twice.stderr, /it gets the same name as .*: 2\n$/);
  });
});

Deno.test("put keeps its conditions", REAL, async () => {
  await withPut(async (server, dir, put) => {
    const file = `${dir}/f`;
    Deno.writeTextFileSync(file, "new");
    server.set("f", "old");
    const exists = await put("--if-absent", file);
    assertEquals(exists.code, 1);
    assertEquals(
      exists.stderr,
      "regent: Cannot put f: the condition does not hold: it exists\n",
    );
    assertEquals((await put("--if-match", "7", file)).code, 1);
    assertEquals(server.text("f"), "old");
    assertEquals((await put("--if-match", "1", file)).code, 0);
    assertEquals(server.text("f"), "new");
  });
});

Deno.test("put begins again while the cluster cannot take it", REAL, async () => {
  await withPut(async (server, dir, put) => {
    const file = `${dir}/f`;
    const bytes = new Uint8Array(3_000_000).map((_, at) => at >> 8);
    Deno.writeFileSync(file, bytes);
    const busy = { kind: "status", method: "PUT", status: 503 } as const;
    server.faults.push(busy, busy);
    const { code, stderr } = await put(file);
    assertEquals([code, stderr, server.seen.length], [0, "", 3]);
    assertEquals(server.files.get("f")?.bytes, bytes);
    server.faults.push({ ...busy, status: 507 });
    const full = await put(file);
    assertEquals([full.code, full.stderr], [1, "regent: Cannot put f: the cluster is busy\n"]);
    assertEquals(server.seen.length, 4);
  });
});

Deno.test("put tells when something else was stored", REAL, async () => {
  await withPut(async (server, dir, put) => {
    Deno.writeTextFileSync(`${dir}/f`, "content");
    server.faults.push({ kind: "wrong-digest", method: "PUT" });
    const { code, stdout, stderr } = await put(`${dir}/f`);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^regent: Cannot trust f: what the cluster has stored is not what was sent/,
    );
  });
});

Deno.test("put says in one sentence what it cannot do", REAL, async () => {
  await withPut(async (_server, dir, put) => {
    const file = `${dir}/f`;
    Deno.writeTextFileSync(file, "content");
    for (
      const [args, code, message] of [
        [[], 2, /Cannot start: expected the FILE to store\./],
        [["-"], 2, /Cannot store the standard input without --name NAME\./],
        [["--name", "a", file, file], 2, /Cannot use --name with several files: use --prefix\./],
        [["--if-match", "1", "--if-absent", file], 2, /Cannot use --if-match with --if-absent\./],
        [["--copies", "17", file], 2, /--copies: expected a whole number from 1 to 16/],
        [[`${dir}/none`], 1, /Cannot read .*\/none: it does not exist\n$/],
        [
          ["--name", "a\nb", file],
          1,
          /Cannot use a name with control characters or broken Unicode/,
        ],
        [["--name", "a/../b", file], 1, /Cannot use a name with a part \. or \.\. between slashes/],
        [
          ["--name", "x".repeat(1_025), file],
          1,
          /Cannot use a name of 1025 bytes, the limit is 1024/,
        ],
        [["--to", "127.0.0.1:1", file], 1, /Cannot reach the files at 127\.0\.0\.1:1: .*refused/],
      ] as [string[], number, RegExp][]
    ) {
      const answer = await put(...args);
      assertEquals([answer.code, answer.stdout], [code, ""], answer.stderr);
      assertMatch(answer.stderr, /^regent: [^\n]+\n$/);
      assertMatch(answer.stderr, message);
    }
  });
});
