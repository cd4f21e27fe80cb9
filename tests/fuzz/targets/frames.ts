import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { BUILD_VERSIONS } from "../../../src/node/members/versions.ts";
import { FrameDecoder, FrameWriter, ProtocolError } from "../../../src/node/peers/frames.ts";
import type { Hello } from "../../../src/node/peers/hello.ts";
import { PeerInbox } from "../../../src/node/peers/inbox.ts";
import { writeMessage } from "../../../src/node/peers/message_codec.ts";
import type { PeerMessage } from "../../../src/node/peers/peer_message.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Stream, StreamHandlers } from "../../../src/platform/network.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { mutate } from "../mutate.ts";
import { entryText, randomEntry } from "./entries.ts";

/** Limit of an entry that arrives in parts. */
const ENTRY_BYTES_MAX = 4096;

export const FRAME_WORDS = [
  ...["\0\0\0\0", "\0\0\0\x02{}", "\0\0\0\x04null", "null", "[]", "true", '"__proto__":{}'],
  ...['"term":9', '"entries":1', '"entries":65536', '"type":"append"', '"type":"vote"'],
  ...[
    '"type":"entryPart"',
    '"offset":0',
    '"sizeBytes":4096',
    '"bytes":"AQID"',
    "AAAA",
    "==",
    "null",
  ],
  ...['"commit":9', '"prevIndex":0', "1e308", "-1", "[[[[", "\\u0000", "9007199254740991"],
];

const SNAPSHOT = {
  timeMs: 1_700_000_000_000,
  machineVersion: 1,
  configuration: {
    members: [{ id: "n\u00fc", raftAddress: { host: "h", port: 17001 }, isLearner: false }],
    removed: [],
  },
  sizeBytes: 30,
  checksum: 3,
};

/** Payloads as frames. */
export function framed(payloads: readonly string[]): string {
  const frames = new FrameWriter();
  for (const payload of payloads) frames.addPieces([latin1Bytes(payload)]);
  const bytes = Buffer.concat(frames.take());
  return latin1(bytes, 0, bytes.length);
}

/** Hello messages. */
export function helloText(random: Random, change: Partial<Hello> = {}): string {
  const hello: Hello = {
    ...BUILD_VERSIONS,
    cluster: "c1",
    from: random() < 0.9 ? "n3" : "n9",
    to: "n1",
    host: "127.0.0.1",
    port: 7003,
    raftHost: "127.0.0.1",
    raftPort: 17003,
    configuration: random() < 0.9 ? 0 : 5,
    incarnation: random() < 0.9 ? "of n3" : "another",
    life: random() < 0.9 ? "l1" : "l2",
    founders: {},
    isFounded: random() < 0.9,
    lane: random() < 0.9 ? "urgent" : null,
  };
  return JSON.stringify({ ...hello, ...change });
}

/** The payloads of a message near the state of a node in term 3 with six entries. */
export function messagePayloads(random: Random): string[] {
  const near = (value: number) => Math.max(0, value + randomInteger(random, 5) - 2);
  const term = near(4);
  const isTrue = random() < 0.5;
  const prevIndex = near(5);
  const entries = Array.from(
    { length: randomInteger(random, 4) },
    (_, at) => randomEntry(random, prevIndex + 1 + at, Math.max(1, Math.min(term, 3))),
  );
  const messages: readonly PeerMessage[] = [
    { type: "preVote", lastIndex: near(6), lastTerm: near(3), isTransfer: isTrue },
    { type: "vote", lastIndex: near(6), lastTerm: near(3), isTransfer: isTrue },
    { type: "preVoteReply", granted: isTrue },
    { type: "voteReply", granted: isTrue },
    { type: "append", prevIndex, prevTerm: 3, commit: near(6), entries },
    { type: "append", prevIndex, prevTerm: near(3), commit: near(6), entries },
    { type: "append", prevIndex, prevTerm: 3, commit: near(6), entries },
    {
      type: "appendReply",
      accepted: isTrue,
      index: near(6),
      hintIndex: near(6),
      hintTerm: near(3),
    },
    { type: "heartbeat", commit: near(6), round: near(3) },
    { type: "heartbeatReply", round: near(3) },
    { type: "readIndex", readId: near(3) },
    { type: "clock", serial: near(3) },
    { type: "clockReply", serial: near(3), timeMs: near(1e12), logTimeMs: isTrue ? null : near(9) },
    { type: "readIndexReply", readId: near(3), index: isTrue ? null : near(6) },
    { type: "snapshotOffer", snapshot: { ...SNAPSHOT, index: near(6), term: near(3) } },
    {
      type: "snapshotChunk",
      index: near(6),
      checksum: near(3),
      offset: near(9),
      bytes: latin1Bytes("\x00\xff chunk".repeat(near(3))),
    },
    {
      type: "snapshotReply",
      index: near(6),
      checksum: near(3),
      offset: near(9),
      isToOffer: isTrue,
    },
  ].map((fields) => ({ from: "n3", to: "n1", term, ...fields }) as PeerMessage);
  const message = messages[randomInteger(random, messages.length)];
  if (message === undefined) return [];
  return random() < 0.2 ? inParts(message, random) : payloadsOf(message);
}

