import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { FakeFiles } from "../../tests/support/http/fake_files.ts";
import { type Answer, HttpBench } from "../../tests/support/http/http_bench.ts";
import { FileError } from "../files/file_error.ts";

function bench(): { readonly http: HttpBench; readonly files: FakeFiles } {
  const files = new FakeFiles();
  return { http: new HttpBench({ files }), files };
}

function sized(body: string, headers: Record<string, string> = {}): RequestInit {
  // A text would come with a type.
  const bytes = new TextEncoder().encode(body);
  return { body: bytes, headers: { "content-length": `${bytes.length}`, ...headers } };
}

function base64(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest("base64");
}

Deno.test("a file that is replaced in the millisecond of its creation is not new", async () => {
  const { http, files } = bench();
  files.isTimeStill = true;
  const created = await http.fetch("PUT", "/files/a", sized("one"));
  assertEquals([created.status, created.headers.get("location")], [201, "/files/a"]);
  const replaced = await http.fetch("PUT", "/files/a", sized("two"));
  assertEquals([replaced.status, replaced.headers.get("location")], [204, null]);
});

Deno.test("a file is created, read, replaced and deleted", async () => {
  const { http, files } = bench();
  const created = await http.fetch("PUT", "/files/music/a%20b.mp3", sized("hello"));
  assertEquals(created.status, 201);
  assertEquals(created.headers.get("location"), "/files/music/a%20b.mp3");
  assertEquals(created.headers.get("etag"), '"1"');
  const digest = `sha-256=:${base64("sha256", "hello")}:`;
  assertEquals(created.headers.get("repr-digest"), digest);
  const got = await http.fetch("GET", "/files/music/a%20b.mp3");
  assertEquals([got.status, await got.text()], [200, "hello"]);
  const expected = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-disposition": 'inline; filename="a b.mp3"',
    "content-length": "5",
    "content-type": "audio/mpeg",
    "cross-origin-resource-policy": "same-origin",
    "etag": '"1"',
    "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
    "repr-digest": digest,
    "x-content-type-options": "nosniff",
  };
  for (const [name, value] of Object.entries(expected)) assertEquals(got.headers.get(name), value);
  const head = await http.fetch("HEAD", "/files/music/a%20b.mp3", {
    headers: { range: "bytes=0-0" },
  });
  assertEquals([head.status, await head.text(), head.headers.get("content-length")], [
    200,
    "",
    "5",
  ]);
  const replaced = await http.fetch("PUT", "/files/music/a%20b.mp3", sized("new"));
  assertEquals([replaced.status, replaced.headers.get("etag")], [204, '"2"']);
  assertEquals(new TextDecoder().decode(files.contentOf("music/a b.mp3") ?? undefined), "new");
  assertEquals((await http.fetch("DELETE", "/files/music/a%20b.mp3")).status, 204);
  assertEquals(
    await http.problem("GET", "/files/music/a%20b.mp3"),
    "404 not-found: There is no such file.",
  );
  assertEquals(
    await http.problem("DELETE", "/files/music/a%20b.mp3"),
    "404 not-found: There is no such file.",
  );
  assertEquals(files.reading, 0);
});

Deno.test("a page can have a file saved instead of shown", async () => {
  const { http, files } = bench();
  files.set("a/ü.txt", "x");
  const { headers, body } = await http.fetch("GET", "/files/a/%C3%BC.txt?download");
  await body?.cancel();
  assertEquals(
    headers.get("content-disposition"),
    "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt",
  );
});

Deno.test("an empty file is a file", async () => {
  const { http } = bench();
  assertEquals((await http.fetch("PUT", "/files/empty")).status, 201);
  const got = await http.fetch("GET", "/files/empty");
  assertEquals([got.status, await got.text(), got.headers.get("content-length")], [200, "", "0"]);
  const suffix = await http.fetch("GET", "/files/empty", { headers: { range: "bytes=-5" } });
  assertEquals([suffix.status, await suffix.text()], [200, ""]);
  const first = await http.fetch("GET", "/files/empty", { headers: { range: "bytes=0-" } });
  assertEquals([first.status, first.headers.get("content-range")], [416, "bytes */0"]);
  await first.body?.cancel();
});

