import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../../base/assert.ts";
import { Batch, type LogEntry } from "../entry.ts";
import { decodeEntry, encodeEntry, EntryFormatError, sizeOfBatch } from "./entry_codec.ts";
import { parseLogRecord } from "./log_record.ts";

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

Deno.test("a change of members is readable JSON, and found without decoding every entry", () => {
  const raftAddress = { host: "h", port: 17001 };
  const members = [
    { id: "n1", raftAddress, isLearner: false },
    { id: "nö2", raftAddress, isLearner: true },
  ];
  const configuration = { members, removed: ["n0"] };
  const bytes = encodeEntry({
    index: 7,
    term: 2,
    data: new Batch(5, [], configuration),
    sizeBytes: 0,
  });
  assertEquals(
    textOf(bytes),
    '{"index":7,"term":2,"time":5,"configuration":{"members":[' +
      '{"id":"n1","raftAddress":{"host":"h","port":17001},"isLearner":false},' +
      '{"id":"nö2","raftAddress":{"host":"h","port":17001},"isLearner":true}],"removed":["n0"]}}',
  );
  const decoded = decodeEntry(bytes);
  assertEquals(decoded.data?.configuration, configuration);
  assertEquals([decoded.data?.timeMs, decoded.data?.commands], [5, []]);
  assertEquals(parseLogRecord(bytes), { kind: "entry", index: 7, term: 2, isConfiguration: true });
  const commands = encodeEntry(entry(7, 2, [["SET", '"configuration":', ',"configuration":']]));
  const { isConfiguration } = { isConfiguration: true, ...parseLogRecord(commands) };
  assertEquals(isConfiguration, false);
  assertThrows(() => new Batch(5, [["SET"]], configuration), AssertionFailure);
});

Deno.test("a change of members that is not whole, or in another place, is refused", () => {
  const head = '{"index":7,"term":2,';
  const member = '{"id":"n1","raftAddress":{"host":"h","port":1},"isLearner":false}';
  const whole = `{"members":[${member}],"removed":[]}`;
  assertEquals(
    decodeEntry(bytesOf(`${head}"time":5,"configuration":${whole}}`)).data?.configuration?.members
      .length,
    1,
  );
  const wrong = [
    `"configuration":${whole},"time":5`,
    `"time":5e0,"configuration":${whole}`,
    `"time": 5,"configuration":${whole}`,
    `"time":5,"configuration":${whole},"commands":[]`,
    `"time":5,"configuration":${whole},"time":6`,
    `"time":5,"\\u0063onfiguration":${whole}`,
    `"time":-1,"configuration":${whole}`,
    ...[
      "null",
      "7",
      "[]",
      "{}",
      '{"members":[]}',
      '{"removed":[]}',
      `{"members":[${member},${member}],"removed":[]}`,
      `{"members":[${member}],"removed":["n1"]}`,
      '{"members":[],"removed":[]}',
      whole.replace("false", "true"),
      `{"members":[${member}],"removed":[7]}`,
      `{"members":[${member}],"removed":[""]}`,
      `{"members":[${member},null],"removed":[]}`,
      `{"members":{},"removed":[]}`,
      whole.replace('"n1"', "1"),
      whole.replace('"n1"', '""'),
      whole.replace('"h"', '""'),
      whole.replace(":1}", ":65536}"),
      whole.replace(":1}", ":1.5}"),
      whole.replace(":1}", ':"1"}'),
      whole.replace("false", "0"),
    ].map((configuration) => `"time":5,"configuration":${configuration}`),
  ];
  for (const rest of wrong) {
    assertThrows(() => decodeEntry(bytesOf(`${head}${rest}}`)), EntryFormatError, "", rest);
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
