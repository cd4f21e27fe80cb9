import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { encodeArguments, encodeCount, encodeRequest } from "./encode.ts";
import {
  type DecodedRequest,
  type DecodedText,
  RequestDecoder,
  type RequestLimits,
  RequestText,
} from "./request_decoder.ts";

interface Outcome {
  readonly requests: readonly string[][];
  readonly error: string | null;
  readonly crossProtocol: boolean;
}

/**
 * Decodes the text cut at the given positions, and reads every request after each piece. `next` and
 * `nextText` must agree.
 */
function decode(text: string, cuts: readonly number[], limits: RequestLimits = {}): Outcome {
  const decoder = new RequestDecoder(limits);
  const outcome = decodeWith(decoder, () => decoder.next(), text, cuts);
  const forwarder = new RequestDecoder(limits);
  const argsOf = (decoded: DecodedText): DecodedRequest => {
    if (decoded.kind !== "complete") return decoded;
    const args = decoded.args();
    assertEquals([decoded.name, decoded.count], [args[0], args.length]);
    const texts = args.map(textOf);
    assertEquals([decoded.text, ...decoded.rest].map(textOf).join(""), encodeArguments(texts));
    return { kind: "complete", args };
  };
  const next = () => argsOf(forwarder.nextText());
  assertEquals(decodeWith(forwarder, next, text, cuts), outcome, JSON.stringify(text.slice(0, 60)));
  return outcome;
}

function decodeWith(
  decoder: RequestDecoder,
  next: () => DecodedRequest,
  text: string,
  cuts: readonly number[],
): Outcome {
  const bytes = latin1Bytes(text);
  const requests: string[][] = [];
  const edges = [0, ...cuts, bytes.length];
  for (let i = 1; i < edges.length; i++) {
    // A copy that is wiped afterwards proves that nothing of a used-up chunk is looked at again.
    const chunk = new Uint8Array(bytes.subarray(edges[i - 1], edges[i]));
    decoder.push(chunk);
    let decoded = next();
    for (; decoded.kind === "complete"; decoded = next()) requests.push(decoded.args.map(textOf));
    if (decoded.kind === "invalid") {
      assertEquals(next(), decoded);
      return { requests, error: decoded.error, crossProtocol: decoded.crossProtocol };
    }
    chunk.fill(0x58);
  }
  return { requests, error: null, crossProtocol: false };
}

function assertInvalid(text: string, reason: string, limits: RequestLimits = {}): void {
  const whole = decode(text, [], limits);
  assertEquals(whole.error, `Protocol error: ${reason}`, JSON.stringify(text.slice(0, 60)));
  const step = Math.max(1, Math.floor(text.length / 50));
  for (let cut = 1; cut < text.length; cut += step) {
    assertEquals(decode(text, [cut], limits), whole);
  }
}

function everyPosition(text: string): number[] {
  return Array.from({ length: text.length - 1 }, (_, i) => i + 1);
}

const corpus: readonly (readonly [string, readonly string[][]])[] = [
  [encodeRequest(["SET", "k", "v"]), [["SET", "k", "v"]]],
  [encodeRequest(["SET", "", ""]), [["SET", "", ""]]],
  [encodeRequest(["SET", "a\r\nb", "\x00\xff*$\r\n"]), [["SET", "a\r\nb", "\x00\xff*$\r\n"]]],
  [encodeRequest(["__proto__", "constructor"]), [["__proto__", "constructor"]]],
  ["*0\r\n*-1\r\n*-5\r\n\r\n   \r\n\n" + encodeRequest(["PING"]), [["PING"]]],
  ["PING\r\nGET k\nset  a \t b \r\n", [["PING"], ["GET", "k"], ["set", "a", "b"]]],
  [`SET "a b" 'c\\'d' x"y"\r\n`, [["SET", "a b", "c'd", "xy"]]],
  [`ECHO "\\x00\\xfF\\n\\r\\t\\b\\a\\q\\"\\xZ" ""\r\n`, [[
    "ECHO",
    '\x00\xff\n\r\t\b\x07q"xZ',
    "",
  ]]],
  ["ECHO a\0 b\r\nPING\r\n", [["ECHO", "a"], ["PING"]]],
  ["ping\r\n" + encodeRequest(["ECHO", "x"]) + "get a\r\n", [["ping"], ["ECHO", "x"], [
    "get",
    "a",
  ]]],
];

Deno.test("a corpus yields the same requests at every split, byte by byte, and in one packet", () => {
  for (const [text, requests] of corpus) {
    assertEquals(decode(text, []).requests, requests);
    assertEquals(decode(text, everyPosition(text)).requests, requests);
    for (let cut = 1; cut < text.length; cut++) {
      assertEquals(decode(text, [cut]), { requests, error: null, crossProtocol: false });
    }
  }
  const everything = corpus.map(([text]) => text).join("");
  assertEquals(decode(everything, []).requests, corpus.flatMap(([, requests]) => requests));
});