Deno.test("a condition on a write is kept, and one that would not be is refused", async () => {
  const { http, files } = bench();
  const put = (headers: Record<string, string>) =>
    http.fetch("PUT", "/files/a", sized("x", headers));
  assertEquals((await put({ "if-match": "*" })).status, 412);
  assertEquals((await put({ "if-none-match": "*" })).status, 201);
  assertEquals((await put({ "if-none-match": "*" })).status, 412);
  assertEquals((await put({ "if-match": '"1"' })).status, 204);
  assertEquals((await put({ "if-match": '"1"' })).status, 412);
  assertEquals((await put({ "if-match": 'W/"2"' })).status, 412);
  assertEquals((await put({ "if-match": "*" })).status, 204);
  for (
    const headers of [
      { "if-match": "3" },
      { "if-match": '"3", "4"' },
      { "if-none-match": '"3"' },
      { "if-unmodified-since": "Tue, 01 Dec 2026 00:00:00 GMT" },
      { "if-modified-since": "Tue, 01 Dec 2026 00:00:00 GMT" },
      { "content-range": "bytes 0-0/1" },
      { "regent-copies": "0" },
      { "regent-copies": "17" },
      { "regent-copies": "two" },
      { "content-type": "nonsense" },
      { "repr-digest": "sha-512=:AAAA:" },
    ]
  ) assertEquals((await put(headers)).status, 400, JSON.stringify(headers));
  assertEquals((await put({ "content-encoding": "gzip" })).status, 415);
  const remove = (headers: Record<string, string>) => http.fetch("DELETE", "/files/a", { headers });
  assertEquals((await remove({ "if-match": '"1"' })).status, 412);
  assertEquals((await remove({ "if-none-match": "*" })).status, 400);
  assertEquals((await remove({ "if-match": '"3"' })).status, 204);
  assertEquals((await remove({ "if-match": '"3"' })).status, 412);
  assertEquals(files.commits, 3);
});

Deno.test("headers and digests reach the service", async () => {
  const { http, files } = bench();
  const headers = {
    "content-type": "text/x-thing",
    "regent-copies": "2",
    "repr-digest": `sha-256=:${base64("sha256", "x")}:`,
    "content-md5": base64("md5", "x"),
  };
  assertEquals((await http.fetch("PUT", "/files/a", sized("x", headers))).status, 201);
  const record = await files.stat("a");
  assertEquals([record?.type, record?.copies], ["text/x-thing", 2]);
  for (const name of ["repr-digest", "content-md5"] as const) {
    const init = sized("other", { [name]: headers[name] });
    assertEquals(
      await http.problem("PUT", "/files/a", init),
      "400 checksum-mismatch: The content is not what its digest says.",
    );
  }
  assertEquals(files.commits, 1);
});

Deno.test("ranges of a file are sent, one as it is and several as parts", async () => {
  const { http, files } = bench();
  files.set("a", "0123456789", "audio/mpeg");
  const get = async (range: string, headers: Record<string, string> = {}) => {
    const response = await http.fetch("GET", "/files/a", { headers: { range, ...headers } });
    return { response, text: await response.text() };
  };
  const one = await get("bytes=2-4");
  assertEquals([one.response.status, one.text], [206, "234"]);
  assertEquals(one.response.headers.get("content-range"), "bytes 2-4/10");
  assertEquals(one.response.headers.get("content-length"), "3");
  assertEquals(one.response.headers.get("content-type"), "audio/mpeg");
  const two = await get("bytes=0-0,-2");
  const [, boundary = ""] =
    /^multipart\/byteranges; boundary=(.+)$/.exec(two.response.headers.get("content-type") ?? "") ??
      [];
  assertEquals(two.response.status, 206);
  const part = (range: string, text: string) =>
    `--${boundary}\r\nContent-Type: audio/mpeg\r\nContent-Range: bytes ${range}/10\r\n\r\n${text}\r\n`;
  assertEquals(two.text, `${part("0-0", "0")}${part("8-9", "89")}--${boundary}--\r\n`);
  assertEquals(two.response.headers.get("content-length"), `${two.text.length}`);
  assertEquals(two.response.headers.get("content-range"), null);
  const none = await get("bytes=10-");
  assertEquals([none.response.status, none.response.headers.get("content-range")], [
    416,
    "bytes */10",
  ]);
  assertStringIncludes(none.text, "range-not-satisfiable");
  assertEquals((await get("bytes=0-0", { "if-range": '"1"' })).text, "0");
  assertEquals((await get("bytes=0-0", { "if-range": '"0"' })).text, "0123456789");
  assertEquals(files.reading, 0);
});

