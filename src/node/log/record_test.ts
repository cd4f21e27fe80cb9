import { assert, assertEquals } from "@std/assert";
import { crc32 } from "../../base/bytes.ts";
import { encodeEntry } from "./entry.ts";
import {
  encodeSynced,
  isZeroFrom,
  parseLogRecord,
  payloadAt,
  RecordWriter,
  scanRecords,
} from "./record.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function recordsOf(...payloads: string[]): Uint8Array {
  const writer = new RecordWriter();
  for (const payload of payloads) writer.add(bytesOf(payload));
  return writer.bytes().slice();
}

Deno.test("a record is its length, a checksum of length and payload, and the payload", () => {
  const payload = bytesOf('{"term":3,"vote":"n1"}');
  const record = recordsOf(textOf(payload));
  const view = new DataView(record.buffer);
  assertEquals(view.getUint32(0), payload.length);
  assertEquals(view.getUint32(4), crc32(payload, payload.length));
  assertEquals(record.slice(8), payload);
  view.setUint32(4, crc32(payload));
  assertEquals(payloadAt(record, 0), null);
});

Deno.test("records are read in order, up to the first invalid one", () => {
  const records = recordsOf('{"a":1}', '{"b":22}', `{"c":"${"x".repeat(100_000)}"}`);
  const seen: [string, number][] = [];
  const end = scanRecords(records, (payload, offset) => seen.push([textOf(payload), offset]));
  assertEquals([end, seen.length], [records.length, 3]);
  assertEquals(seen.slice(0, 2), [['{"a":1}', 0], ['{"b":22}', 15]]);
  records[20] = 0xff;
  assertEquals(scanRecords(records, () => {}), 15);
});

Deno.test("zeros are the end, not a record", () => {
  const zeros = new Uint8Array(100);
  assertEquals([payloadAt(zeros, 0), scanRecords(zeros, () => {})], [null, 0]);
  assert(isZeroFrom(zeros, 3));
  zeros[99] = 1;
  assert(!isZeroFrom(zeros, 3));
});

Deno.test("a record larger than requested is not read", () => {
  const record = recordsOf('{"a":1}');
  assertEquals(payloadAt(record, 0, 7)?.length, 7);
  assertEquals(payloadAt(record, 0, 6), null);
});

const parse = (text: string) => parseLogRecord(new TextEncoder().encode(text));

Deno.test("a payload that is not one of our objects is not a record", () => {
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

Deno.test("an entry is recognised by its beginning", () => {
  const bytes = encodeEntry({ index: 8, term: 3, data: null, sizeBytes: 0 });
  assertEquals(parseLogRecord(bytes), {
    kind: "entry",
    index: 8,
    term: 3,
    isConfiguration: false,
    machineVersion: null,
  });
});

Deno.test("a sync record names the directory to which it belongs", () => {
  const record = parseLogRecord(encodeSynced(77, 'a "nonce"'));
  assertEquals(record, { kind: "synced", offset: 77, nonce: 'a "nonce"' });
});

Deno.test("a writer gives the room of large records back, and writes on", () => {
  const writer = new RecordWriter();
  writer.add(new Uint8Array(5 << 20).fill(1));
  assert(writer.bytes().buffer.byteLength > 5 << 20);
  writer.clear();
  assert(writer.bytes().buffer.byteLength <= 4 << 20);
  writer.add(bytesOf("next"));
  const seen: string[] = [];
  scanRecords(writer.bytes(), (payload) => seen.push(textOf(payload)));
  assertEquals(seen, ["next"]);
});
