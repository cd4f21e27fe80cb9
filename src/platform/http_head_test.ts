import { assertEquals, assertThrows } from "@std/assert";
import { bodyOf, encodeHead, HttpSyntaxError, parseHead } from "./http_head.ts";

Deno.test("a head comes back as it was written", () => {
  const text = new TextDecoder().decode(
    encodeHead("GET /a HTTP/1.1", [["Host", "b"], ["x-y", "1"]]),
  );
  assertEquals(text, "GET /a HTTP/1.1\r\nHost: b\r\nx-y: 1\r\n\r\n");
  const { first, fields } = parseHead(text.slice(0, -4));
  assertEquals([first, [...fields]], [["GET", "/a", "HTTP/1.1"], [["host", "b"], ["x-y", "1"]]]);
  assertEquals(parseHead("HTTP/1.1 200").first, ["HTTP/1.1", "200", ""]);
  assertEquals(parseHead("HTTP/1.1 404 Not Found").first, ["HTTP/1.1", "404", "Not Found"]);
  assertEquals(parseHead("A b\r\nc:  d \t\r\nC:e").fields.get("c"), "d, e");
});

Deno.test("what could be read in two ways is refused", () => {
  const heads = [
    "",
    "GET",
    "GET  / HTTP/1.1",
    " GET / HTTP/1.1",
    "GET / HTTP/1.1\r\nfolded: a\r\n b",
    "GET / HTTP/1.1\r\nspace : a",
    "GET / HTTP/1.1\r\n: a",
    "GET / HTTP/1.1\r\nno colon",
    "GET / HTTP/1.1\r\na: b\nc: d",
    "GET / HTTP/1.1\r\na: b\0",
    "GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1",
    `GET / HTTP/1.1${"\r\na: b".repeat(101)}`,
  ];
  for (const head of heads) assertThrows(() => parseHead(head), HttpSyntaxError);
});

Deno.test("the end of a body is clear, or the message is refused", () => {
  const body = (...fields: string[]) =>
    bodyOf(parseHead(["PUT / HTTP/1.1", ...fields].join("\r\n")));
  assertEquals(body(), 0);
  assertEquals(body("content-length: 9007199254740991"), 2 ** 53 - 1);
  assertEquals(body("transfer-encoding: Chunked"), "chunked");
  for (
    const fields of [
      ["content-length: -1"],
      ["content-length: +1"],
      ["content-length: 1, 1"],
      ["content-length: 0x1"],
      ["content-length: "],
      ["content-length: 9007199254740992"],
      ["transfer-encoding: gzip, chunked"],
      ["transfer-encoding: identity"],
      ["transfer-encoding: chunked", "content-length: 1"],
    ]
  ) assertThrows(() => body(...fields), HttpSyntaxError);
});
