import { assertEquals } from "@std/assert";
import { decodeEntry } from "./entry_codec.ts";
import { parseLogRecord } from "./log_record.ts";

const parse = (text: string) => parseLogRecord(new TextEncoder().encode(text));

Deno.test("a payload that is no object of ours is no record", () => {
  const wrong = ["", "null", "7", '"x"', "[]", "{}", "{", '{"term":-1,"vote":null}'];
  for (const text of wrong) assertEquals(parse(text), null, text);
});

Deno.test("the largest index and term are read exactly", () => {
  const text = `{"index":${Number.MAX_SAFE_INTEGER},"term":${Number.MAX_SAFE_INTEGER}}`;
  const { index, term } = decodeEntry(new TextEncoder().encode(text));
  assertEquals(parse(text), { kind: "entry", index, term, isConfiguration: false });
});
