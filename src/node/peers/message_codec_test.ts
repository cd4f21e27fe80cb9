import { assert, assertEquals, assertThrows } from "@std/assert";
import { Batch, type LogEntry } from "../entry.ts";
import type { StoredSnapshot } from "../snapshots/snapshot.ts";
import { ProtocolError } from "./frame_decoder.ts";
import {
  type AppendHeader,
  type ChunkHeader,
  decodeHeader,
  decodeHello,
  encodeBody,
  encodeHeader,
  type Header,
  joinAppend,
  joinChunk,
  joinOffer,
  type OfferHeader,
} from "./message_codec.ts";
import type { PeerMessage, SnapshotChunk, SnapshotOffer } from "./peer_message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const envelope = { from: "n1", to: "n2", term: 3 };

const MESSAGES: readonly Header[] = [
  { ...envelope, type: "preVote", lastIndex: 5, lastTerm: 2, isTransfer: false },
  { ...envelope, type: "vote", lastIndex: 5, lastTerm: 2, isTransfer: true },
  { ...envelope, type: "preVoteReply", granted: true },
  { ...envelope, type: "voteReply", granted: false },
  { ...envelope, type: "appendReply", accepted: false, index: 9, hintIndex: 4, hintTerm: 1 },
  { ...envelope, type: "heartbeat", commit: 7, round: 2 },
  { ...envelope, type: "heartbeatReply", round: 2 },
  { ...envelope, type: "readIndex", readId: 11 },
  { ...envelope, type: "readIndexReply", readId: 11, index: null },
  {
    ...envelope,
    type: "snapshotReply",
    index: 8,
    checksum: 4294967295,
    offset: 0,
    isToOffer: true,
  },
];

const SNAPSHOT: StoredSnapshot = {
  index: 8,
  term: 2,
  timeMs: 1_700_000_000_000,
  configuration: {
    members: [{ id: "n1", raftAddress: { host: "h", port: 17001 }, isLearner: false }],
    removed: ["n9"],
  },
  sizeBytes: 300,
  checksum: 77,
};

/** Through the codec, as inbox and link do it. */
function carried(message: SnapshotOffer | SnapshotChunk): SnapshotOffer | SnapshotChunk {
  const header = decodeHeader(bytes(encodeHeader(message)), "n1", "n2");
  const body = encodeBody(message);
  assert(body !== null);
  if (header.type === "snapshotOffer") return joinOffer(header, body);
  assert(header.type === "snapshotChunk");
  return joinChunk(header, body);
}

Deno.test("an offer and a chunk of every byte survive the wire", () => {
  const offer: SnapshotOffer = { ...envelope, type: "snapshotOffer", snapshot: SNAPSHOT };
  assertEquals(carried(offer), offer);
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const chunk: SnapshotChunk = {
    ...envelope,
    type: "snapshotChunk",
    index: 8,
    checksum: 77,
    offset: 20,
    bytes: all,
  };
  assertEquals(carried(chunk), chunk);
});

Deno.test("a chunk and an offer that are not what they say are refused", () => {
  const chunk: ChunkHeader = {
    ...envelope,
    type: "snapshotChunk",
    index: 8,
    checksum: 77,
    offset: 0,
    bytes: 2,
  };
  for (const text of ["", "a", "abc"]) {
    assertThrows(() => joinChunk(chunk, bytes(text)), ProtocolError);
  }
  const shared = bytes("ab");
  const { bytes: kept } = joinChunk(chunk, shared);
  shared.fill(0);
  assertEquals(kept, bytes("ab"));
  const offer: OfferHeader = { ...envelope, type: "snapshotOffer" };
  const { configuration } = SNAPSHOT;
  for (
    const wrong of [
      { ...SNAPSHOT, index: 0 },
      { ...SNAPSHOT, sizeBytes: -1 },
      { ...SNAPSHOT, checksum: "77" },
      { ...SNAPSHOT, configuration: null },
      { ...SNAPSHOT, configuration: { ...configuration, removed: ["n1"] } },
      [],
    ]
  ) {
    assertThrows(() => joinOffer(offer, bytes(JSON.stringify(wrong))), ProtocolError);
  }
});

