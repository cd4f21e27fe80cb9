import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/latin1.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import type { Clock } from "../../../src/node/clock.ts";
import type { Stream, StreamHandlers } from "../../../src/node/network.ts";
import { ProtocolError } from "../../../src/node/peers/frame_decoder.ts";
import { FrameWriter } from "../../../src/node/peers/frame_writer.ts";
import {
  encodeHeader,
  type Hello,
  PROTOCOL_VERSION,
} from "../../../src/node/peers/message_codec.ts";
import { PeerInbox } from "../../../src/node/peers/peer_inbox.ts";
import type { PeerMessage } from "../../../src/node/peers/peer_message.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { mutate } from "../mutate.ts";
import { entryText, randomEntry } from "./entries.ts";

const FRAME_BYTES_MAX = 4096;

export const FRAME_WORDS = [
  ...["\0\0\0\0", "\0\0\0\x02{}", "\0\0\0\x04null", "null", "[]", "true", '"__proto__":{}'],
  ...['"term":9', '"entries":1', '"entries":65536', '"type":"append"', '"type":"vote"'],
  ...['"commit":9', '"prevIndex":0', "1e308", "-1", "[[[[", "\\u0000", "9007199254740991"],
];

/** Payloads as frames. */
export function framed(payloads: readonly string[]): string {
  const frames = new FrameWriter();
  for (const payload of payloads) frames.addPayload(latin1Bytes(payload));
  const bytes = Buffer.concat(frames.take());
  return latin1(bytes, 0, bytes.length);
}

/** What a member may begin with. */
export function helloText(random: Random, change: Partial<Hello> = {}): string {
  const hello: Hello = {
    regent: PROTOCOL_VERSION,
    cluster: "c1",
    from: random() < 0.9 ? "n3" : "n9",
    to: "n1",
    host: "127.0.0.1",
    port: 7003,
    raftHost: "127.0.0.1",
    raftPort: 17003,
    configuration: random() < 0.9 ? 0 : 5,
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
    { type: "readIndexReply", readId: near(3), index: isTrue ? null : near(6) },
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
  const header = encodeHeader(message);
  return message.type === "append" ? [header, ...message.entries.map(entryText)] : [header];
}

/** What a member sends on one connection; often with one frame changed inside its right length. */
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

/** The receiving end of a connection between nodes, up to the messages that it hands on. */
export const frames: FuzzTarget = {
  name: "frames",
  words: FRAME_WORDS,
  sample: connectionText,
  run(input) {
    const whole = receive([latin1Bytes(input)]);
    const cut = receive(chunksOf(input, seededRandom(choiceSeed(input))));
    assertEquals(cut, whole, "how the bytes are cut changes what they say");
    assert(whole.refusals.length <= 1 && whole.closedCount <= 1, "a connection ended twice");
    assert(whole.refusals.length === whole.closedCount, "closed and not said why");
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

/** What the receiving end of node n1 makes of a connection. */
export function receive(
  chunks: readonly Uint8Array[],
  frameBytesMax = FRAME_BYTES_MAX,
): Received {
  const received: Received = { messages: [], refusals: [], closedCount: 0 };
  const stream = new FakeStream();
  new PeerInbox(stream, {
    self: "n1",
    frameBytesMax,
    clock: CLOCK,
    onRefusal: (_who, _remote, reason) => received.refusals.push(reason),
    onHello: (hello) => {
      if (hello.from !== "n3") throw new ProtocolError("no member");
      return null;
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
