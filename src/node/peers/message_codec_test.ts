import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { Batch, encodeEntry, type LogEntry } from "../log/entry.ts";
import type { StoredSnapshot } from "../snapshots/snapshot.ts";
import { FrameDecoder, FrameWriter, type LazyPiece, ProtocolError } from "./frames.ts";
import {
  encodeWholeEntry,
  ENTRY_PART_BYTES,
  FRAME_BYTES_MAX,
  MessageDecoder,
  writeMessage,
} from "./message_codec.ts";
import { type PeerMessage, SNAPSHOT_CHUNK_BYTES_MAX, type SnapshotChunk } from "./peer_message.ts";

const ENTRY_BYTES_MAX = 4 * ENTRY_PART_BYTES;

const bytes = (text: string) => new TextEncoder().encode(text);
const base64 = (data: Uint8Array) => Buffer.from(data).toString("base64");
const envelope = { from: "n1", to: "n2", term: 3 };

const SNAPSHOT: StoredSnapshot = {
  index: 8,
  term: 2,
  timeMs: 1_700_000_000_000,
  machineVersion: 2,
  configuration: {
    members: [{ id: "n1", raftAddress: { host: "h", port: 17001 }, isLearner: false }],
    removed: ["n9", "\u00fcml\u00e4ut \u{1f600}"],
  },
  sizeBytes: 300,
  checksum: 77,
};

const CHUNK: SnapshotChunk = {
  ...envelope,
  type: "snapshotChunk",
  index: 8,
  checksum: 77,
  offset: 20,
  bytes: Uint8Array.from({ length: 256 }, (_, byte) => byte),
};

const MESSAGES: readonly PeerMessage[] = [
  { ...envelope, type: "preVote", lastIndex: 5, lastTerm: 2, isTransfer: false },
  { ...envelope, type: "vote", lastIndex: 5, lastTerm: 2, isTransfer: true },
  { ...envelope, type: "preVoteReply", granted: true },
  { ...envelope, type: "voteReply", granted: false },
  { ...envelope, type: "appendReply", accepted: false, index: 9, hintIndex: 4, hintTerm: 1 },
  { ...envelope, type: "append", prevIndex: 5, prevTerm: 2, commit: 5, entries: [] },
  { ...envelope, type: "heartbeat", commit: 7, round: 2 },
  { ...envelope, type: "heartbeat", commit: 7, round: 2, busyMib: 8 },
  { ...envelope, type: "heartbeatReply", round: 2 },
  { ...envelope, type: "readIndex", readId: 11 },
  { ...envelope, type: "readIndexReply", readId: 11, index: null },
  { type: "clock", from: "n1", to: "n2", serial: 4294967296 },
  { type: "clockReply", from: "n1", to: "n2", serial: 5, timeMs: 1.7e12, logTimeMs: null },
  { type: "clockReply", from: "n1", to: "n2", serial: 6, timeMs: 1.7e12, logTimeMs: 1.8e12 },
  { ...envelope, type: "snapshotOffer", snapshot: SNAPSHOT },
  CHUNK,
  { ...CHUNK, bytes: new Uint8Array(SNAPSHOT_CHUNK_BYTES_MAX).fill(7) },
  {
    ...envelope,
    type: "snapshotReply",
    index: 8,
    checksum: 4294967295,
    offset: 0,
    isToOffer: true,
  },
];

const decoder = (machine = { oldest: 1, newest: 2 }) =>
  new MessageDecoder({ from: "n1", to: "n2", entryBytesMax: ENTRY_BYTES_MAX, machine });

/** The payloads of a message's frames. */
function payloadsOf(message: PeerMessage): Uint8Array[] {
  const writer = new FrameWriter();
  writeMessage(writer, message);
  const frames = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  frames.push(Buffer.concat(writer.take()));
  const payloads: Uint8Array[] = [];
  for (let payload = frames.next(); payload !== null; payload = frames.next()) {
    payloads.push(payload);
  }
  return payloads;
}

/** What arrives of these frames. */
function decoded(payloads: readonly Uint8Array[]): PeerMessage[] {
  const messages = decoder();
  return payloads.map((payload) => messages.decode(payload)).filter((message) => message !== null);
}

