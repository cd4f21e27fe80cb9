import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { SmallDisk } from "../../tests/support/files/small_disk.ts";
import { FakeFiles } from "../../tests/support/http/fake_files.ts";
import { type Answer, HttpBench } from "../../tests/support/http/http_bench.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { FileError } from "../files/file_error.ts";
import { PartialUploads } from "../files/partial_uploads.ts";
import { LocalUploads, RoutedUploads } from "../files/resumable_uploads.ts";
import { answerUploadRequest, NodeUploads } from "../files/upload_forwarding.ts";

const TUS = { "tus-resumable": "1.0.0" };
const PART_TYPE = { "content-type": "application/offset+octet-stream" };
const METADATA = { "upload-metadata": `filename ${btoa("a.mp3")}` };

interface Bench {
  readonly http: HttpBench;
  readonly files: FakeFiles;
  readonly clock: ManualClock;
  readonly uploads: LocalUploads;
  /** As after a restart of the process. */
  reopen(): Promise<Bench>;
}

async function openBench(
  directory: string,
  files: FakeFiles,
  clock: ManualClock,
  logger: Logger = silentLogger,
): Promise<Bench> {
  const partial = await PartialUploads.open({
    directory,
    clock,
    logger,
    disk: new SmallDisk(10_000),
    uploadsMax: 20,
  });
  const uploads = new LocalUploads({ node: "n1", partial, files, logger });
  const http = new HttpBench({ files, uploads });
  return { http, files, clock, uploads, reopen: () => openBench(directory, files, clock, logger) };
}

async function withBench(test: (bench: Bench) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    await test(await openBench(directory, new FakeFiles(), new ManualClock()));
  });
}

function creation(size: number, headers: Record<string, string> = {}): RequestInit {
  return { headers: { ...TUS, "upload-length": `${size}`, ...METADATA, ...headers } };
}

function part(offset: number, body: string, headers: Record<string, string> = {}): RequestInit {
  return { body, headers: { ...TUS, ...PART_TYPE, "upload-offset": `${offset}`, ...headers } };
}

async function begin(http: HttpBench, size: number, headers = {}): Promise<string> {
  const response = await http.fetch("POST", "/uploads", creation(size, headers));
  assertEquals(response.status, 201);
  return response.headers.get("location") ?? "";
}

function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined);
}

Deno.test("what is spoken is told", async () => {
  await withBench(async ({ http }) => {
    const { status, headers } = await http.fetch("OPTIONS", "/uploads");
    assertEquals(status, 204);
    assertEquals(headers.get("tus-version"), "1.0.0");
    assertEquals(
      headers.get("tus-extension"),
      "creation,creation-with-upload,termination,checksum,expiration",
    );
    assertEquals(headers.get("tus-checksum-algorithm"), "md5,sha1,sha256");
  });
});

Deno.test("an upload in parts becomes a file with its last byte", async () => {
  await withBench(async ({ http, files }) => {
    const path = await begin(http, 10, { "regent-copies": "2" });
    assertMatch(path, /^\/uploads\/[0-9a-f]{32}-n1$/);
    const first = await http.fetch("PATCH", path, part(0, "01234"));
    assertEquals([first.status, first.headers.get("upload-offset")], [204, "5"]);
    assertEquals(first.headers.get("tus-resumable"), "1.0.0");
    assertMatch(first.headers.get("upload-expires") ?? "", / GMT$/);
    assertEquals(files.contentOf("a.mp3"), null);
    const head = await http.fetch("HEAD", path, { headers: TUS });
    assertEquals([head.status, head.headers.get("upload-offset")], [200, "5"]);
    assertEquals(head.headers.get("upload-length"), "10");
    assertEquals(head.headers.get("upload-metadata"), METADATA["upload-metadata"]);
    assertEquals(head.headers.get("cache-control"), "no-store");
    const last = await http.fetch("PATCH", path, part(5, "56789"));
    assertEquals([last.status, last.headers.get("upload-offset")], [204, "10"]);
    assertEquals([last.headers.get("etag"), last.headers.get("content-location")], [
      '"1"',
      "/files/a.mp3",
    ]);
    assertEquals(textOf(files.contentOf("a.mp3")), "0123456789");
    const record = await files.stat("a.mp3");
    assertEquals([record?.type, record?.copies], ["audio/mpeg", 2]);
    // Whoever has not got the answer asks again, or sends the last part again.
    const again = await http.fetch("PATCH", path, part(10, ""));
    assertEquals([again.status, again.headers.get("etag")], [204, '"1"']);
    const state = await (await http.fetch("GET", path, { headers: TUS })).json();
    assertEquals([state.offset, state.version], [10, 1]);
    assertEquals((await http.fetch("PATCH", path, part(5, "56789"))).status, 409);
    assertEquals(files.commits, 1);
  });
});

