import { assertEquals, assertMatch } from "@std/assert";
import { captured } from "../../tests/support/captured.ts";
import { FakeFilesServer } from "../../tests/support/fake_files_server.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";

const REAL = { permissions: { net: true, read: true, write: true, env: true } } as const;
const BYTES = new Uint8Array(1_000_000).map((_, at) => at >> 8);

async function withGet(
  test: (
    server: FakeFilesServer,
    dir: string,
    get: (...args: string[]) => ReturnType<typeof captured>,
  ) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    await using server = new FakeFilesServer();
    server.set("music/song", BYTES);
    await test(server, dir, (...args) => captured(["get", "--from", server.address, ...args]));
  });
}

function names(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

Deno.test("get writes a file, which appears when it is complete", REAL, async () => {
  await withGet(async (server, dir, get) => {
    const path = `${dir}/song`;
    const { code, stdout, stderr } = await get("music/song", "-o", path);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /\/song: 1000000 bytes in \S+ s, the SHA-256 is right\n$/);
    assertEquals(Deno.readFileSync(path), BYTES);
    const again = await get("music/song", "-o", path);
    assertEquals(again.code, 1);
    assertMatch(again.stderr, /it exists; give --force to replace it\n$/);
    server.set("music/song", "");
    assertEquals((await get("music/song", "-o", path, "--force")).code, 0);
    assertEquals(Deno.readFileSync(path).length, 0);
    assertEquals(names(dir), ["song"]);
  });
});

Deno.test("get goes on when the connection breaks", REAL, async () => {
  await withGet(async (server, dir, get) => {
    for (const afterBytes of [0, 300_000, 65_536]) {
      server.faults.push({ kind: "break", afterBytes });
    }
    assertEquals((await get("music/song", "-o", `${dir}/song`)).code, 0);
    assertEquals(Deno.readFileSync(`${dir}/song`), BYTES);
    assertEquals(server.seen, [
      "HEAD /files/music/song",
      'GET /files/music/song, if-match: "1"',
      'GET /files/music/song, if-match: "1"',
      'GET /files/music/song, if-match: "1", range: bytes=300000-',
      'GET /files/music/song, if-match: "1", range: bytes=365536-',
    ]);
  });
});

Deno.test("get never mixes two versions", REAL, async () => {
  await withGet(async (server, dir, get) => {
    server.faults.push({ kind: "break", afterBytes: 300_000 });
    server.onRequest = () => {
      if (server.seen.at(-1)?.includes("range") === true) server.set("music/song", "another one");
    };
    const { code, stderr } = await get("music/song", "-o", `${dir}/song`);
    assertEquals(code, 1);
    assertMatch(stderr, /Cannot get music\/song: the condition does not hold: it has changed\n$/);
    assertEquals(names(dir), ["song.part"]);
    server.onRequest = () => {};
    // What is left is longer than the new version.
    assertEquals((await get("music/song", "-o", `${dir}/song`, "--resume")).code, 0);
    assertEquals(Deno.readTextFileSync(`${dir}/song`), "another one");
  });
});

Deno.test(
  "get --resume continues what an earlier run has left, if that is of use",
  REAL,
  async () => {
    await withGet(async (server, dir, get) => {
      const resumed = async (left: Uint8Array) => {
        server.seen.length = 0;
        Deno.writeFileSync(`${dir}/song.part`, left);
        const { code } = await get("music/song", "-o", `${dir}/song`, "--resume", "--force");
        assertEquals([code, names(dir)], [0, ["song"]]);
        assertEquals(Deno.readFileSync(`${dir}/song`), BYTES);
        return server.seen.filter((line) => line.startsWith("GET")).map((line) =>
          line.split("range: ")[1] ?? "all"
        );
      };
      assertEquals(await resumed(BYTES.subarray(0, 700_000)), ["bytes=700000-"]);
      assertEquals(await resumed(BYTES), []);
      assertEquals(await resumed(new Uint8Array(0)), ["all"]);
      assertEquals(await resumed(new Uint8Array(500_000)), ["bytes=500000-", "all"]); // another one
      assertEquals(await resumed(new Uint8Array(2_000_000)), ["all"]);
      // Without --resume, nothing of it is used.
      Deno.writeFileSync(`${dir}/song.part`, new Uint8Array(7));
      assertEquals((await get("music/song", "-o", `${dir}/song`, "--force")).code, 0);
      assertEquals(Deno.readFileSync(`${dir}/song`), BYTES);
    });
  },
);

Deno.test("get keeps no content with a wrong SHA-256", REAL, async () => {
  await withGet(async (server, dir, get) => {
    server.faults.push({ kind: "wrong-digest", method: "HEAD" });
    const { code, stdout, stderr } = await get("music/song", "-o", `${dir}/song`);
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr, "regent: Cannot use music/song: its SHA-256 is wrong; get it again\n");
    assertEquals(names(dir), []);
  });
});

Deno.test("get says in one sentence what it cannot do", REAL, async () => {
  await withGet(async (_server, dir, get) => {
    for (
      const [args, code, message] of [
        [[], 2, /Cannot start: expected the NAME of one file\./],
        [["a", "b"], 2, /Cannot start: expected the NAME of one file\./],
        [["a/"], 2, /Cannot choose a file for a\/: give --output FILE\./],
        [["a", "-o", "-", "--resume"], 2, /Cannot use --resume with the standard output\./],
        [["none", "-o", `${dir}/f`], 1, /Cannot get none: there is no such file\n$/],
        [["none", "-o", `${dir}/no/f`], 1, /Cannot write .*\/no\/f\.part: /],
        [["--from", "127.0.0.1:1", "a", "-o", `${dir}/f`], 1, /Cannot reach the files at 127/],
      ] as [string[], number, RegExp][]
    ) {
      const answer = await get(...args);
      assertEquals([answer.code, answer.stdout], [code, ""], answer.stderr);
      assertMatch(answer.stderr, /^regent: [^\n]+\n$/);
      assertMatch(answer.stderr, message);
      assertEquals(names(dir), []);
    }
  });
});
