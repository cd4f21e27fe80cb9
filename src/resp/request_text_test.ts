import { assertEquals } from "@std/assert";
import { encodeRequest, joinArguments } from "./encode.ts";
import { RequestText } from "./request_decoder.ts";

Deno.test("a request's text yields the arguments that it was made of", () => {
  const requests = [
    ["PING"],
    [""],
    ["", "", ""],
    ["SET", "a\r\nb", "\x00\xff*3\r\n$1\r\n"],
    ["abcdefghi"],
    ["abcdefghij", "a name of ten"],
    ["x".repeat(100), "x".repeat(1000), "y".repeat(10_000)],
    ["DEL", ...Array.from({ length: 1000 }, (_, i) => "k".repeat(i % 12))],
  ];
  for (const args of requests) {
    const made = RequestText.of(args);
    assertEquals(made.text, encodeRequest(args).slice(`*${args.length}\r\n`.length));
    assertEquals(joinArguments(args), made.text);
    const read = new RequestText(args.length, made.text);
    for (const text of [made, read]) {
      assertEquals(text.args(), args);
      text.args().push("more");
      assertEquals(text.args().length, args.length);
      assertEquals([text.name, text.count], [args[0], args.length]);
    }
  }
});
