import { assertEquals, assertStringIncludes } from "@std/assert";
import { asHex, asJson, asText, bestFormat } from "./value_text.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("the format that shows most of a value is found", () => {
  assertEquals(bestFormat(bytes("hello\n")), "text");
  assertEquals(bestFormat(bytes(' {"a":1}')), "json");
  assertEquals(bestFormat(bytes("{broken")), "text");
  assertEquals(bestFormat(bytes("12")), "text");
  assertEquals(bestFormat(Uint8Array.of(0xff, 0x00)), "hex");
  assertEquals(bestFormat(bytes("a\x00b")), "hex");
  assertEquals(bestFormat(new Uint8Array(0)), "text");
});

Deno.test("values are shown exactly", () => {
  assertEquals(asText(bytes("\ufeffé")), "\ufeffé");
  assertEquals(asText(Uint8Array.of(0xc3)), null);
  assertEquals(asJson('{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}');
  const hex = asHex(Uint8Array.from({ length: 18 }, (_, at) => at + 0x3e));
  assertEquals(hex.split("\n"), [
    "00000000  3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d  >?@ABCDEFGHIJKLM",
    "00000010  4e 4f                                            NO",
  ]);
  assertStringIncludes(asHex(new Uint8Array(70_000)).slice(-3), "…");
});
