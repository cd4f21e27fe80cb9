import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Answer, HttpBench, sentOf } from "../../tests/support/http/http_bench.ts";
import { descriptionOf } from "./openapi.ts";

const JSON_TYPE = { "content-type": "application/json" };

Deno.test("a value is set, read and deleted, byte for byte", async () => {
  const http = new HttpBench();
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assertEquals((await http.fetch("PUT", "/keys/a", { body: bytes })).status, 204);
  const got = await http.fetch("GET", "/keys/a");
  assertEquals(got.headers.get("content-length"), "256");
  assertEquals(new Uint8Array(await got.arrayBuffer()), bytes);
  const head = await http.fetch("HEAD", "/keys/a");
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals((await http.fetch("DELETE", "/keys/a")).status, 204);
  assertEquals(await http.problem("GET", "/keys/a"), "404 not-found: There is no such key.");
  assertEquals(await http.problem("DELETE", "/keys/a"), "404 not-found: There is no such key.");
});

Deno.test("HEAD holds nothing of what it does not send", async () => {
  const http = new HttpBench({ heldBytesMax: 1_000, watchersMax: 1 });
  await http.fetch("PUT", "/keys/a", { body: "x".repeat(600) });
  for (let count = 0; count < 3; count++) {
    const head = await http.fetch("HEAD", "/keys/a");
    assertEquals([head.status, head.headers.get("content-length")], [200, "600"]);
    assertEquals((await http.fetch("HEAD", "/events")).status, 200);
  }
  assertEquals((await (await http.fetch("GET", "/keys/a")).text()).length, 600);
  const events = await http.fetch("GET", "/events");
  assertEquals(events.status, 200);
  await events.body?.cancel();
});

Deno.test("an empty value is a value", async () => {
  const http = new HttpBench();
  assertEquals((await http.fetch("PUT", "/keys/empty")).status, 204);
  const got = await http.fetch("GET", "/keys/empty");
  assertEquals([got.status, await got.text()], [200, ""]);
});

Deno.test("a key in a path may be any bytes", async () => {
  const http = new HttpBench();
  for (
    const [path, key] of [
      ["/keys/plain", "plain"],
      ["/keys/with/slash", "with/slash"],
      ["/keys/with%2Fslash2", "with/slash2"],
      ["/keys/%00%FF%25", "\x00\xff%"],
      ["/keys/caf%C3%A9", "caf\xc3\xa9"],
      ["/keys/café2", "caf\xc3\xa92"],
      ["/keys/a%20b+c", "a b+c"],
    ] as const
  ) {
    assertEquals((await http.fetch("PUT", path, { body: path })).status, 204, path);
    assertEquals(await http.command("GET", key), replyText(path), path);
  }
  assertEquals(
    await http.problem("PUT", "/keys/50%", { body: "x" }),
    "400 bad-request: The path has a % that no two hexadecimal digits follow.",
  );
});

Deno.test("a path that means another key to others is refused", async () => {
  const http = new HttpBench();
  await http.command("SET", "b", "x");
  for (
    const target of [
      ..."/keys/a/../b /keys/a/%2e%2E/b /keys/./b /keys/b/. /keys/.%2e /keys/b#c".split(" "),
      "http://localhost/keys/a/../b",
      "/keys/a\\b",
    ]
  ) {
    const request = new Request("http://localhost:8001/keys/b", { method: "DELETE" });
    request.headers.set("host", "localhost:8001");
    const response = await http.http.handle(request, sentOf(request, target));
    assertEquals([response.status, (await response.json()).code], [400, "bad-request"], target);
  }
  assertEquals(await http.command("EXISTS", "b"), 1);
  await http.command("MSET", "a/../b", "x", "...", "x");
  const { keys } = await (await http.fetch("GET", "/keys?prefix=a")).json();
  assertEquals(keys, [{ key: "a/../b", href: null }]);
  assertEquals((await http.fetch("GET", "/keys/...")).status, 200);
  const absolute = new Request("http://localhost/keys/b", { headers: { host: "localhost" } });
  assertEquals(
    (await http.http.handle(absolute, sentOf(absolute, "http://localhost/keys/b?x"))).status,
    200,
  );
});

