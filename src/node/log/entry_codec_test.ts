import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Batch, type LogEntry } from "../entry.ts";
import { decodeEntry, encodeEntry, EntryFormatError, sizeOfBatch } from "./entry_codec.ts";

const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");

function entry(index: number, term: number, commands: string[][] | null): LogEntry {
  const data = commands === null ? null : new Batch(1_700_000_000_000, commands);
  return { index, term, data, sizeBytes: sizeOfBatch(data) };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("an entry is readable JSON", () => {
  assertEquals(
    textOf(encodeEntry(entry(7, 2, [["SET", "k", "v"]]))),
    '{"index":7,"term":2,"time":1700000000000,"commands":[["SET","k","v"]]}',
  );
  assertEquals(textOf(encodeEntry(entry(1, 1, null))), '{"index":1,"term":1}');
});

Deno.test("what is encoded is decoded, every byte and none at all included", () => {
  const cases: (string[][] | null)[] = [
    null,
    [],
    [["SET", "k", ALL_BYTES], ["DEL", ""]],
    [["\\u1234", "__proto__", "constructor"]],
    [["x".repeat(300_000), ALL_BYTES.repeat(2_000)]],
  ];
  for (const commands of cases) {
    const bytes = encodeEntry(entry(9, 3, commands));
    const decoded = decodeEntry(bytes);
    assertEquals([decoded.index, decoded.term, decoded.sizeBytes], [9, 3, bytes.length]);
    assertEquals(decoded.data?.commands, commands ?? undefined);
    assertEquals(decoded.data?.timeMs, commands === null ? undefined : 1_700_000_000_000);
  }
});

Deno.test("an entry is encoded once, and anew only at another place of the log", () => {
  const data = new Batch(1, [["SET", "k", "v"]]);
  const first = encodeEntry({ index: 1, term: 1, data, sizeBytes: 0 });
  assertStrictEquals(encodeEntry({ index: 1, term: 1, data, sizeBytes: 0 }), first);
  assertEquals(decodeEntry(encodeEntry({ index: 2, term: 1, data, sizeBytes: 0 })).index, 2);
  assertEquals(decodeEntry(encodeEntry({ index: 2, term: 5, data, sizeBytes: 0 })).term, 5);
});

Deno.test("a decoded entry keeps its bytes, whatever becomes of the buffer they came in", () => {
  const original = encodeEntry(entry(7, 2, [["SET", "k", "v"]]));
  const buffer = original.slice();
  const decoded = decodeEntry(buffer);
  buffer.fill(0);
  assertEquals(encodeEntry(decoded), original);
});

Deno.test("anything that is no entry is refused", () => {
  const wrong = [
    "",
    "null",
    "[]",
    "{}",
    '{"index":7,"term":2',
    '{"index":7}',
    '{"term":2,"index":7}',
    ' {"index":7,"term":2}',
    '{"index": 7,"term":2}',
    '\ufeff{"index":7,"term":2}',
    '{"index":0,"term":2}',
    '{"index":-7,"term":2}',
    '{"index":7.5,"term":2}',
    '{"index":1e300,"term":2}',
    '{"index":9007199254740993,"term":2}',
    '{"index":"7","term":2}',
    '{"index":7,"term":0}',
    '{"index":7,"term":null}',
    '{"index":7,"term":2,"index":8}',
    // Read by its digits alone, the term would be 20.
    '{"index":7,"term":20e-1}',
    '{"index":7,"term":20,"term":2}',
    '{"index":7,"term":2.0}',
    '{"index":7,"term":2,"time":3}',
    '{"index":7,"term":2,"commands":[]}',
    '{"index":7,"term":2,"time":-1,"commands":[]}',
    '{"index":7,"term":2,"time":"3","commands":[]}',
    '{"index":7,"term":2,"time":3,"commands":{}}',
    '{"index":7,"term":2,"time":3,"commands":[[]]}',
    '{"index":7,"term":2,"time":3,"commands":["SET"]}',
    '{"index":7,"term":2,"time":3,"commands":[["SET",1]]}',
    '{"index":7,"term":2,"time":3,"commands":[["SET",["k"]]]}',
    '{"index":7,"term":2,"time":3,"commands":[["\u0100"]]}',
    '{"index":7,"term":2,"time":3,"commands":[["\\u0100"]]}',
    '{"index":7,"term":2,"time":3,"commands":[["\\ud83c\\udfb5"]]}',
    '{"index":7,"term":2,"time":3,"commands":[["SET"]],"more":1}',
    '{"index":7,"term":2,"__proto__":{"time":3,"commands":[]}}',
    '{"index":7,"term":2,"__proto__":{"time":3},"commands":[]}',
  ];
  for (const text of wrong) {
    assertThrows(() => decodeEntry(bytesOf(text)), EntryFormatError, "Cannot decode", text);
  }
  const malformed = bytesOf('{"index":7,"term":2,"time":3,"commands":[["a"]]}');
  malformed[malformed.length - 5] = 0xff;
  assertThrows(() => decodeEntry(malformed), EntryFormatError);
});

Deno.test("the estimated size is near the encoded one", () => {
  const batch = new Batch(1_700_000_000_000, [["SET", "key", "v".repeat(64)], ["DEL", "a", "b"]]);
  const bytes = encodeEntry({ index: 1000, term: 3, data: batch, sizeBytes: 0 }).length;
  assert(Math.abs(sizeOfBatch(batch) - bytes) < 20, `${sizeOfBatch(batch)} for ${bytes}`);
});