Deno.test("a client that has the version gets no content", async () => {
  const { http, files } = bench();
  files.set("a", "x");
  const get = (headers: Record<string, string>) => http.fetch("GET", "/files/a", { headers });
  const same = await get({ "if-none-match": '"1"' });
  assertEquals([same.status, same.headers.get("etag"), await same.text()], [304, '"1"', ""]);
  assertEquals(same.headers.get("content-type"), null);
  assertEquals((await get({ "if-match": '"2"' })).status, 412);
  assertEquals((await get({ "if-none-match": "x" })).status, 400);
  assertEquals(files.readBytes, 0);
});

Deno.test("files are listed in pages, filtered and in order", async () => {
  const { http, files } = bench();
  files.set("b/1", "xxx");
  files.set("b/2", "x");
  files.set("a", "xx");
  const list = async (query: string) => {
    const page = await (await http.fetch("GET", `/files?${query}`)).json();
    return [page.files.map(({ name }: { name: string }) => name).join(" "), page.cursor];
  };
  assertEquals(await list(""), ["a b/1 b/2", null]);
  assertEquals(await list("limit=2"), ["a b/1", "2"]);
  assertEquals(await list("limit=2&cursor=2"), ["b/2", null]);
  assertEquals(await list("sort=size"), ["b/2 a b/1", null]);
  assertEquals(await list("sort=date&order=desc"), ["a b/2 b/1", null]);
  assertEquals(await list("prefix=b/&q=2"), ["b/2", null]);
  for (
    const query of ["limit=0", "limit=1001", "limit=x", "sort=x", "order=x", "page=2", "q=a&q=b"]
  ) {
    assertEquals((await http.fetch("GET", `/files?${query}`)).status, 400, query);
  }
  const { files: [entry] } = await (await http.fetch("GET", "/files?limit=1")).json();
  const { sha256, ...rest } = entry;
  assertEquals(sha256, createHash("sha256").update("xx").digest("hex"));
  assertEquals(rest, {
    name: "a",
    href: "/files/a",
    version: 3,
    size: 2,
    type: "text/plain",
    copies: 3,
    createdMs: 1_700_000_000_002,
    modifiedMs: 1_700_000_000_002,
    owner: "",
    tags: {},
    holders: ["n1"],
  });
});

Deno.test("a content that was replaced between two looks is the newer one", async () => {
  const { http, files } = bench();
  const old = files.set("a", "old");
  const { stat } = files;
  let looks = 0;
  files.stat = async (name) => {
    if (looks++ > 0) return await stat.call(files, name);
    files.set("a", "newer");
    return { ...old, blob: "gone" };
  };
  const got = await http.fetch("GET", "/files/a");
  assertEquals([await got.text(), got.headers.get("content-length")], ["newer", "5"]);
});