Deno.test("a parameter or a condition that would be ignored is refused", async () => {
  const http = new HttpBench();
  const since = { "if-unmodified-since": "Tue, 01 Dec 2026 00:00:00 GMT" };
  for (
    const [method, path, headers] of [
      ["PUT", "/keys/a?ttl=5", {}],
      ["PUT", "/keys/a?ttl-ms=5&ttl-ms=6", {}],
      ["PUT", "/keys/a", since],
      ["DELETE", "/keys/a", { "if-match": "*" }],
      ["DELETE", "/keys/a?force", {}],
      ["GET", "/keys?prefx=a", {}],
    ] as const
  ) assertEquals((await http.fetch(method, path, { headers })).status, 400, `${method} ${path}`);
  assertEquals(await http.command("DBSIZE"), 0);
});

/** A text as the state machine has it: one character for each byte. */
function replyText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

Deno.test("a value is set under a condition, and with an expiry", async () => {
  const http = new HttpBench();
  const put = (query: string, headers: Record<string, string> = {}) =>
    http.fetch("PUT", `/keys/a${query}`, { body: "x", headers });
  const ifMatch = { "if-match": "*" };
  const ifNoneMatch = { "if-none-match": "*" };
  assertEquals((await put("", ifMatch)).status, 412);
  assertEquals((await put("", ifNoneMatch)).status, 204);
  assertEquals((await put("", ifNoneMatch)).status, 412);
  assertEquals((await put("?ttl-ms=5000", ifMatch)).status, 204);
  assertEquals(await http.command("PTTL", "a"), 5000);
  for (const ttl of ["0", "-1", "1.5", "1e3", "", "x", "9".repeat(16)]) {
    assertEquals((await put(`?ttl-ms=${ttl}`)).status, 400, ttl);
  }
  assertEquals((await put("", { "if-match": '"etag"' })).status, 400);
  assertEquals((await put("", { ...ifMatch, ...ifNoneMatch })).status, 400);
  assertEquals(await http.command("PTTL", "a"), 5000);
});

Deno.test("the time that a key has left is told to those who ask for it", async () => {
  const http = new HttpBench();
  await http.command("SET", "a", "x", "PX", "5000");
  await http.command("SET", "b", "x");
  const ttl = async (path: string) => {
    const response = await http.fetch("GET", path);
    assertEquals(await response.text(), "x");
    return response.headers.get("regent-ttl-ms");
  };
  assertEquals(await ttl("/keys/a?ttl=true"), "5000");
  assertEquals(await ttl("/keys/b?ttl=true"), null);
  assertEquals(await ttl("/keys/a"), null);
  assertEquals((await http.fetch("GET", "/keys/none?ttl=true")).status, 404);
});

Deno.test("several values are set, all of them or none", async () => {
  const http = new HttpBench();
  const post = (body: string, type = "application/json") =>
    http.fetch("POST", "/keys", { body, headers: { "content-type": type } });
  const pairs = JSON.stringify({ a: "1", "": "empty key", é: "ü" });
  assertEquals((await post(pairs, "application/json; charset=utf-8")).status, 204);
  assertEquals(await http.command("GET", ""), "empty key");
  assertEquals(await http.command("GET", "\xc3\xa9"), "\xc3\xbc");
  for (
    const body of [
      "",
      "{",
      "[]",
      "null",
      "1",
      "{}",
      '{"a":1}',
      '{"a":"2","b":null}',
      '{"a":"\\ud800"}',
    ]
  ) {
    assertEquals((await post(body)).status, 400, body);
  }
  assertEquals(await http.command("MGET", "a", "b"), ["1", null]);
  assertEquals((await post(pairs, "text/plain")).status, 415);
  assertEquals(
    (await http.fetch("POST", "/keys", { body: new Uint8Array([0x7b, 0xff]) })).status,
    415,
  );
});

Deno.test("the number and size of pairs set at once is limited", async () => {
  const http = new HttpBench({ bodyBytesMax: 1 << 22 });
  const pairs = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, ""])));
  const post = (count: number) =>
    http.fetch("POST", "/keys", { body: pairs(count), headers: JSON_TYPE });
  assertEquals((await post(10_000)).status, 204);
  assertEquals((await post(10_001)).status, 413);
  assertEquals(await http.command("DBSIZE"), 10_000);
  const long = JSON.stringify({ a: "x".repeat(1 << 20) });
  assertEquals((await http.fetch("POST", "/keys", { body: long, headers: JSON_TYPE })).status, 413);
});

