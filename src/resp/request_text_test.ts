import { assertEquals } from "@std/assert";
import { RequestText } from "./request_text.ts";

Deno.test("a text gives the arguments back that it is made of", () => {
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
    const text = RequestText.of(args);
    assertEquals(text.args(), args);
    assertEquals([text.name, text.count], [args[0], args.length]);
  }
});