/** The payloads of a message's frames. */
export function payloadsOf(message: PeerMessage): string[] {
  const writer = new FrameWriter();
  writeMessage(writer, message);
  const frames = new FrameDecoder({ frameBytesMax: Infinity });
  frames.push(Buffer.concat(writer.take()));
  const payloads: string[] = [];
  for (let frame = frames.next(); frame !== null; frame = frames.next()) {
    payloads.push(latin1(frame, 0, frame.length));
  }
  return payloads;
}

/** An append with entries in parts, which in production only long entries have. */
function inParts(message: PeerMessage, random: Random): string[] {
  const payloads = payloadsOf(message);
  if (message.type !== "append") return payloads;
  const parts: string[] = [];
  const append = JSON.parse(payloads[0] ?? "");
  for (const [at, entry] of message.entries.entries()) {
    if (random() < 0.5) continue;
    append.entries[at] = null;
    const bytes = latin1Bytes(entryText(entry));
    for (let offset = 0; offset < bytes.length;) {
      const length = 1 + randomInteger(random, bytes.length);
      const part = bytes.subarray(offset, offset + length).toString("base64");
      const fields = { index: entry.index, offset, sizeBytes: bytes.length, bytes: part };
      parts.push(JSON.stringify({ type: "entryPart", ...fields }));
      offset += length;
    }
  }
  return [...parts, JSON.stringify(append)];
}

/** What a member sends on one connection, often with one frame changed but of the right length. */
export function connectionText(random: Random): string {
  const payloads = [helloText(random)];
  for (let left = randomInteger(random, 4); left > 0; left--) {
    payloads.push(...messagePayloads(random));
  }
  if (random() < 0.7) {
    const at = randomInteger(random, payloads.length);
    const another = () => messagePayloads(random).join("");
    payloads[at] = mutate(payloads[at] ?? "", { random, words: FRAME_WORDS, another });
  }
  return framed(payloads);
}

/** The receiving side of a connection between nodes, up to the decoded messages. */
export const frames: FuzzTarget = {
  name: "frames",
  words: FRAME_WORDS,
  sample: connectionText,
  run(input) {
    const whole = receive([latin1Bytes(input)]);
    const cut = receive(chunksOf(input, seededRandom(choiceSeed(input))));
    assertEquals(cut, whole, "the chunks change the result");
    assert(whole.refusals.length <= 1 && whole.closedCount <= 1, "a connection ended twice");
    assert(whole.refusals.length === whole.closedCount, "closed without a reason");
  },
};

interface Received {
  readonly messages: PeerMessage[];
  readonly refusals: string[];
  closedCount: number;
}

const CLOCK: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: () => () => {},
  soon: (run) => run(),
};

/** What the receiving side of node n1 decodes from a connection. */
export function receive(
  chunks: readonly Uint8Array[],
  entryBytesMax = ENTRY_BYTES_MAX,
): Received {
  const received: Received = { messages: [], refusals: [], closedCount: 0 };
  const stream = new FakeStream();
  new PeerInbox(stream, {
    self: "n1",
    entryBytesMax,
    machine: BUILD_VERSIONS.machine,
    clock: CLOCK,
    onRefusal: (_who, _remote, reason) => received.refusals.push(reason),
    onHello: (hello) => {
      if (hello.from !== "n3") throw new ProtocolError("no member");
      return { type: "welcome", protocol: hello.protocol.newest };
    },
    onMessage: (message) => {
      assert(received.refusals.length === 0, "a message after the refusal");
      received.messages.push(message);
    },
    onClose: () => received.closedCount++,
  });
  for (const chunk of chunks) if (!stream.isClosed) stream.handlers?.onData(chunk);
  return received;
}

class FakeStream implements Stream {
  readonly remote = "the fuzzer";
  handlers: StreamHandlers | null = null;
  isClosed = false;

  pendingBytes(): number {
    return 0;
  }

  write(): void {}

  handle(handlers: StreamHandlers): void {
    this.handlers = handlers;
  }

  close(): void {
    this.isClosed = true;
  }
}
