import { assertEquals, assertMatch } from "@std/assert";
import { captured } from "../../../tests/support/captured.ts";
import { freePorts } from "../../../tests/support/free_ports.ts";
import { FakeFiles } from "../../../tests/support/http/fake_files.ts";
import { HttpBench } from "../../../tests/support/http/http_bench.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { silentLogger } from "../../base/logger.ts";
import { FileError } from "../../files/file_error.ts";
import { systemClock } from "../../platform/clock.ts";
import { listenHttp } from "../../platform/http_listener.ts";

// The command line against the REST API that nodes serve, with files in memory behind it.

const REAL = { permissions: { net: true, read: true, write: true, env: true } } as const;

interface Served {
  readonly files: FakeFiles;
  readonly dir: string;
  regent(command: string, ...args: string[]): ReturnType<typeof captured>;
}

async function withRest(test: (served: Served) => Promise<void>): Promise<void> {
  const files = new FakeFiles();
  const { http } = new HttpBench({ files });
  const [port = 0] = freePorts(1);
  const listener = await listenHttp({
    address: { host: "127.0.0.1", port },
    connectionsMax: 100,
    handle: (request, sent) => http.handle(request, sent),
    refuse: (refusal) => http.refuse(refusal),
    clock: systemClock,
    logger: silentLogger,
  });
  const env = { REGENT_HTTP: `127.0.0.1:${port}` };
  try {
    await withTemporaryDirectory((dir) =>
      test({ files, dir, regent: (...args) => captured(args, env) })
    );
  } finally {
    listener.close();
  }
}

Deno.test("what is put is listed, read, found and deleted", REAL, async () => {
  await withRest(async ({ dir, regent }) => {
    const bytes = new Uint8Array(3_000_000).map((_, at) => at >> 7);
    const name = "música/100% ¿qué? #1 (a+b) ~.flac";
    Deno.writeFileSync(`${dir}/f`, bytes);
    const put = await regent("put", "--name", name, "--copies", "2", `${dir}/f`);
    assertEquals([put.code, put.stderr], [0, ""]);
    assertMatch(put.stdout, /: version 1, 3000000 bytes in /);
    const listed = await regent("files", "música/", "--json");
    const { copies, type, size } = JSON.parse(listed.stdout);
    assertEquals({ copies, type, size }, { copies: 2, type: "audio/x-flac", size: 3_000_000 });
    const get = await regent("get", name, "-o", `${dir}/g`);
    assertEquals([get.code, get.stderr], [0, ""]);
    assertEquals(Deno.readFileSync(`${dir}/g`), bytes);
    assertEquals((await regent("files", "where", name)).code, 0);
    assertEquals((await regent("files", "rm", name)).code, 0);
    assertEquals(await regent("files"), { code: 0, stdout: "", stderr: "" });
    assertMatch((await regent("get", name, "-o", `${dir}/h`)).stderr, /there is no such file\n$/);
  });
});

Deno.test("conditions hold at the server", REAL, async () => {
  await withRest(async ({ files, dir, regent }) => {
    Deno.writeFileSync(`${dir}/f`, new Uint8Array(2_000_000));
    const { version } = files.set("f", "old");
    const refused = await regent("put", "--if-absent", `${dir}/f`);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /^regent: Cannot put f: the condition does not hold.*\n$/);
    assertEquals((await regent("put", "--if-match", String(version + 1), `${dir}/f`)).code, 1);
    assertEquals((await regent("put", "--if-match", String(version), `${dir}/f`)).code, 0);
    assertEquals((await regent("files", "--sort", "size", "--reverse", "--long")).code, 0);
  });
});

Deno.test(
  "a download goes on after the content breaks off, and after a restart",
  REAL,
  async () => {
    await withRest(async ({ files, dir, regent }) => {
      const bytes = new Uint8Array(4_000_000).map((_, at) => at >> 8);
      files.set("f", bytes);
      files.breaksAt = 3_000_000;
      const broken = await regent("get", "f", "-o", `${dir}/f`);
      assertEquals(broken.code, 1);
      // Deno 2.6 ends the connection where 2.9 answers.
      assertMatch(
        broken.stderr,
        /^regent: (Cannot get f: no intact copy|Cannot reach the files at) .*\n$/,
      );
      const left = Deno.statSync(`${dir}/f.part`).size;
      files.breaksAt = Infinity;
      files.readBytes = 0;
      const { code, stderr } = await regent("get", "f", "-o", `${dir}/f`, "--resume");
      assertEquals([code, stderr], [0, ""]);
      assertEquals(Deno.readFileSync(`${dir}/f`), bytes);
      assertEquals(files.readBytes, bytes.length - left);
    });
  },
);

Deno.test("a refusal is told in the server's words", REAL, async () => {
  await withRest(async ({ files, dir, regent }) => {
    Deno.writeFileSync(`${dir}/f`, new Uint8Array(20_000_000));
    files.failure = new FileError("insufficient-storage", "No node has room for this file.");
    assertEquals(await regent("put", `${dir}/f`), {
      code: 1,
      stdout: "",
      stderr: "regent: Cannot put f: no node has room for this file\n",
    });
  });
});