Deno.test("no copy, or no intact one, is an answer and not a broken connection", async () => {
  const { http, files } = bench();
  files.set("a", "x");
  files.breaksAt = 0;
  assertEquals(
    await http.problem("GET", "/files/a"),
    "503 unavailable: No intact copy of the content can be read now.",
  );
  assertEquals((await http.fetch("HEAD", "/files/a")).status, 200);
  const record = await files.stat("a");
  files.stat = () => Promise.resolve(record === null ? null : { ...record, blob: "gone" });
  assertEquals((await http.problem("GET", "/files/a")).slice(0, 15), "503 unavailable");
});

const X = sized("x");
const BUSY = new FileError("busy", "Too much.");

/** Each answer that the description of files lists. */
const ANSWERS: readonly Answer[] = [
  ["putFile 201", "PUT", "/files/a", X],
  ["putFile 204", "PUT", "/files/a", X],
  ["putFile 400", "PUT", "/files/%FF", X],
  ["putFile 412", "PUT", "/files/a", sized("x", { "if-none-match": "*" })],
  ["putFile 413", "PUT", "/files/a", sized("x".repeat(2_000))],
  ["putFile 415", "PUT", "/files/a", sized("x", { "content-encoding": "gzip" })],
  ["getFile 200", "GET", "/files/a"],
  ["getFile 206", "GET", "/files/a", { headers: { range: "bytes=0-0" } }],
  ["getFile 304", "GET", "/files/a", { headers: { "if-none-match": "*" } }],
  ["getFile 400", "GET", "/files/a?x"],
  ["getFile 404", "GET", "/files/none"],
  ["getFile 412", "GET", "/files/a", { headers: { "if-match": '"0"' } }],
  ["getFile 416", "GET", "/files/a", { headers: { range: "bytes=9-" } }],
  ["listFiles 200", "GET", "/files"],
  ["listFiles 400", "GET", "/files?limit=0"],
  ["getPlacement 200", "GET", "/placement/a"],
  ["getPlacement 400", "GET", "/placement/%FF"],
  ["getPlacement 404", "GET", "/placement/none"],
  ["getRepair 200", "GET", "/repair"],
  ["getRepair 400", "GET", "/repair?x"],
  ["deleteFile 400", "DELETE", "/files/a?x"],
  ["deleteFile 404", "DELETE", "/files/none"],
  ["deleteFile 412", "DELETE", "/files/a", { headers: { "if-match": '"0"' } }],
  ["deleteFile 204", "DELETE", "/files/a"],
];

/** Answers of a service that fails in this way. */
const FAILURES: readonly (readonly [Error, readonly Answer[]])[] = [
  [BUSY, [
    ["putFile 503", "PUT", "/files/a", X],
    ["getFile 503", "GET", "/files/a"],
    ["listFiles 503", "GET", "/files"],
    ["getPlacement 503", "GET", "/placement/a"],
    ["getRepair 503", "GET", "/repair"],
    ["deleteFile 503", "DELETE", "/files/a"],
  ]],
  [new FileError("outcome-unknown", "No answer."), [
    ["putFile 504", "PUT", "/files/a", X],
    ["deleteFile 504", "DELETE", "/files/a"],
  ]],
  [new FileError("insufficient-storage", "Full."), [["putFile 507", "PUT", "/files/a", X]]],
];

Deno.test("each answer of files that the description lists happens, and no other", async () => {
  const { http, files } = bench();
  files.sizeMax = 1_000;
  assertEquals(await http.answers(ANSWERS), ANSWERS.map(([answer]) => answer));
  const listed = ANSWERS.map(([answer]) => answer);
  for (const [failure, answers] of FAILURES) {
    files.failure = failure;
    assertEquals(await http.answers(answers), answers.map(([answer]) => answer));
    listed.push(...answers.map(([answer]) => answer));
  }
  const described = http.describedAnswers.filter((answer) => /File|Placement|Repair/.test(answer));
  assertEquals(described.sort(), listed.sort());
});

Deno.test("a busy service says when to try again", async () => {
  const { http, files } = bench();
  files.failure = BUSY;
  const response = await http.fetch("GET", "/files/a");
  assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
  assert((await response.json()).detail === "Too much.");
});