Deno.test("every message survives the wire", () => {
  for (const message of MESSAGES) {
    assertEquals(decodeHeader(bytes(encodeHeader(message as PeerMessage)), "n1", "n2"), message);
  }
});

Deno.test("sender and receiver follow from the connection, whatever a frame says", () => {
  const text = '{"type":"heartbeatReply","term":1,"round":0,"from":"n3","to":"n9"}';
  const message = decodeHeader(bytes(text), "n1", "n2");
  assertEquals([message.from, message.to], ["n1", "n2"]);
});

Deno.test("what is no message of ours is refused", () => {
  for (
    const [text, why] of [
      ["", "not JSON"],
      ["{", "not JSON"],
      ["[]", "no JSON object"],
      ["null", "no JSON object"],
      ["{}", "unknown type"],
      ['{"type":"snapshot"}', "unknown type"],
      ['{"type":"snapshotChunk","term":1,"index":1,"checksum":1,"offset":0,"bytes":0}', "bytes"],
      [
        '{"type":"snapshotChunk","term":1,"index":1,"checksum":1,"offset":0,"bytes":131073}',
        "bytes",
      ],
      ['{"type":"snapshotReply","term":1,"index":1,"checksum":1,"offset":-1}', "wrong offset"],
      ['{"type":"__proto__"}', "unknown type"],
      ['{"type":"heartbeat","term":-1,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":1.5,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":9007199254740992,"commit":0,"round":0}', "wrong term"],
      ['{"type":"heartbeat","term":1,"round":0}', "wrong commit"],
      ['{"type":"heartbeat","term":1,"commit":"0","round":0}', "wrong commit"],
      ['{"type":"voteReply","term":1,"granted":1}', "wrong granted"],
      [
        '{"type":"append","term":1,"prevIndex":0,"prevTerm":0,"commit":0,"entries":65537}',
        "entries",
      ],
      ['{"type":"heartbeat","__proto__":{"term":1,"commit":0,"round":0}}', "wrong term"],
    ] as const
  ) {
    assertThrows(() => decodeHeader(bytes(text), "n1", "n2"), ProtocolError, why);
  }
  assertThrows(() => decodeHeader(new Uint8Array([0x22, 0xff, 0x22]), "n1", "n2"), ProtocolError);
});

const header: AppendHeader = {
  ...envelope,
  type: "append",
  prevIndex: 4,
  prevTerm: 2,
  commit: 4,
  entries: 2,
};

function entry(index: number, term: number, ...commands: string[][]): LogEntry {
  return { index, term, data: new Batch(1, commands), sizeBytes: 10 };
}

Deno.test("entries of an append follow each other", () => {
  const entries = [entry(5, 2, ["SET", "a", "b"]), entry(6, 3)];
  assertEquals(joinAppend(header, entries), { ...header, entries });
  for (
    const wrong of [
      [entry(5, 2), entry(7, 2)],
      [entry(4, 2), entry(5, 2)],
      [entry(5, 1), entry(6, 2)],
      [entry(5, 2), entry(6, 4)],
    ]
  ) {
    assertThrows(() => joinAppend(header, wrong), ProtocolError, "out of order");
  }
});

Deno.test("entries hold nothing but writes", () => {
  for (const command of [["GET", "k"], ["PING"], ["NOSUCH"], ["SET", "k"], ["__proto__"]]) {
    const entries = [entry(5, 2, ["SET", "a", "b"]), entry(6, 2, command)];
    assertThrows(() => joinAppend(header, entries), ProtocolError, "entry 6");
  }
});

Deno.test("a hello of another version or form is refused", () => {
  const hello = {
    ...{ regent: 2, cluster: "c", from: "n1", to: "n2", host: "h", port: 7001 },
    ...{ raftHost: "h", raftPort: 17001, configuration: 3 },
  };
  assertEquals(decodeHello(bytes(JSON.stringify(hello))), hello);
  for (
    const change of [
      { regent: 1 },
      { regent: undefined },
      { cluster: 5 },
      { from: "x".repeat(256) },
      { to: null },
      { port: "7001" },
      { port: 65_536 },
      { host: "" },
      { host: "h\r\n+OK" },
      { host: "h 7001" },
    ]
  ) {
    const text = JSON.stringify({ ...hello, ...change });
    assertThrows(() => decodeHello(bytes(text)), ProtocolError);
  }
});
