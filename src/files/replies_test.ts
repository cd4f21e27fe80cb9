import { assertEquals } from "@std/assert";
import { textIn, utf8 } from "./replies.ts";

Deno.test("text is the same after the way through a reply, also with a byte order mark", () => {
  for (const text of ["", "a/é", "\ufeffsong.mp3", "\ufeff\ufeff", "a\ufeff"]) {
    assertEquals(textIn(utf8(text)), text);
  }
});