Deno.test("a request is forwarded as it arrived, whatever its lengths, alone or in a small or large packet", () => {
  const lengths = [
    0,
    1,
    9,
    10,
    11,
    99,
    100,
    999,
    1000,
    9_999,
    10_000,
    100_000,
    9_999_999,
    10_000_000,
  ];
  for (const length of lengths) {
    const requests = [
      ["SET", "k", "v".repeat(length)],
      Array(1 + Math.min(length, 2000)).fill("a"),
    ];
    const text = requests.map(encodeRequest).join("");
    const many = text + encodeRequest(["PING"]).repeat(300);
    for (const together of length > 10_000 ? [text] : [text, many, "PING\r\n" + text]) {
      const decoder = new RequestDecoder();
      decoder.push(latin1Bytes(together));
      let handedOn = "";
      for (let next = decoder.nextText(); next.kind === "complete"; next = decoder.nextText()) {
        handedOn += encodeCount(next.count) + [next.text, ...next.rest].map(textOf).join("");
      }
      assert(handedOn === together.replace(/^PING\r\n/, encodeRequest(["PING"])), `of ${length}`);
    }
  }
});

Deno.test("requests may be taken as arguments and as text in turns", () => {
  const decoder = new RequestDecoder();
  decoder.push(latin1Bytes(encodeRequest(["ECHO", "a"]).repeat(3)));
  decoder.push(latin1Bytes(encodeRequest(["ECHO", "b"]) + "*2\r\n$4\r\nEC"));
  const words = [decoder.nextText(), decoder.next(), decoder.nextText(), decoder.nextText()]
    .map((one) => one.kind === "complete" && (Array.isArray(one.args) ? one.args : one.args())[1]);
  assertEquals(words, ["a", "a", "a", "b"]);
  assertEquals(decoder.nextText().kind, "incomplete");
  decoder.push(latin1Bytes("HO\r\n$1\r\nc\r\nPING\r\n"));
  assertEquals(decoder.next(), { kind: "complete", args: ["ECHO", "c"] });
  assertEquals(decoder.nextText(), RequestText.of(["PING"]));
});

Deno.test("a long argument is the bytes that arrived, whether it is taken or forwarded", () => {
  const value = Uint8Array.from({ length: LONG_BYTES_MIN }, (_, at) => at % 251);
  const text = encodeRequest(["SET", "k", textOf(value), "PX", "1"]);
  for (const size of [7, 1_000, LONG_BYTES_MIN, text.length]) {
    for (const isHandedOn of [false, true]) {
      const decoder = new RequestDecoder();
      let decoded: DecodedText | DecodedRequest = { kind: "incomplete" };
      for (let at = 0; at < text.length; at += size) {
        const chunk = latin1Bytes(text.slice(at, at + size));
        decoder.push(chunk);
        decoded = isHandedOn ? decoder.nextText() : decoder.next();
        chunk.fill(0x58);
      }
      assert(decoded.kind === "complete");
      assertEquals(decoder.pendingBytes, 0);
      if (decoded instanceof RequestText) {
        assertEquals(decoded.args().map(textOf), ["SET", "k", textOf(value), "PX", "1"]);
        assertEquals([decoded.text, ...decoded.rest].map(textOf).join(""), text.slice(4));
        assertEquals([decoded.bytes, decoded.name], [text.length - 4, "SET"]);
        // A request that is whole in one chunk stays one text.
        if (size < text.length) assertEquals(decoded.rest[0], value);
      } else assertEquals(decoded.args, ["SET", "k", value, "PX", "1"]);
    }
  }
});

Deno.test("a long argument without CR LF at its end is rejected", () => {
  for (const size of [1_000, 2 * LONG_BYTES_MIN]) {
    const decoder = new RequestDecoder();
    const text = `*1\r\n$${LONG_BYTES_MIN}\r\n${"x".repeat(LONG_BYTES_MIN)}\rx`;
    let kind = "";
    for (let at = 0; at < text.length; at += size) {
      decoder.push(latin1Bytes(text.slice(at, at + size)));
      kind = decoder.next().kind;
    }
    assertEquals(kind, "invalid");
  }
});

const MANY_ARGUMENTS = ["MGET", ...Array.from({ length: 100_000 }, (_, at) => `key:${at}`)];

/** The chunks of a request with many arguments, as a socket delivers them. */
function manyInChunks(): Uint8Array[] {
  const bytes = latin1Bytes(encodeRequest(MANY_ARGUMENTS));
  return Array.from(
    { length: Math.ceil(bytes.length / 65_536) },
    (_, at) => bytes.subarray(at * 65_536, (at + 1) * 65_536),
  );
}