Deno.test("an upload may come with its creation, and may be empty", async () => {
  await withBench(async ({ http, files }) => {
    const init = creation(5, PART_TYPE);
    const whole = await http.fetch("POST", "/uploads", { ...init, body: "hello" });
    assertEquals([whole.status, whole.headers.get("upload-offset")], [201, "5"]);
    assertEquals(textOf(files.contentOf("a.mp3")), "hello");
    await begin(http, 0);
    assertEquals(files.contentOf("a.mp3")?.length, 0);
  });
});

Deno.test("a crash between the commit and its note neither loses nor doubles", async () => {
  await withBench(async ({ http, files, reopen }) => {
    const path = await begin(http, 5);
    files.beforeCommit = () => Promise.reject(new FileError("unavailable", "No leader."));
    assertEquals((await http.fetch("PATCH", path, part(0, "hello"))).status, 503);
    assertEquals((await http.fetch("HEAD", path, { headers: TUS })).status, 503);
    files.beforeCommit = () => Promise.resolve();
    // The commit happens, and the process dies before it notes so.
    const { put } = files;
    files.put = async (...args) => {
      await put.apply(files, args);
      throw new FileError("outcome-unknown", "No answer.");
    };
    assertEquals((await http.fetch("PATCH", path, part(5, ""))).status, 504);
    files.put = put;
    const { http: after, uploads } = await reopen();
    const head = await after.fetch("HEAD", path, { headers: TUS });
    assertEquals([head.headers.get("upload-offset"), head.headers.get("etag")], ["5", '"1"']);
    await uploads.tend();
    assertEquals([files.commits, textOf(files.contentOf("a.mp3"))], [1, "hello"]);
  });
});

Deno.test("what was complete when the process died becomes a file without being asked for", async () => {
  await withBench(async ({ http, files, reopen }) => {
    const path = await begin(http, 5);
    files.beforeCommit = () => Promise.reject(new FileError("unavailable", "No leader."));
    assertEquals((await http.fetch("PATCH", path, part(0, "hello"))).status, 503);
    const { uploads } = await reopen();
    await uploads.tend(); // it fails, and is tried again
    assertEquals(files.commits, 0);
    files.beforeCommit = () => Promise.resolve();
    await Promise.all([uploads.tend(), uploads.tend(), uploads.tend()]);
    assertEquals([files.commits, textOf(files.contentOf("a.mp3"))], [1, "hello"]);
  });
});

Deno.test("a part that is not what its checksum says does not count", async () => {
  await withBench(async ({ http, files }) => {
    const path = await begin(http, 5);
    const checksum = (text: string) => ({
      "upload-checksum": `sha1 ${createHash("sha1").update(text).digest("base64")}`,
    });
    const wrong = await http.fetch("PATCH", path, part(0, "hello", checksum("hallo")));
    assertEquals([wrong.status, wrong.headers.get("tus-resumable")], [460, "1.0.0"]);
    assertEquals((await wrong.json()).code, "upload-checksum-mismatch");
    assertEquals(
      (await http.fetch("PATCH", path, part(0, "hello", checksum("hello")))).status,
      204,
    );
    assertEquals(textOf(files.contentOf("a.mp3")), "hello");
  });
});