Deno.test("every message survives the wire, as one JSON object", () => {
  for (const message of MESSAGES) {
    const payloads = payloadsOf(message);
    assertEquals(payloads.length, 1);
    const [text = ""] = payloads.map((payload) => new TextDecoder().decode(payload));
    assertEquals(JSON.parse(text).type, message.type);
    assertEquals(decoded(payloads), [message]);
  }
});

Deno.test("sender and receiver follow from the connection, whatever a frame says", () => {
  const text = '{"type":"heartbeatReply","term":1,"round":0,"from":"n3","to":"n9"}';
  const message = decoder().decode(bytes(text));
  assertEquals([message?.from, message?.to], ["n1", "n2"]);
});

Deno.test("an invalid message is refused", () => {
  const append = '{"type":"append","term":1,"prevIndex":0,"prevTerm":0,"commit":0';
  const chunk = '{"type":"snapshotChunk","term":1,"index":1,"checksum":1,"offset":0';
  const tooMuch = "A".repeat(Math.ceil((SNAPSHOT_CHUNK_BYTES_MAX + 1) / 3) * 4);
  for (
    const [text, why] of [
      ["", "not JSON"],
      ["{", "not JSON"],
      ["[]", "not a JSON object"],
      ["null", "not a JSON object"],
      ["{}", "unknown type"],
      ['{"type":"snapshot"}', "unknown type"],
      [`${chunk},"bytes":""}`, "wrong bytes"],
      [`${chunk},"bytes":7}`, "wrong bytes"],
      [`${chunk},"bytes":"AQ="}`, "a chunk with wrong base64"],
      [`${chunk},"bytes":"${tooMuch}"}`, "over the limit"],
      ['{"type":"snapshotReply","term":1,"index":1,"checksum":1,"offset":-1}', "wrong offset"],
      ['{"type":"__proto__"}', "unknown type"],
      ['{"type":"heartbeat","term":-1,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":1.5,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":9007199254740992,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":1,"round":0}', "wrong commit"],
      ['{"type":"heartbeat","term":1,"commit":0,"round":0,"busyMib":-1}', "wrong busyMib"],
      ['{"type":"heartbeat","term":1,"commit":"0","round":0}', "wrong commit"],
      ['{"type":"voteReply","term":1,"granted":1}', "wrong granted"],
      [`${append},"entries":2}`, "wrong entries"],
      [`${append},"entries":{"length":0}}`, "wrong entries"],
      [`${append},"entries":[""]}`, "wrong entries"],
      [`${append},"entries":[7]}`, "wrong entries"],
      [`${append},"entries":[${"null,".repeat(65_536)}null]}`, "wrong entries"],
      [`${append},"entries":["AQ"]}`, "an entry with wrong base64"],
      [`${append},"entries":["AQ=="]}`, "its kind, index or term is wrong"],
      [`${append},"entries":[null]}`, "entry 1 did not come in parts"],
      ['{"type":"heartbeat","__proto__":{"term":1,"commit":0,"round":0}}', "wrong term"],
    ] as const
  ) {
    assertThrows(() => decoder().decode(bytes(text)), ProtocolError, why);
  }
  const invalidUtf8 = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  assertThrows(() => decoder().decode(invalidUtf8), ProtocolError, "not JSON");
});

Deno.test("an offer of an invalid snapshot is refused", () => {
  const { configuration } = SNAPSHOT;
  for (
    const wrong of [
      { ...SNAPSHOT, index: 0 },
      { ...SNAPSHOT, sizeBytes: -1 },
      { ...SNAPSHOT, machineVersion: null },
      { ...SNAPSHOT, checksum: "77" },
      { ...SNAPSHOT, configuration: null },
      { ...SNAPSHOT, configuration: { ...configuration, removed: ["n1"] } },
      [],
      null,
      "snapshot",
    ]
  ) {
    const text = JSON.stringify({ type: "snapshotOffer", term: 3, snapshot: wrong });
    assertThrows(() => decoder().decode(bytes(text)), ProtocolError);
  }
});

const APPEND = { ...envelope, type: "append", prevIndex: 4, prevTerm: 2, commit: 4 } as const;

function entry(index: number, term: number, ...commands: string[][]): LogEntry {
  const one = { index, term, data: new Batch(1, commands), sizeBytes: 0 };
  return { ...one, sizeBytes: encodeEntry(one).length };
}