Deno.test("many arguments are forwarded as they arrived, with either method after each chunk", () => {
  const chunks = manyInChunks();
  for (
    const takesText of [() => true, (at: number) => at % 2 === 0, (at: number) => at % 2 === 1]
  ) {
    const decoder = new RequestDecoder();
    for (let round = 0; round < 2; round++) {
      chunks.forEach((chunk, at) => {
        decoder.push(chunk);
        const decoded = takesText(at) ? decoder.nextText() : decoder.next();
        assertEquals(decoded.kind, at === chunks.length - 1 ? "complete" : "incomplete");
        if (decoded.kind !== "complete") return;
        const isText = decoded instanceof RequestText;
        assertEquals(isText, takesText(at));
        assertEquals(isText ? decoded.args() : decoded.args, MANY_ARGUMENTS);
        if (isText) assertEquals([decoded.count, decoded.name], [MANY_ARGUMENTS.length, "MGET"]);
      });
    }
    decoder.push(latin1Bytes(encodeRequest(["PING"])));
    const next = decoder.nextText();
    assertEquals(next.kind === "complete" ? next.args() : next, ["PING"]);
  }
});

Deno.test("forwarding many arguments leaves only a small part of the work to the last chunk", () => {
  const shares = Array.from({ length: 7 }, () => {
    const decoder = new RequestDecoder();
    const stepsMs = manyInChunks().map((chunk) => {
      const startMs = performance.now();
      decoder.push(chunk);
      const decoded = decoder.nextText();
      if (decoded.kind === "complete") assertEquals(decoded.name + decoded.text[5], "MGETG");
      return performance.now() - startMs;
    });
    return (stepsMs.at(-1) ?? NaN) / stepsMs.reduce((sum, ms) => sum + ms, 0);
  });
  // In some of them the machine may have been busy with others.
  const least = Math.min(...shares);
  assert(least < 0.15, `of all the time: ${shares.map((share) => share.toFixed(2))}`);
});

Deno.test("wrong lengths are invalid, in Redis's words", () => {
  const lengths = ["", "x", "1x", "+1", "01", "1 ", " 1", "-0", "1.5", "99999999999999999999"];
  for (const length of lengths) {
    assertInvalid(`*${length}\r\n`, "invalid multibulk length");
    assertInvalid(`*1\r\n$${length}\r\n`, "invalid bulk length");
  }
  assertInvalid("*1048577\r\n", "invalid multibulk length");
  assertInvalid("*1\n$4\nPING\n", "invalid multibulk length");
  assertInvalid("*1\r\n$-1\r\n", "invalid bulk length");
  assertInvalid("*1\r\n$536870913\r\n", "invalid bulk length");
  assertInvalid("*1\r\n$4\r\nPINGxx*1\r\n", "invalid bulk length");
  assertInvalid("*1\r\n$4\r\nPINGx\n", "invalid bulk length");
  assertInvalid("*2\r\n$4\r\nPING\r\n:1\r\n", "expected '$', got ':'");
  assertInvalid("*2\r\n$4\r\nPING\r\n\n", "expected '$', got '\n'");
  assertInvalid("*1\r\n*1\r\n", "expected '$', got '*'");
  assertInvalid(`SET "a\r\n`, "unbalanced quotes in request");
  assertInvalid(`SET "a"b\r\n`, "unbalanced quotes in request");
  assertInvalid(`SET 'a\\'\r\n`, "unbalanced quotes in request");
});

Deno.test("requests before an invalid one are still decoded", () => {
  const outcome = decode(encodeRequest(["PING"]) + "*x\r\n" + encodeRequest(["PING"]), []);
  assertEquals(outcome.requests, [["PING"]]);
  assertStringIncludes(outcome.error ?? "", "invalid multibulk length");
});

Deno.test("nothing is read after an invalid request, whatever arrives later", () => {
  for (const text of ["*x\r\n", `SET "a\r\n`, "*1\r\n$x\r\n", "*1\r\n$4\r\nPINGxx"]) {
    const decoder = new RequestDecoder();
    decoder.push(latin1Bytes(text));
    const refused = decoder.nextText();
    assertEquals(refused.kind, "invalid", text);
    const pendingBytes = decoder.pendingBytes;
    for (let count = 0; count < 2; count++) {
      decoder.push(latin1Bytes(encodeRequest(["PING"])));
      assertEquals([decoder.nextText(), decoder.next()], [refused, refused], text);
      assertEquals(decoder.pendingBytes, pendingBytes, text);
    }
  }
});