Deno.test("what cannot be kept is refused", async () => {
  await withBench(async ({ http }) => {
    for (
      const [init, status] of [
        [{ headers: METADATA }, 412],
        [creation(1, { "tus-resumable": "0.2.2" }), 412],
        [creation(1, { "upload-defer-length": "1" }), 400],
        [creation(1, { "upload-concat": "partial" }), 400],
        [creation(1, { "upload-length": "-1" }), 400],
        [creation(1, { "upload-length": "" }), 400],
        [creation(1, { "upload-length": "9007199254740992" }), 413],
        [creation(1, { "upload-metadata": "filetype YQ==" }), 400],
        [creation(1, { "upload-metadata": `filename ${btoa("../a")}` }), 400],
        [creation(1, { "upload-metadata": `filename ${btoa("a")},filetype ${btoa("x")}` }), 400],
        [creation(1, { "content-type": "text/plain" }), 415],
        [creation(1, { "if-none-match": '"1"' }), 400],
        [creation(20_000), 507],
      ] as const
    ) {
      const response = await http.fetch("POST", "/uploads", init);
      assertEquals(response.status, status, JSON.stringify(init));
      assertEquals(response.headers.get("tus-resumable"), "1.0.0");
    }
    const path = await begin(http, 5);
    for (
      const [init, status] of [
        [part(1, "x"), 409],
        [part(0, "123456"), 413],
        [part(0, "x", { "upload-offset": "x" }), 400],
        [part(0, "x", { "content-type": "text/plain" }), 415],
        [part(0, "x", { "upload-checksum": "crc32 AAAA" }), 400],
        [part(0, "x", { "tus-resumable": "2" }), 412],
      ] as const
    ) assertEquals((await http.fetch("PATCH", path, init)).status, status, JSON.stringify(init));
    assertEquals((await http.fetch("PATCH", "/uploads/x", part(0, "x"))).status, 404);
    assertEquals((await http.fetch("PATCH", `${path}x`, part(0, "x"))).status, 404);
  });
});

Deno.test("an upload can be given up, and goes by itself", async () => {
  await withBench(async ({ http, clock, uploads }) => {
    const [first, second] = [await begin(http, 5), await begin(http, 5)];
    assertEquals((await http.fetch("DELETE", first, { headers: TUS })).status, 204);
    assertEquals((await http.fetch("DELETE", first, { headers: TUS })).status, 404);
    assertEquals((await http.fetch("HEAD", second, { headers: TUS })).status, 200);
    clock.advance(24 * 3_600_000);
    await uploads.tend();
    assertEquals((await http.fetch("HEAD", second, { headers: TUS })).status, 404);
  });
});

Deno.test("the condition of an upload holds when it becomes a file", async () => {
  await withBench(async ({ http, files }) => {
    const path = await begin(http, 5, { "if-none-match": "*" });
    files.set("a.mp3", "other");
    assertEquals((await http.fetch("PATCH", path, part(0, "hello"))).status, 412);
    assertEquals(textOf(files.contentOf("a.mp3")), "other");
  });
});

Deno.test("an upload that can never become a file ends at once, and it is known why", async () => {
  await withTemporaryDirectory(async (directory) => {
    for (const code of ["precondition-failed", "conflict", "bad-request"] as const) {
      const status = { "precondition-failed": 412, "conflict": 409, "bad-request": 400 }[code];
      const lines: string[] = [];
      const logger = { ...silentLogger, warn: (line: string) => void lines.push(line) };
      const [files, clock] = [new FakeFiles(), new ManualClock()];
      const { http, reopen } = await openBench(directory, files, clock, logger);
      const path = await begin(http, 5);
      files.beforeCommit = () => Promise.reject(new FileError("unavailable", "No leader."));
      assertEquals((await http.fetch("PATCH", path, part(0, "hello"))).status, 503);
      files.beforeCommit = () => Promise.reject(new FileError(code, "Never."));
      assertEquals((await http.fetch("PATCH", path, part(5, ""))).status, status);
      files.beforeCommit = () => Promise.resolve();
      const after = await reopen();
      for (let minute = 0; minute < 59; minute++) {
        await after.uploads.tend();
        clock.advance(60_000);
      }
      assertEquals([lines, files.commits], [[], 0]);
      assertEquals((await after.http.fetch("HEAD", path, { headers: TUS })).status, status);
      for (const offset of [0, 3, 5]) {
        assertEquals((await after.http.fetch("PATCH", path, part(offset, ""))).status, status);
      }
      const id = path.slice("/uploads/".length, -"-n1".length);
      assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name), [`${id}.json`]);
      clock.advance(60_000);
      await after.uploads.tend();
      assertEquals((await after.http.fetch("HEAD", path, { headers: TUS })).status, 404);
      assertEquals([...Deno.readDirSync(directory)], []);
    }
  });
});