Deno.test("keys are listed in pages, by prefix", async () => {
  const http = new HttpBench();
  for (let at = 0; at < 300; at++) await http.command("SET", `user:${at}`, "x");
  await http.command("SET", "other", "x");
  await http.command("SET", "us*r", "x");
  const list = async (query: string) => {
    const found: string[] = [];
    let cursor: string | null = "0";
    let pages = 0;
    for (; cursor !== null; pages++) {
      const response = await http.fetch("GET", `/keys?cursor=${cursor}&${query}`);
      const page = await response.json();
      assert(page.keys.length <= Number(new URLSearchParams(query).get("limit") ?? 100));
      found.push(...page.keys.map(({ key }: { key: string }) => key));
      cursor = page.cursor;
    }
    return { found: found.sort(), pages };
  };
  assertEquals((await list("limit=100")).found.length, 302);
  const users = await list("prefix=user:&limit=50");
  assertEquals(users.found.length, 300);
  assert(users.pages >= 6, `${users.pages} pages`);
  assertEquals((await list("prefix=us*")).found, ["us*r"]);
  assertEquals((await list("prefix=none")).found, []);
  for (const query of ["limit=0", "limit=1001", "limit=x", "cursor=-1", "cursor=x", "cursor="]) {
    assertEquals((await http.fetch("GET", `/keys?${query}`)).status, 400, query);
  }
});

Deno.test("a prefix that few of many keys have is found, if on a later page", async () => {
  const http = new HttpBench();
  await http.command("SET", "rare", "x");
  for (let at = 0; at < 120_000; at += 1_000) {
    const pairs = Array.from({ length: 1_000 }, (_, next) => [`key:${at + next}`, ""]);
    await http.command("MSET", ...pairs.flat());
  }
  const page = async (query: string) => await (await http.fetch("GET", `/keys?${query}`)).json();
  const first = await page("prefix=rare&limit=1");
  assertEquals([first.keys, typeof first.cursor], [[], "string"]);
  const second = await page(`prefix=rare&limit=1&cursor=${first.cursor}`);
  assertEquals(second, { keys: [{ key: "rare", href: "/keys/rare" }], cursor: null });
});

Deno.test("keys that stand together are found one a page, without a page for every few keys", async () => {
  const http = new HttpBench();
  await http.command("MSET", "deep:1", "", "deep:2", "");
  const fillers = Array.from({ length: 9_000 }, (_, at) => [`key:${at}`, ""]);
  await http.command("MSET", ...fillers.flat());
  const found: string[] = [];
  let pages = 0;
  for (let cursor: string | null = "0"; cursor !== null; pages++) {
    const response = await http.fetch("GET", `/keys?prefix=deep&limit=1&cursor=${cursor}`);
    const page = await response.json();
    found.push(...page.keys.map(({ key }: { key: string }) => key));
    cursor = page.cursor;
    assert(pages < 10, "the end is not in sight");
  }
  assertEquals(found.sort(), ["deep:1", "deep:2"]);
});

Deno.test("a listed key's href is exact, and its text is readable", async () => {
  const http = new HttpBench();
  await http.command("SET", "\x00\xff/é?#%", "x");
  const { keys } = await (await http.fetch("GET", "/keys")).json();
  assertEquals(keys, [{ key: "\x00\ufffd/\ufffd?#%", href: "/keys/%00%FF/%E9%3F%23%25" }]);
  assertEquals((await http.fetch("GET", keys[0].href)).status, 200);
});

Deno.test("a body that is too large is refused, announced or not", async () => {
  const http = new HttpBench({ bodyBytesMax: 100 });
  assertEquals((await http.fetch("PUT", "/keys/a", { body: "x".repeat(100) })).status, 204);
  const large = "x".repeat(101);
  const stream = () => new Blob([large]).stream();
  for (const body of [large, stream()]) {
    assertEquals(
      await http.problem("PUT", "/keys/a", { body }),
      "413 too-large: The body is larger than 100 bytes, which is the limit.",
    );
  }
  assertEquals(await http.command("STRLEN", "a"), 100);
});

Deno.test("an error of the cluster keeps its meaning", async () => {
  const http = new HttpBench();
  const put = () => http.problem("PUT", "/keys/a", { body: "x" });
  for (
    const [reply, problem] of [
      ["CLUSTERDOWN no leader, held 5000 ms", "503 unavailable: no leader, held 5000 ms"],
      ["TRYAGAIN not now", "503 unavailable: not now"],
      ["UNKNOWN may have been executed", "504 outcome-unknown: may have been executed"],
      ["OOM command not allowed", "507 out-of-memory: command not allowed"],
      ["ERR 2 nodes were lost", "503 unavailable: 2 nodes were lost"],
      ["ODD", "503 unavailable: ODD"],
    ] as const
  ) {
    http.failure = reply;
    assertEquals(await put(), problem);
  }
  http.failure = "CLUSTERDOWN no leader";
  const response = await http.fetch("GET", "/keys/a");
  assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
});

