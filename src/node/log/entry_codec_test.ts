import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { latin1Bytes } from "../../base/bytes.ts";
import { AssertionFailure } from "../../base/errors.ts";
import {
  Batch,
  decodeEntry,
  decodePlace,
  encodeEntry,
  EntryFormatError,
  type LogEntry,
  sizeOfBatch,
} from "./entry.ts";

const TIME_MS = 1_700_000_000_000;

function entry(index: number, term: number, commands: string[][] | null): LogEntry {
  const data = commands === null ? null : new Batch(TIME_MS, commands);
  return { index, term, data, sizeBytes: sizeOfBatch(data) };
}

/** Bytes of an entry's beginning. */
function head(kind: number, ...numbers: (number | bigint)[]): number[] {
  const bytes = numbers.flatMap((number) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(number));
    return [...new Uint8Array(view.buffer)];
  });
  return [kind, ...bytes];
}

const textBytes = (text: string) => [...new TextEncoder().encode(text)];

const MEMBER = '{"id":"n1","raftAddress":{"host":"h","port":1},"isLearner":false}';
const CONFIGURATION = `{"members":[${MEMBER}],"removed":[]}`;

Deno.test("an entry is its kind, index, term and time, and what it carries", () => {
  const bytes = encodeEntry(entry(7, 2, [["SET", "k", "v"]]));
  assertEquals([...bytes], [...head(2, 7, 2, TIME_MS), 1, 3, 3, 1, 1, ...textBytes("SETkv")]);
  assertEquals([...encodeEntry(entry(1, 1, null))], head(1, 1, 1));
  assertEquals([...encodeEntry(entry(1, 1, []))], [...head(2, 1, 1, TIME_MS), 0]);
});

Deno.test("encoded entries are decoded", () => {
  const large = Number.MAX_SAFE_INTEGER;
  for (const [index, term] of [[9, 3], [1, 1], [large, large], [2 ** 32, 2 ** 32 + 1]] as const) {
    for (const commands of [null, [], [["SET", "k", "\x00\xff"], ["DEL", ""]]]) {
      const bytes = encodeEntry(entry(index, term, commands));
      const decoded = decodeEntry(bytes);
      assertEquals([decoded.index, decoded.term, decoded.sizeBytes], [index, term, bytes.length]);
      assertEquals(decoded.data?.commands, commands ?? undefined);
      assertEquals(decoded.data?.timeMs, commands === null ? undefined : TIME_MS);
      assertEquals(decodePlace(bytes), {
        index,
        term,
        isConfiguration: false,
        machineVersion: null,
      });
    }
  }
});

Deno.test("a change of members is JSON after the time, and recognised without decoding it", () => {
  const raftAddress = { host: "h", port: 17001 };
  const members = [
    { id: "n1", raftAddress, isLearner: false },
    { id: "nö2", raftAddress, isLearner: true },
  ];
  const configuration = { members, removed: ["n0"] };
  const data = new Batch(5, [], configuration);
  const bytes = encodeEntry({ index: 7, term: 2, data, sizeBytes: 0 });
  const text = '{"members":[' +
    '{"id":"n1","raftAddress":{"host":"h","port":17001},"isLearner":false},' +
    '{"id":"nö2","raftAddress":{"host":"h","port":17001},"isLearner":true}],"removed":["n0"]}';
  assertEquals([...bytes], [...head(3, 7, 2, 5), ...textBytes(text)]);
  assertEquals(sizeOfBatch(data), bytes.length);
  const decoded = decodeEntry(bytes);
  assertEquals(decoded.data?.configuration, configuration);
  assertEquals([decoded.data?.timeMs, decoded.data?.commands], [5, []]);
  assertEquals(decodePlace(bytes), {
    index: 7,
    term: 2,
    isConfiguration: true,
    machineVersion: null,
  });
  assertThrows(() => new Batch(5, [["SET"]], configuration), AssertionFailure);
});

Deno.test("a change of members that is not whole is refused", () => {
  const decode = (text: string) =>
    decodeEntry(Uint8Array.from([...head(3, 7, 2, 5), ...textBytes(text)]));
  assertEquals(decode(CONFIGURATION).data?.configuration?.members.length, 1);
  const wrong = [
    ...["", " ", "null", "7", "[]", "{}", "{", '{"members":[]}', '{"removed":[]}'],
    `\ufeff${CONFIGURATION}`,
    `${CONFIGURATION}x`,
    `{"members":[${MEMBER},${MEMBER}],"removed":[]}`,
    `{"members":[${MEMBER}],"removed":["n1"]}`,
    '{"members":[],"removed":[]}',
    CONFIGURATION.replace("false", "true"),
    `{"members":[${MEMBER}],"removed":[7]}`,
    `{"members":[${MEMBER}],"removed":[""]}`,
    `{"members":[${MEMBER},null],"removed":[]}`,
    `{"members":{},"removed":[]}`,
    `{"__proto__":${CONFIGURATION}}`,
    CONFIGURATION.replace('"n1"', "1"),
    CONFIGURATION.replace('"n1"', '""'),
    CONFIGURATION.replace('"h"', '""'),
    CONFIGURATION.replace(":1}", ":65536}"),
    CONFIGURATION.replace(":1}", ":1.5}"),
    CONFIGURATION.replace(":1}", ':"1"}'),
    CONFIGURATION.replace("false", "0"),
  ];
  for (const text of wrong) assertThrows(() => decode(text), EntryFormatError, "", text);
  const malformed = Uint8Array.from([...head(3, 7, 2, 5), ...latin1Bytes('{"members":"\xff"}')]);
  assertThrows(() => decodeEntry(malformed), EntryFormatError);
});

