import { assert, assertEquals } from "@std/assert";
import { textOf } from "../../../src/base/byte_string.ts";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { encodeArguments, encodeRequest } from "../../../src/resp/encode.ts";
import { type DecodedRequest, RequestDecoder } from "../../../src/resp/request_decoder.ts";
import { CommandGenerator } from "../../differential/command_generator.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";

/** Low limits, which inputs of some kilobytes reach. */
export const LIMITS = {
  bulkBytesMax: 4096,
  argumentsMax: 200,
  inlineBytesMax: 1024,
  requestBytesMax: 8192,
};

/** A few requests of a client, as arrays or inline. */
export function requestText(random: Random): string {
  const commands = new CommandGenerator(random);
  let text = "";
  for (let left = 1 + randomInteger(random, 5); left > 0; left--) {
    const { args } = commands.next();
    text += random() < 0.8 ? encodeRequest(args) : inlineText(args, random);
  }
  return text;
}

function inlineText(args: readonly string[], random: Random): string {
  const words = args.map((arg) => /^[\w-]+$/.test(arg) ? arg : JSON.stringify(arg));
  return words.join(" ") + (random() < 0.5 ? "\r\n" : "\n");
}

/** The decoder of clients' requests. */
export const requests: FuzzTarget = {
  name: "requests",
  words: [
    "\r\n",
    "*",
    "$",
    "*3\r\n$3\r\n",
    "*-1\r\n",
    "$-1\r\n",
    "POST / HTTP/1.1\r\n",
    '"',
    "\\x",
  ],
  sample: requestText,
  run(input) {
    const whole = decodeAll([latin1Bytes(input)]);
    const cut = decodeAll(chunksOf(input, seededRandom(choiceSeed(input))));
    assertEquals(cut, whole, "the chunks change the result");
    const forwarded = decodeAll(chunksOf(input, seededRandom(choiceSeed(input))), nextAsText);
    assertEquals(forwarded, whole, "the forwarded request differs from the received one");
    for (const args of whole.requests) assertSound(args);
  },
};

function nextAsText(decoder: RequestDecoder): DecodedRequest {
  const decoded = decoder.nextText();
  if (decoded.kind !== "complete") return decoded;
  const args = decoded.args();
  const text = [decoded.text, ...decoded.rest].map(textOf).join("");
  assertEquals(text, encodeArguments(args.map(textOf)), "not in the form that others read");
  return { kind: "complete", args };
}

/** Decodes requests of any form, up to the first that is invalid. */
export function decodeAll(
  chunks: readonly Uint8Array[],
  next = (decoder: RequestDecoder): DecodedRequest => decoder.next(),
): { requests: string[][]; end: DecodedRequest } {
  const decoder = new RequestDecoder(LIMITS);
  const requests: string[][] = [];
  let end: DecodedRequest = { kind: "incomplete" };
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (end = next(decoder); end.kind === "complete"; end = next(decoder)) {
      requests.push(end.args.map(textOf));
    }
    if (end.kind === "invalid") break;
  }
  return { requests, end };
}

function assertSound(args: string[]): void {
  assert(args.length >= 1 && args.length <= Math.max(LIMITS.argumentsMax, LIMITS.inlineBytesMax));
  let bytes = 0;
  for (const arg of args) bytes += arg.length;
  assert(bytes <= LIMITS.requestBytesMax, `a request of ${bytes} bytes`);
  const again = new RequestDecoder({ ...LIMITS, argumentsMax: 1024 });
  again.push(latin1Bytes(encodeRequest(args)));
  assertEquals(again.next(), { kind: "complete", args });
}