Deno.test("an upload goes on at any node and at a proxy", async () => {
  await withBench(async ({ uploads, files }) => {
    const asked: string[] = [];
    const forwarder = new NodeUploads((node, request, body) => {
      asked.push(`${node} ${request.path}`);
      return answerUploadRequest(uploads, request, body ?? Readable.from([]));
    }, () => Promise.resolve("n1"));
    const proxy = new HttpBench({ files, uploads: new RoutedUploads(null, forwarder) });
    const local = { node: "n1", uploads };
    const owner = new HttpBench({ files, uploads: new RoutedUploads(local, forwarder) });
    const other = new HttpBench({
      files,
      uploads: new RoutedUploads({ node: "n2", uploads }, forwarder),
    });
    const path = await begin(proxy, 6);
    assertEquals((await other.fetch("PATCH", path, part(0, "ab"))).status, 204);
    assertEquals((await owner.fetch("PATCH", path, part(2, "cd"))).status, 204);
    assertEquals((await proxy.fetch("PATCH", path, part(4, "ef"))).status, 204);
    assertEquals(textOf(files.contentOf("a.mp3")), "abcdef");
    const [create, append] = ["n1 /uploads/create", "n1 /uploads/append"];
    assertEquals(asked, [create, append, append]);
    const sum = { "upload-checksum": `md5 ${createHash("md5").update("é").digest("base64")}` };
    const named = { "upload-metadata": `filename ${btoa("\xc3\xa9")}` };
    const second = await begin(proxy, 2, named);
    const statuses = [
      await other.fetch("PATCH", second, part(0, "xx", sum)),
      await other.fetch("PATCH", second, part(1, "x")),
      await other.fetch("HEAD", second, { headers: TUS }),
      await other.fetch("PATCH", second, part(0, "é", sum)),
      await other.fetch("DELETE", second, { headers: TUS }),
      await other.fetch("DELETE", second, { headers: TUS }),
      await proxy.fetch("HEAD", "/uploads/x-n1", { headers: TUS }),
    ].map(({ status }) => status);
    assertEquals(statuses, [460, 409, 200, 204, 204, 404, 404]);
    assertEquals(textOf(files.contentOf("é")), "é");
  });
});

Deno.test("another node that makes no sense is not available", async () => {
  const answers = [{ status: 502, text: "<html>" }, { status: 200, text: "{}" }];
  for (const answer of answers) {
    const nodes = new NodeUploads(() => Promise.resolve(answer), () => Promise.resolve("n1"));
    const error = await assertRejects(() => nodes.uploadsOf("n1").state("x", true), FileError);
    assertEquals(error.code, "unavailable");
  }
  await withBench(async ({ uploads }) => {
    for (const [path, call] of [["/uploads/x", "{}"], ["/uploads/state", "%"], ["/", "null"]]) {
      const request = { path: path ?? "", call: call ?? "" };
      const { text } = await answerUploadRequest(uploads, request, Readable.from([]));
      assertEquals(JSON.parse(text).code, "bad-request");
    }
  });
});

const BUSY = new FileError("busy", "Too much.");
const UNKNOWN = new FileError("outcome-unknown", "No answer.");
const FULL = new FileError("insufficient-storage", "Full.");