Deno.test("every length is bounded, finished or not", () => {
  const limits = { inlineBytesMax: 100, argumentsMax: 3, bulkBytesMax: 10, requestBytesMax: 15 };
  assertInvalid("x".repeat(101), "too big inline request", limits);
  assertInvalid("x".repeat(101) + "\r\n", "too big inline request", limits);
  assertInvalid("*" + "1".repeat(100), "too big mbulk count string", limits);
  assertInvalid("*1\r\n$" + "1".repeat(100), "too big bulk count string", limits);
  assertInvalid("*4\r\n", "invalid multibulk length", limits);
  assertInvalid("*1\r\n$11\r\n", "invalid bulk length", limits);
  assertInvalid(encodeRequest(["x".repeat(11)]), "invalid bulk length", limits);
  assertInvalid(encodeRequest(["a", "b", "c", "d"]), "invalid multibulk length", limits);
  assertInvalid(
    encodeRequest(["x".repeat(8), "y".repeat(8)]),
    "too big request, more than 15 bytes",
    limits,
  );
  const twice = encodeRequest(["x".repeat(8), "y".repeat(7)]).repeat(2);
  assertEquals(decode(twice, [], limits).requests.length, 2);
});

Deno.test("an HTTP client is recognised", () => {
  const form = decode("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", []);
  assertEquals([form.requests, form.crossProtocol], [[], true]);
  const page = decode("GET / HTTP/1.1\r\nHost: x\r\n\r\n", []);
  assertEquals([page.requests, page.crossProtocol], [[["GET", "/", "HTTP/1.1"]], true]);
  assertEquals(decode("poster\r\n", []).crossProtocol, false);
});

Deno.test("chunks that arrive before earlier ones are used up keep their order", () => {
  const decoder = new RequestDecoder();
  const bytes = latin1Bytes(encodeRequest(["ECHO", "a"]).repeat(3));
  for (let i = 0; i < bytes.length; i += 5) {
    decoder.push(bytes.subarray(i, i + 5));
    if (i === 25) assertEquals(decoder.next().kind, "complete");
  }
  assertEquals(decoder.next().kind, "complete");
  assertEquals(decoder.next().kind, "complete");
  assertEquals(decoder.next().kind, "incomplete");
  decoder.push(latin1Bytes("a\r\n"));
  decoder.push(latin1Bytes("b\r\n"));
  const first = decoder.next();
  decoder.push(latin1Bytes("c\r\n"));
  const names = [first, decoder.next(), decoder.next()]
    .map((decoded) => decoded.kind === "complete" && decoded.args[0]);
  assertEquals(names, ["a", "b", "c"]);
});

Deno.test("random bytes, cut anywhere, never throw and always give the same result", () => {
  const random = seededRandom(20261121);
  for (let round = 0; round < 3000; round++) {
    const text = randomText(random);
    const limits = { bulkBytesMax: 40, argumentsMax: 5, inlineBytesMax: 30, requestBytesMax: 60 };
    const whole = decode(text, [], limits);
    const cuts = Array.from({ length: 5 }, () => randomInteger(random, text.length + 1));
    assertEquals(decode(text, cuts.sort((a, b) => a - b), limits), whole, JSON.stringify(text));
    assertEquals(decode(text, everyPosition(text + "x"), limits), whole, JSON.stringify(text));
  }
});

function randomText(random: Random): string {
  const parts = [
    "*1\r\n",
    "*2\r\n",
    "$3\r\n",
    "$0\r\n",
    "abc",
    "\r\n",
    '"',
    "'",
    "\n",
    "-1",
    "9",
    "x y",
  ];
  let text = "";
  for (let i = randomInteger(random, 14); i > 0; i--) {
    const kind = randomInteger(random, 5);
    if (kind === 0) text += String.fromCharCode(randomInteger(random, 256));
    else if (kind === 1) text += encodeRequest(["abc", "x".repeat(randomInteger(random, 9))]);
    else text += parts[randomInteger(random, parts.length)];
  }
  return text;
}

Deno.test("a bulk in tiny pieces and thousands of requests in one packet take linear time", () => {
  const big = latin1Bytes(encodeRequest(["SET", "k", "v".repeat(8 << 20)]));
  const decoder = new RequestDecoder();
  for (let i = 0; i < big.length; i += 16) {
    decoder.push(big.subarray(i, i + 16));
    assertEquals(decoder.next().kind, i + 16 >= big.length ? "complete" : "incomplete");
  }
  const many = decode(encodeRequest(["SET", "key", "value"]).repeat(50_000), []);
  assertEquals(many.requests.length, 50_000);
  const wide = decode(encodeRequest(Array.from({ length: 50_000 }, () => "a")), []);
  assert(wide.requests[0]?.length === 50_000);
});
