import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { encodeReply } from "../../../src/resp/encode.ts";
import {
  DoubleReply,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  VerbatimReply,
} from "../../../src/resp/reply.ts";
import {
  decodeReply,
  ReplyFormatError,
  ReplyScanner,
  type ScannedReply,
} from "../../../src/resp/reply_scanner.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { randomBytes } from "../mutate.ts";

const LIMITS = { replyBytesMax: 8192, lineBytesMax: 1024, depthMax: 32 };

/** A few replies of a node, of any shape. */
export function replyText(random: Random): string {
  let text = "";
  for (let left = 1 + randomInteger(random, 4); left > 0; left--) {
    text += encodeReply(randomReply(random, 3), random() < 0.5 ? 2 : 3);
  }
  return text;
}

function randomReply(random: Random, depthMax: number): Reply {
  const items = () =>
    Array.from({ length: randomInteger(random, 4) }, () => randomReply(random, depthMax - 1));
  switch (randomInteger(random, depthMax > 0 ? 12 : 8)) {
    case 0:
      return OK;
    case 1:
      return new ErrorReply(`MOVED ${randomInteger(random, 16384)} 127.0.0.1:7001`);
    case 2:
      return randomInteger(random, 2000) - 100;
    case 3:
      return BigInt("9223372036854775807");
    case 4:
      return null;
    case 5:
      return new DoubleReply([0, -0, 1.5, Infinity, NaN][randomInteger(random, 5)] ?? 0);
    case 6:
      return new VerbatimReply(randomBytes(random, 20));
    case 7:
      return randomBytes(random, 40);
    case 8:
      return new MapReply(items().map((item) => ["key", item]));
    case 9:
      return new PushReply(items());
    default:
      return items();
  }
}

/** The scanner and decoder of replies, as the proxy uses them. */
export const replies: FuzzTarget = {
  name: "replies",
  words: ["\r\n", "+OK\r\n", "$-1\r\n", "*-1\r\n", "_\r\n", "#t\r\n", "|1\r\n", "%1\r\n", ">0\r\n"],
  sample: replyText,
  run(input) {
    const whole = scanAll([latin1Bytes(input)]);
    const cut = scanAll(chunksOf(input, seededRandom(choiceSeed(input))));
    assertEquals(cut.texts, whole.texts, "the chunks change the result");
    assertEquals(cut.end.kind, whole.end.kind, "the chunks change the end");
    assert(input.startsWith(whole.texts.join("")), "a reply differs from the received bytes");
    for (const text of whole.texts) assertDecodable(text);
    assertDecodable(input);
  },
};

function scanAll(chunks: readonly Uint8Array[]): { texts: string[]; end: ScannedReply } {
  const scanner = new ReplyScanner(LIMITS);
  const texts: string[] = [];
  let end: ScannedReply = { kind: "incomplete" };
  for (const chunk of chunks) {
    scanner.push(chunk);
    for (end = scanner.next(); end.kind === "complete"; end = scanner.next()) texts.push(end.text);
    if (end.kind === "invalid") break;
  }
  return { texts, end };
}

/** A valid reply can be encoded and decoded again; an invalid one gives the documented error. */
function assertDecodable(text: string): void {
  let reply: Reply;
  try {
    reply = decodeReply(text);
  } catch (error) {
    assert(error instanceof ReplyFormatError, `${error}`);
    return;
  }
  const encoded = encodeReply(reply, 3);
  assertEquals(encodeReply(decodeReply(encoded), 3), encoded);
}