Deno.test("unknown paths and methods are told from each other", async () => {
  const http = new HttpBench();
  assertEquals(
    await http.problem("GET", "/nothing"),
    "404 not-found: There is nothing here; /openapi.json lists what there is.",
  );
  assertEquals((await http.fetch("GET", "/keys/")).status, 404);
  assertEquals((await http.fetch("GET", "/openapiXjson")).status, 404);
  const patch = await http.fetch("PATCH", "/keys/a");
  assertEquals([patch.status, patch.headers.get("allow")], [405, "GET, PUT, DELETE, HEAD"]);
  assertEquals((await http.fetch("DELETE", "/livez")).headers.get("allow"), "GET, HEAD");
});

Deno.test("a failure inside is logged, and its client gets no detail of it", async () => {
  const logged: string[] = [];
  const log = (line: string) => void logged.push(line);
  const http = new HttpBench({ logger: { info: log, warn: log, error: log } });
  http.request = () => Promise.reject(new Error("secret"));
  assertEquals(
    await http.problem("GET", "/keys/a"),
    "500 internal-error: This request failed; the log says why.",
  );
  assertEquals(logged, ["HTTP getKey: secret"]);
});

Deno.test("a page of another site can neither read nor write", async () => {
  const http = new HttpBench();
  const from = (headers: Record<string, string>) => http.fetch("GET", "/keys", { headers });
  for (const host of ["localhost:8001", "127.0.0.1:8001", "[::1]:8001", "LOCALHOST", "127.9.9.9"]) {
    assertEquals((await from({ host })).status, 200, host);
    assertEquals((await from({ host, origin: `http://${host}` })).status, 200, host);
  }
  for (
    const host of ["evil.com", "localhost.evil.com:8001", "127.0.0.1.evil.com", "127.256.0.1", ""]
  ) {
    assertEquals((await from({ host })).status, 403, host);
  }
  for (const origin of ["http://evil.com", "null", "http://localhost:8002", "https://"]) {
    assertEquals((await from({ origin })).status, 403, origin);
  }
  const open = new HttpBench({ isLoopback: false });
  const get = (headers: Record<string, string>) => open.fetch("GET", "/keys", { headers });
  assertEquals((await get({ host: "regent.example" })).status, 200);
  assertEquals((await get({ host: "regent.example", origin: "http://evil.com" })).status, 403);
});

Deno.test("health is told", async () => {
  assertEquals(await (await new HttpBench().fetch("GET", "/livez")).json(), { status: "live" });
  assertEquals(await (await new HttpBench().fetch("GET", "/readyz")).json(), { status: "ready" });
  const http = new HttpBench({ whyNotReady: "no leader" });
  assertEquals(await http.problem("GET", "/readyz"), "503 not-ready: Cannot serve now: no leader");
  assertEquals((await http.fetch("GET", "/livez")).status, 200);
  const cluster = await (await http.fetch("GET", "/cluster")).json();
  assertEquals(cluster, { isServing: true, members: [] });
});

Deno.test("every answer says how browsers and caches must treat it", async () => {
  const http = new HttpBench();
  for (const path of ["/livez", "/keys/none", "/nothing", "/openapi.json", "/metrics"]) {
    const { headers } = await http.fetch("GET", path);
    assertEquals(headers.get("x-content-type-options"), "nosniff", path);
    assertEquals(headers.get("cache-control"), "no-store", path);
    assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'");
  }
});

Deno.test("what is refused unread is a problem as well", async () => {
  const { http } = new HttpBench();
  for (
    const [refusal, status, code] of [
      ["no-http", 400, "bad-request"],
      ["header-too-large", 431, "header-too-large"],
      ["too-slow", 408, "too-slow"],
      ["too-many-connections", 503, "busy"],
    ] as const
  ) {
    const response = http.refuse(refusal);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    const problem = await response.json();
    assertEquals([response.status, problem.status, problem.code], [status, status, code]);
  }
});

const X = { body: "x" };
const PAIRS = { body: '{"a":"1"}', headers: JSON_TYPE };