Deno.test("an entry is encoded once, and again only for another place in the log", () => {
  const data = new Batch(1, [["SET", "k", "v"]]);
  const first = encodeEntry({ index: 1, term: 1, data, sizeBytes: 0 });
  assertStrictEquals(encodeEntry({ index: 1, term: 1, data, sizeBytes: 0 }), first);
  assertEquals(decodeEntry(encodeEntry({ index: 2, term: 1, data, sizeBytes: 0 })).index, 2);
  assertEquals(decodeEntry(encodeEntry({ index: 2, term: 5, data, sizeBytes: 0 })).term, 5);
});

Deno.test("a decoded entry keeps its bytes, whatever happens to the buffer", () => {
  const original = encodeEntry(entry(7, 2, [["SET", "k", "v"]]));
  const buffer = original.slice();
  const decoded = decodeEntry(buffer);
  buffer.fill(0);
  assertEquals(encodeEntry(decoded), original);
});

Deno.test("commands that were forgotten are decoded from the bytes, if there are any", () => {
  const commands = [["SET", "k", "\xff\0"], ["DEL", "k"]];
  const place = { index: 7, term: 2, sizeBytes: 0 };
  const unwritten = new Batch(1, commands);
  unwritten.forgetCommands();
  assertStrictEquals(unwritten.commands, commands);
  const written = encodeEntry({ ...place, data: unwritten });
  const decoded = decodeEntry(written.slice()).data;
  const member = { id: "n1", raftAddress: { host: "h", port: 1 }, isLearner: false };
  const changed = new Batch(1, [], { members: [member], removed: [] });
  encodeEntry({ ...place, data: changed });
  for (const batch of [unwritten, decoded, changed]) {
    assert(batch !== null);
    const before = batch.commands;
    batch.forgetCommands();
    assertEquals(batch.commands, before);
    assert(batch.commands !== before);
  }
  const elsewhere = encodeEntry({ ...place, index: 8, data: unwritten });
  assertEquals(decodeEntry(elsewhere).data?.commands, commands);
});

Deno.test("anything that is not an entry is refused", () => {
  const commands = [1, 1, 1, 0x61];
  const tooLarge = 2n ** 53n;
  const wrong = [
    [],
    ...[0, 4, 0x7b, 0xff].map((kind) => [...head(kind, 7, 2, 5), ...commands]),
    head(1, 7, 2).slice(0, -1),
    [...head(1, 7, 2), 0],
    head(1, 7, 2, 5),
    head(2, 7, 2),
    head(2, 7, 2, 5),
    head(3, 7, 2, 5),
    head(1, 0, 2),
    head(1, 7, 0),
    head(1, tooLarge, 2),
    head(1, 7, tooLarge),
    head(1, 2n ** 64n - 1n, 2),
    [...head(2, 7, 2, tooLarge), ...commands],
    [...head(2, 7, 2, 5), ...commands.slice(0, -1)],
    [...head(2, 7, 2, 5), ...commands, 0],
    textBytes('{"index":7,"term":2,"time":3,"commands":[["a"]]}'),
  ];
  for (const bytes of wrong) {
    assertThrows(
      () => decodeEntry(Uint8Array.from(bytes)),
      EntryFormatError,
      "Cannot decode",
      `${bytes}`,
    );
  }
});

Deno.test("the estimated size is near the encoded one", () => {
  const batch = new Batch(TIME_MS, [["SET", "key", "v".repeat(64)], ["DEL", "a", "b".repeat(500)]]);
  const bytes = encodeEntry({ index: 1000, term: 3, data: batch, sizeBytes: 0 }).length;
  assert(Math.abs(sizeOfBatch(batch) - bytes) < 5, `${sizeOfBatch(batch)} for ${bytes}`);
  assertEquals(sizeOfBatch(null), encodeEntry(entry(1, 1, null)).length);
});

Deno.test("a version of the state machine survives, and is recognised without decoding the rest", () => {
  const raise = { index: 7, term: 2, data: new Batch(TIME_MS, [], null, 3), sizeBytes: 33 };
  const bytes = encodeEntry(raise);
  assertEquals([bytes.length, sizeOfBatch(raise.data)], [33, 33]);
  const place = { index: 7, term: 2, isConfiguration: false, machineVersion: 3 };
  assertEquals(decodePlace(bytes), place);
  const { data } = decodeEntry(bytes.slice());
  assertEquals([data?.timeMs, data?.machineVersion, data?.commands], [TIME_MS, 3, []]);
  for (
    const wrong of [bytes.slice(0, -1), new Uint8Array([...bytes, 0]), bytes.slice().fill(0, 25)]
  ) {
    assertThrows(() => decodeEntry(wrong), EntryFormatError);
  }
});