function appendOf(...entries: LogEntry[]): PeerMessage {
  return { ...APPEND, entries };
}

/** What of an append must be the same on both sides. */
function bytesOf(message: PeerMessage | undefined) {
  assert(message?.type === "append");
  const { entries, ...fields } = message;
  return [fields, entries.map((one) => [one.sizeBytes, new Uint8Array(encodeEntry(one))])];
}

Deno.test("an entry's bytes are those of the log file, base64 in the append", () => {
  const noOp = { index: 5, term: 2, data: null, sizeBytes: 17 };
  const sent = appendOf(noOp, entry(6, 2, ["SET", "\0", "\xff"]), entry(7, 3));
  const payloads = payloadsOf(sent);
  assertEquals(payloads.length, 1);
  const { entries } = JSON.parse(new TextDecoder().decode(payloads[0]));
  assert(sent.type === "append");
  assertEquals(entries, sent.entries.map((one) => base64(encodeEntry(one))));
  assertEquals(decoded(payloads).map(bytesOf), [bytesOf(sent)]);
});

Deno.test("entries of an append follow each other", () => {
  for (
    const wrong of [
      [entry(5, 2), entry(7, 2)],
      [entry(4, 2), entry(5, 2)],
      [entry(5, 1), entry(6, 2)],
      [entry(5, 2), entry(6, 4)],
    ]
  ) {
    assertThrows(() => decoded(payloadsOf(appendOf(...wrong))), ProtocolError, "out of order");
  }
});

Deno.test("nothing is decoded after a version that is not understood here", () => {
  const raise = { index: 6, term: 2, data: new Batch(1, [], null, 3), sizeBytes: 33 };
  const later = [entry(7, 2, ["NEWER", "k"]), long(8, ENTRY_PART_BYTES)];
  const payloads = payloadsOf(appendOf(entry(5, 2), raise, ...later));
  const messages = decoder();
  const appends = payloads.map((payload) => messages.decode(payload)).filter((one) => one !== null);
  assertEquals(appends.map(bytesOf), [bytesOf(appendOf(entry(5, 2), raise))]);
  const heartbeat: PeerMessage = { ...envelope, type: "heartbeat", commit: 7, round: 2 };
  assertEquals(payloadsOf(heartbeat).map((payload) => messages.decode(payload)), [heartbeat]);
  const newer = decoder({ oldest: 1, newest: 3 });
  const last = payloads.at(-1) ?? new Uint8Array();
  payloads.slice(0, -1).forEach((payload) => newer.decode(payload));
  assertThrows(() => newer.decode(last), ProtocolError, "entry 7");
});

Deno.test("entries contain only writes", () => {
  for (const command of [["GET", "k"], ["PING"], ["NOSUCH"], ["SET", "k"], ["__proto__"]]) {
    const wrong = appendOf(entry(5, 2, ["SET", "a", "b"]), entry(6, 2, command));
    assertThrows(() => decoded(payloadsOf(wrong)), ProtocolError, "entry 6");
  }
});

/** An entry of about the given number of bytes. */
const long = (index: number, sizeBytes: number) =>
  entry(index, 2, ["SET", "k", `\xff${"v".repeat(sizeBytes)}`]);

Deno.test("a long entry arrives in parts, each a frame, among short ones", () => {
  const sent = appendOf(
    long(5, 2 * ENTRY_PART_BYTES),
    entry(6, 2, ["DEL", "k"]),
    long(7, ENTRY_PART_BYTES),
  );
  const payloads = payloadsOf(sent);
  assertEquals(payloads.length, 3 + 2 + 1);
  assert(payloads.every(({ length }) => length < ENTRY_PART_BYTES * 4 / 3 + 100));
  assertEquals(decoded(payloads).map(bytesOf), [bytesOf(sent)]);
  const messages = decoder();
  for (const again of [payloads, payloads]) {
    const received = again.map((payload) => messages.decode(payload));
    assertEquals(bytesOf(received.at(-1) ?? undefined), bytesOf(sent));
  }
});

