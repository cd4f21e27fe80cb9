import { assertEquals, assertRejects } from "@std/assert";
import { latin1Bytes } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";
import { inputLines } from "./typed_lines.ts";

async function* input(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield latin1Bytes(chunk);
}

Deno.test("lines are the same wherever the bytes are cut", async () => {
  const text = "a\n\nbc\xff\r\n\x00d";
  const wanted = ["a", "", "bc\xff\r", "\x00d"];
  for (let cut = 0; cut <= text.length; cut++) {
    const lines = inputLines(input(text.slice(0, cut), text.slice(cut)));
    assertEquals(await Array.fromAsync(lines), wanted);
  }
  assertEquals(await Array.fromAsync(inputLines(input(...text))), wanted);
  assertEquals(await Array.fromAsync(inputLines(input("a\n"))), ["a"]);
});

Deno.test("a line without an end is not taken in for ever", async () => {
  const endless = inputLines(input("abc", "def", "ghi"), 8);
  await assertRejects(() => Array.fromAsync(endless), UserError, "more than 8 bytes");
});