/** Each answer that the description lists, and how it comes about: request and reply of the store. */
const ANSWERS: readonly Answer[] = [
  ["isLive 200", "GET", "/livez"],
  ["isReady 200", "GET", "/readyz"],
  ["getCluster 200", "GET", "/cluster"],
  ["getMetrics 200", "GET", "/metrics"],
  ["getDescription 200", "GET", "/openapi.json"],
  ["watchCluster 200", "GET", "/events"],
  ["putKey 204", "PUT", "/keys/a", X],
  ["putKey 400", "PUT", "/keys/a?ttl-ms=0", X],
  ["putKey 412", "PUT", "/keys/none", { ...X, headers: { "if-match": "*" } }],
  ["putKey 413", "PUT", "/keys/a", { body: "x".repeat(2_000) }],
  ["putKey 503", "PUT", "/keys/a", X, "CLUSTERDOWN no leader"],
  ["putKey 504", "PUT", "/keys/a", X, "UNKNOWN no answer"],
  ["putKey 507", "PUT", "/keys/a", X, "OOM full"],
  ["getKey 200", "GET", "/keys/a"],
  ["getKey 400", "GET", "/keys/%"],
  ["getKey 404", "GET", "/keys/none"],
  ["getKey 409", "GET", "/keys/a", {}, "WRONGTYPE a list"],
  ["getKey 503", "GET", "/keys/a", {}, "CLUSTERDOWN no leader"],
  ["setKeys 204", "POST", "/keys", PAIRS],
  ["setKeys 400", "POST", "/keys", { ...PAIRS, body: "{" }],
  ["setKeys 413", "POST", "/keys", { ...PAIRS, body: "x".repeat(2_000) }],
  ["setKeys 415", "POST", "/keys", { body: "{}" }],
  ["setKeys 503", "POST", "/keys", PAIRS, "TRYAGAIN later"],
  ["setKeys 504", "POST", "/keys", PAIRS, "UNKNOWN no answer"],
  ["setKeys 507", "POST", "/keys", PAIRS, "OOM full"],
  ["listKeys 200", "GET", "/keys"],
  ["listKeys 400", "GET", "/keys?limit=0"],
  ["listKeys 503", "GET", "/keys", {}, "CLUSTERDOWN no leader"],
  ["deleteKey 204", "DELETE", "/keys/a"],
  ["deleteKey 400", "DELETE", "/keys/%"],
  ["deleteKey 404", "DELETE", "/keys/none"],
  ["deleteKey 503", "DELETE", "/keys/a", {}, "CLUSTERDOWN no leader"],
  ["deleteKey 504", "DELETE", "/keys/a", {}, "UNKNOWN no answer"],
];

/** The answers of a node in trouble, and to a client that sends only a header. */
const TROUBLE: readonly Answer[] = [
  ["isReady 503", "GET", "/readyz"],
  ["getCluster 503", "GET", "/cluster"],
  ["watchCluster 503", "GET", "/events"],
  ["putKey 408", "PUT", "/keys/a", { body: new ReadableStream() }],
  ["setKeys 408", "POST", "/keys", { body: new ReadableStream(), headers: JSON_TYPE }],
];

Deno.test("the description lists all operations, and each answer that it lists happens", async () => {
  const http = new HttpBench();
  const inTrouble = new HttpBench({
    stalledMsMax: 1,
    watchersMax: 0,
    isClusterDown: true,
    whyNotReady: "down",
  });
  for (const [bench, answers] of [[http, ANSWERS], [inTrouble, TROUBLE]] as const) {
    assertEquals(await bench.answers(answers), answers.map(([answer]) => answer));
  }
  const listed = [...ANSWERS, ...TROUBLE].map(([answer]) => answer);
  assertEquals(http.describedAnswers.sort(), listed.sort());
});

Deno.test("the description that is served is complete", async () => {
  const http = new HttpBench();
  const document = await (await http.fetch("GET", "/openapi.json")).json();
  assertEquals(document, JSON.parse(JSON.stringify(descriptionOf(http.http.api))));
  const operations = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`)
  );
  const routes = http.http.api.routes.map(({ method, path }) => `${method} ${path}`);
  assertEquals(operations.sort(), routes.toSorted());
  // The schemas of files are there although this bench has none.
  const text = JSON.stringify(document);
  for (const [, name = ""] of text.matchAll(/#\/components\/schemas\/(\w+)/g)) {
    assert(name in document.components.schemas, name);
  }
});
