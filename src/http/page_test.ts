import { assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { Page, type PageFile } from "./page.ts";

function file(text: string, type: string, etag: string): PageFile {
  return { type, etag, gzip: Buffer.from(gzipSync(text)).toString("base64") };
}

const page = new Page({
  "/": file("<p>Regent", "text/html; charset=utf-8", "aa"),
  "/assets/index-x1.js": file("run()", "text/javascript; charset=utf-8", "bb"),
});

function answer(path: string, headers: Record<string, string> = {}, method = "GET") {
  return page.answer(new Request(`http://localhost${path}`, { method, headers }));
}

Deno.test("the page's files are served, compressed for those who take it", async () => {
  for (const encoding of ["", "br", "gzip;q=0", "gzip; q=0.000, br"]) {
    const plain = answer("/?source=x", { "accept-encoding": encoding });
    assertEquals(plain?.headers.get("content-encoding"), null, encoding);
    assertEquals(plain?.headers.get("content-length"), "9");
    assertEquals(await plain?.text(), "<p>Regent");
  }
  for (const encoding of ["gzip", "br, GZIP;q=0.5", "*"]) {
    const gzip = answer("/assets/index-x1.js", { "accept-encoding": encoding });
    assertEquals(gzip?.headers.get("content-encoding"), "gzip", encoding);
    assertEquals(gzip?.headers.get("content-type"), "text/javascript; charset=utf-8");
    const stream = gzip?.body?.pipeThrough(new DecompressionStream("gzip")) ?? null;
    assertEquals(await new Response(stream).text(), "run()");
  }
  const head = answer("/", {}, "HEAD");
  assertEquals([head?.headers.get("content-length"), await head?.text()], ["9", ""]);
});

Deno.test("other requests are left to others", () => {
  assertEquals(answer("/assets/none.js"), null);
  assertEquals(answer("/keys/a"), null);
  assertEquals(answer("/constructor"), null);
  assertEquals(answer("/", {}, "POST"), null);
});

Deno.test("what a browser has is not sent again, and hashed names are kept for good", () => {
  const status = (path: string, ifNoneMatch: string, encoding = "") =>
    answer(path, { "if-none-match": ifNoneMatch, "accept-encoding": encoding })?.status;
  assertEquals(status("/", '"aa"'), 304);
  assertEquals(status("/", 'W/"x", W/"aa"'), 304);
  assertEquals(status("/", "*"), 304);
  assertEquals(status("/", '"bb"'), 200);
  assertEquals(status("/", '"aa"', "gzip"), 200);
  assertEquals(status("/", '"aa-gzip"', "gzip"), 304);
  assertEquals(answer("/")?.headers.get("cache-control"), "no-cache");
  const kept = answer("/assets/index-x1.js")?.headers.get("cache-control") ?? "";
  assertStringIncludes(kept, "immutable");
});

Deno.test("the page may use nothing but its own server, and nobody may frame it", () => {
  const headers = answer("/")?.headers;
  const policy = headers?.get("content-security-policy") ?? "";
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "frame-ancestors 'none'");
  assertEquals(/unsafe|https?:|\*/.test(policy), false, policy);
  assertEquals(headers?.get("x-content-type-options"), "nosniff");
  assertEquals(headers?.get("referrer-policy"), "no-referrer");
  assertEquals(headers?.get("cross-origin-opener-policy"), "same-origin");
});