Deno.test("each answer of uploads that the description lists happens, and no other", async () => {
  await withBench(async ({ http, files, uploads }) => {
    const path = await begin(http, 5);
    const full = await begin(http, 5);
    const [algorithm, zeros] = ["upload-checksum", `md5 ${"A".repeat(22)}==`];
    const answers: Answer[] = [
      ["getUploadOptions 204", "OPTIONS", "/uploads"],
      ["createUpload 201", "POST", "/uploads", creation(5)],
      ["createUpload 400", "POST", "/uploads", creation(5, { "upload-metadata": "" })],
      ["createUpload 412", "POST", "/uploads"],
      ["createUpload 413", "POST", "/uploads", creation(5, { "upload-length": "9".repeat(17) })],
      ["createUpload 415", "POST", "/uploads", creation(5, { "content-type": "a/b" })],
      ["createUpload 460", "POST", "/uploads", {
        ...creation(5, { ...PART_TYPE, [algorithm]: zeros }),
        body: "x",
      }],
      ["getUpload 200", "GET", path, { headers: TUS }],
      ["getUpload 400", "GET", `${path}?x`, { headers: TUS }],
      ["getUpload 404", "GET", "/uploads/x", { headers: TUS }],
      ["getUpload 412", "GET", path],
      ["continueUpload 204", "PATCH", path, part(0, "x")],
      ["continueUpload 400", "PATCH", path, part(1, "x", { "upload-offset": "" })],
      ["continueUpload 404", "PATCH", "/uploads/x", part(0, "x")],
      ["continueUpload 409", "PATCH", path, part(0, "x")],
      ["continueUpload 412", "PATCH", path, { body: "x" }],
      ["continueUpload 413", "PATCH", path, part(1, "too long")],
      ["continueUpload 415", "PATCH", path, part(1, "x", { "content-type": "a/b" })],
      ["continueUpload 460", "PATCH", path, part(5, "", { [algorithm]: zeros })],
      ["deleteUpload 204", "DELETE", path, { headers: TUS }],
      ["deleteUpload 400", "DELETE", `${path}?x`, { headers: TUS }],
      ["deleteUpload 404", "DELETE", path, { headers: TUS }],
      ["deleteUpload 412", "DELETE", path],
    ];
    // That path is complete when its 460 is asked for: another one is not.
    const open = await begin(http, 5);
    const sent = answers.map(([answer, method, where, ...rest]): Answer =>
      answer === "continueUpload 460"
        ? [answer, method, open, part(0, "x", { [algorithm]: zeros })]
        : [answer, method, where, ...rest]
    );
    assertEquals(await http.answers(sent), sent.map(([answer]) => answer));
    const listed = sent.map(([answer]) => answer);
    for (const [failure, status] of [[BUSY, 503], [UNKNOWN, 504], [FULL, 507]] as const) {
      files.failure = failure;
      const failing: Answer[] = [
        [`createUpload ${status}`, "POST", "/uploads", creation(0)],
        [
          `continueUpload ${status}`,
          "PATCH",
          full,
          part(status === 503 ? 0 : 5, status === 503 ? "hello" : ""),
        ],
        [`getUpload ${status}`, "GET", full, { headers: TUS }],
      ];
      assertEquals(await http.answers(failing), failing.map(([answer]) => answer));
      listed.push(...failing.map(([answer]) => answer));
    }
    uploads.remove = () => Promise.reject(BUSY);
    files.failure = new FileError("conflict", "Deleted.");
    const gone: Answer = ["getUpload 409", "GET", full, { headers: TUS }];
    assertEquals(await http.answers([gone]), [gone[0]]);
    listed.push(gone[0]);
    const removal: Answer = ["deleteUpload 503", "DELETE", full, { headers: TUS }];
    assertEquals(await http.answers([removal]), [removal[0]]);
    listed.push(removal[0]);
    const described = http.describedAnswers.filter((answer) => /Upload/.test(answer));
    assertEquals(described.sort(), listed.sort());
  });
});
