import { assertEquals } from "@std/assert";
import { encodeEntry } from "./entry.ts";
import { encodeSynced, parseLogRecord } from "./record.ts";

const parse = (text: string) => parseLogRecord(new TextEncoder().encode(text));

Deno.test("a payload that is no object of ours is no record", () => {
  const wrong = [
    "",
    "null",
    "7",
    '"x"',
    "[]",
    "{}",
    "{",
    '{"term":-1,"vote":null}',
    '{"synced":7}',
  ];
  for (const text of wrong) assertEquals(parse(text), null, text);
});

Deno.test("an entry is known by its beginning", () => {
  const bytes = encodeEntry({ index: 8, term: 3, data: null, sizeBytes: 0 });
  assertEquals(parseLogRecord(bytes), {
    kind: "entry",
    index: 8,
    term: 3,
    isConfiguration: false,
    machineVersion: null,
  });
});

Deno.test("a record that tells of a sync tells whose it is", () => {
  const record = parseLogRecord(encodeSynced(77, 'a "nonce"'));
  assertEquals(record, { kind: "synced", offset: 77, nonce: 'a "nonce"' });
});