Deno.test("a part becomes base64 once for all peers, and when it is its turn", () => {
  const append = (of: LogEntry): LazyPiece[] => {
    const frames = new FrameWriter();
    writeMessage(frames, appendOf(of));
    return frames.takePieces().filter((piece) => !(piece instanceof Uint8Array)) as LazyPiece[];
  };
  const one = long(5, 3 * ENTRY_PART_BYTES);
  const [toFirst, toSecond, toLast] = [append(one), append(one), append(one)];
  assertEquals([toFirst.length, toSecond.length], [4, 4]);
  toFirst.forEach((piece, at) => {
    const [frame] = piece.make();
    assert(frame !== undefined && frame.length >= piece.length);
    assertStrictEquals(toSecond[at]?.make()[0], frame);
  });
  const other = entry(5, 2, ["SET", "k", `\xff${"w".repeat(3 * ENTRY_PART_BYTES)}`]);
  const ofOther = append(other).flatMap((piece) => piece.make());
  const again = toLast.flatMap((piece) => piece.make());
  again.forEach((frame, at) => assert(Buffer.compare(frame, ofOther[at] ?? frame) !== 0));
});

Deno.test("inconsistent parts are refused", () => {
  const payloads = payloadsOf(appendOf(long(5, 2 * ENTRY_PART_BYTES)));
  const [first, second, third, append] = payloads.map((payload) =>
    JSON.parse(new TextDecoder().decode(payload))
  );
  const heartbeat = { type: "heartbeat", term: 3, commit: 0, round: 0 };
  const other = { ...append, entries: [base64(encodeEntry(entry(5, 2)))] };
  for (
    const [wrong, why] of [
      [[first, third], "does not follow"],
      [[second], "does not follow"],
      [[first, first], "does not follow"],
      [[first, { ...second, index: 6 }], "does not follow"],
      [[first, { ...second, sizeBytes: 1e6 }], "does not follow"],
      [[first, second, { ...third, bytes: second.bytes }], "does not follow"],
      [[first, second, third, third], "does not follow"],
      [[first, { ...second, bytes: "" }], "does not follow"],
      [[first, { ...second, bytes: second.bytes.replace(/^./, " ") }], "wrong base64"],
      [[first, { ...second, bytes: [] }], "wrong field"],
      [[{ ...first, sizeBytes: -1 }], "wrong field"],
      [[{ ...first, sizeBytes: ENTRY_BYTES_MAX + 1 }], "over the limit"],
      [[first, second, third, { ...first, index: 6, sizeBytes: 5e5 }], "over the limit"],
      [[first, second, append], "did not come in parts"],
      [[first, second, third, { ...append, prevIndex: 5 }], "did not come in parts"],
      [[first, second, third, other], "parts of an entry that no append asked for"],
      [[first, second, third, heartbeat, append, append], "did not come in parts"],
    ] as const
  ) {
    const frames = wrong.map((fields) => bytes(JSON.stringify(fields)));
    assertThrows(() => decoded(frames), ProtocolError, why);
  }
});

Deno.test("an entry's base64 is made once for all peers, and released when it is applied", () => {
  const one = long(5, ENTRY_PART_BYTES / 2);
  const text = encodeWholeEntry(one);
  assertStrictEquals(encodeWholeEntry(one), text);
  one.data?.forgetCommands();
  const again = encodeWholeEntry(one);
  assert(again !== text && encodeWholeEntry(one) !== again, "kept for an entry that is applied");
  assertEquals(again, text);
  const moved = entry(5, 2, ["SET", "k", "v"]);
  const before = encodeWholeEntry(moved);
  const after = encodeWholeEntry({ ...moved, term: 3 });
  assert(base64(before) !== base64(after), "another term's bytes");
});

Deno.test("no base64 of a large entry is made before its parts are sent", () => {
  const writer = new FrameWriter();
  const one = long(5, 2 * ENTRY_PART_BYTES);
  writeMessage(writer, {
    ...envelope,
    type: "append",
    prevIndex: 4,
    prevTerm: 2,
    commit: 4,
    entries: [one],
  });
  const pieces = writer.takePieces();
  const isLater = pieces.map((piece) => !(piece instanceof Uint8Array));
  assertEquals(isLater, [true, true, true, false]);
  for (const piece of pieces) {
    const made = piece instanceof Uint8Array ? [piece] : piece.make();
    const madeBytes = made.reduce((sum, { length }) => sum + length, 0);
    assert(madeBytes >= piece.length && madeBytes < piece.length + 200, "its length is told wrong");
  }
});
