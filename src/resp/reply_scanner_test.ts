import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type ByteString, textOf } from "../base/byte_string.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { encodeReply } from "./encode.ts";
import {
  DoubleReply,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SetReply,
  SimpleString,
  VerbatimReply,
} from "./reply.ts";
import { decodeReply, ReplyFormatError, type ReplyLimits, ReplyScanner } from "./reply_scanner.ts";

interface Outcome {
  readonly replies: readonly string[];
  readonly error: string | null;
}

function scan(text: string, cuts: readonly number[], limits: ReplyLimits = {}): Outcome {
  const scanner = new ReplyScanner(limits);
  const bytes = latin1Bytes(text);
  const replies: string[] = [];
  const edges = [0, ...cuts, bytes.length];
  for (let i = 1; i < edges.length; i++) {
    const chunk = new Uint8Array(bytes.subarray(edges[i - 1], edges[i]));
    scanner.push(chunk);
    let scanned = scanner.next();
    for (; scanned.kind === "complete"; scanned = scanner.next()) replies.push(scanned.text);
    if (scanned.kind === "invalid") {
      assertEquals(scanner.next(), scanned);
      return { replies, error: scanned.error };
    }
    chunk.fill(0x58);
  }
  return { replies, error: null };
}

function everyPosition(text: string): number[] {
  return Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => i + 1);
}

const corpus: readonly (readonly [string, Reply])[] = [
  ["+OK\r\n", OK],
  ["+\r\n", new SimpleString("")],
  ["-MOVED 1 h:2\r\n", new ErrorReply("MOVED 1 h:2")],
  [":-12\r\n", -12],
  [":9223372036854775807\r\n", 9223372036854775807n],
  ["$0\r\n\r\n", ""],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["_\r\n", null],
  ["$9\r\n__proto__\r\n", "__proto__"],
  ["$6\r\n+a\r\n\x00\xff\r\n", "+a\r\n\x00\xff"],
  ["*0\r\n", []],
  ["*2\r\n*0\r\n*1\r\n*0\r\n", [[], [[]]]],
  ["*3\r\n:1\r\n$1\r\na\r\n*2\r\n_\r\n+x\r\n", [1, "a", [null, new SimpleString("x")]]],
  [
    "%2\r\n+k\r\n:1\r\n$1\r\nm\r\n%0\r\n",
    new MapReply([
      [new SimpleString("k"), 1],
      ["m", new MapReply([])],
    ]),
  ],
  ["~1\r\n#t\r\n", new SetReply([1])],
  ["#f\r\n", 0],
  [",3.25\r\n", new DoubleReply(3.25)],
  [",-inf\r\n", new DoubleReply(-Infinity)],
  ["(12345678901234567890\r\n", 12345678901234567890n],
  ["!7\r\nERR a\r\n\r\n", new ErrorReply("ERR a\r\n")],
  ["=6\r\ntxt:hi\r\n", new VerbatimReply("hi")],
  [">2\r\n+p\r\n:1\r\n", new PushReply([new SimpleString("p"), 1])],
  ["|1\r\n+ttl\r\n:5\r\n$1\r\nv\r\n", "v"],
  ["*1\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n", [7]],
];

Deno.test("a corpus yields the same replies at every split", () => {
  for (const [text, value] of corpus) {
    const outcome = { replies: [text], error: null };
    assertEquals(scan(text, []), outcome);
    assertEquals(scan(text, everyPosition(text)), outcome);
    for (let cut = 1; cut < text.length; cut++) assertEquals(scan(text, [cut]), outcome);
    assertEquals(decodeReply(text), value);
  }
  const texts = corpus.map(([text]) => text);
  const all = texts.join("");
  assertEquals(scan(all, []).replies, texts);
  assertEquals(scan(all, everyPosition(all)).replies, texts);
  for (let cut = 1; cut < all.length; cut++) assertEquals(scan(all, [cut]).replies, texts);
});

Deno.test("bytes that are not RESP, or exceed a limit, are invalid and not incomplete", () => {
  const wrong = [
    "x\r\n",
    "\r\n",
    "\n",
    "+OK\n",
    "$x\r\n",
    "$-2\r\n",
    "$1\r\nabc",
    "$01\r\n",
    "*-2\r\n",
  ];
  wrong.push(
    "%-1\r\n",
    "$?\r\n",
    "*99999999999999999999\r\n",
    "$99999999999999\r\n",
    "*1\r\n$-\r\n",
  );
  wrong.push("$0\r\n\n\r", "HTTP/1.1 400\r\n");
  for (const text of wrong) {
    const whole = scan(text, []);
    assert(whole.error !== null, JSON.stringify(text));
    assertEquals(scan(text, everyPosition(text)), whole);
  }
  assertStringIncludes(scan("*1\r\n".repeat(129), []).error ?? "", "deep");
  assertEquals(scan("*1\r\n".repeat(128), []).error, null);
  assertStringIncludes(scan("+" + "x".repeat(70000), []).error ?? "", "line");
  assertStringIncludes(scan("$101\r\n", [], { replyBytesMax: 100 }).error ?? "", "100 bytes");
  const array = "*20\r\n" + "$3\r\nabc\r\n".repeat(20);
  assertStringIncludes(scan(array, [], { replyBytesMax: 100 }).error ?? "", "100 bytes");
  assertStringIncludes(scan(array, [150], { replyBytesMax: 100 }).error ?? "", "100 bytes");
});

Deno.test("decodeReply rejects a text that is not exactly one reply", () => {
  const wrong = [
    "",
    "+OK",
    "+OK\r\nx",
    "$2\r\na\r\n",
    "*2\r\n:1\r\n",
    ":x\r\n",
    ",x\r\n",
    ",\r\n",
    "#x\r\n",
  ];
  wrong.push("*999999999999\r\n", "*1\r\n".repeat(300) + ":1\r\n", "?\r\n", "$x\r\n");
  for (const text of wrong) assertThrows(() => decodeReply(text), ReplyFormatError, "Cannot read");
});

Deno.test("an array or set of length -1 is decoded as nil", () => {
  for (const text of ["*-1\r\n", "~-1\r\n"]) assertEquals(decodeReply(text), null);
  assertEquals(decodeReply("*2\r\n*-1\r\n:1\r\n"), [null, 1]);
});

Deno.test("encoded replies, cut anywhere, are decoded to the same values", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 1000; round++) {
    const replies = Array.from({ length: 5 }, () => randomReply(random, 4));
    const texts = replies.map((reply) => encodeReply(reply, 3));
    const all = texts.join("");
    const cuts = Array.from({ length: 6 }, () => randomInteger(random, all.length + 1));
    assertEquals(scan(all, cuts.sort((a, b) => a - b)), { replies: texts, error: null });
    assertEquals(texts.map(decodeReply), replies);
  }
});

function randomReply(random: Random, depth: number): Reply {
  const children = (): Reply[] =>
    Array.from({ length: randomInteger(random, 4) }, () => randomReply(random, depth - 1));
  switch (randomInteger(random, depth > 0 ? 11 : 8)) {
    case 0:
      return OK;
    case 1:
      return new ErrorReply("ERR x");
    case 2:
      return randomInteger(random, 1e9) - 5e8;
    case 3:
      return null;
    case 4:
      return new DoubleReply(random() * 1e6);
    case 5:
      return new VerbatimReply("a\r\nb");
    case 6:
      return 2n ** 63n - 1n;
    case 7:
      return String.fromCharCode(randomInteger(random, 256)).repeat(randomInteger(random, 30));
    case 8:
      return children();
    case 9:
      return new PushReply(children());
    default:
      return new MapReply(children().map((value) => ["k\r\n", value]));
  }
}

Deno.test("random bytes, cut anywhere, never throw and always give the same result", () => {
  const random = seededRandom(20261121);
  const parts = [
    "*2\r\n",
    "%1\r\n",
    "|1\r\n",
    "$3\r\nabc\r\n",
    "$-1\r\n",
    "+OK\r\n",
    ":1\r\n",
    "\r\n",
  ];
  parts.push("*0\r\n", ">1\r\n", "_\r\n", "$0\r\n\r\n", "abc");
  for (let round = 0; round < 3000; round++) {
    let text = "";
    for (let i = randomInteger(random, 16); i > 0; i--) {
      text += randomInteger(random, 12) === 0
        ? String.fromCharCode(randomInteger(random, 256))
        : parts[randomInteger(random, parts.length)];
    }
    const limits = { replyBytesMax: 60, lineBytesMax: 20, depthMax: 4 };
    const whole = scan(text, [], limits);
    const cuts = Array.from({ length: 5 }, () => randomInteger(random, text.length + 1));
    assertEquals(scan(text, cuts.sort((a, b) => a - b), limits), whole, JSON.stringify(text));
    assertEquals(scan(text, everyPosition(text), limits), whole, JSON.stringify(text));
  }
});

Deno.test("a long reply in tiny pieces takes linear time", () => {
  const bulks = "*100000\r\n" + "$10\r\n0123456789\r\n".repeat(100_000);
  const text = bulks + `$${4 << 20}\r\n${"x".repeat(4 << 20)}\r\n`;
  const scanner = new ReplyScanner();
  const bytes = latin1Bytes(text);
  const lengths: number[] = [];
  for (let i = 0; i < bytes.length; i += 16) {
    scanner.push(bytes.subarray(i, i + 16));
    for (let r = scanner.next(); r.kind === "complete"; r = scanner.next()) {
      lengths.push(r.text.length);
    }
  }
  assertEquals(lengths, [bulks.length, text.length - bulks.length]);
});

/** As `scan`, for callers that forward replies: each reply is a list of its pieces. */
function scanPieces(text: string, cuts: readonly number[], replyBytesMax: number): string[][] {
  const scanner = new ReplyScanner({ replyBytesMax, oversizedText: "-too large" });
  const bytes = latin1Bytes(text);
  const replies: ByteString[][] = [];
  const edges = [0, ...cuts, bytes.length];
  for (let i = 1; i < edges.length; i++) {
    // A copy that is wiped afterwards proves that nothing of a used-up chunk is looked at again.
    const chunk = new Uint8Array(bytes.subarray(edges[i - 1], edges[i]));
    scanner.push(chunk);
    let scanned = scanner.next();
    for (; scanned.kind === "complete"; scanned = scanner.next()) {
      replies.push([scanned.text, ...(scanned.rest ?? [])]);
    }
    assertEquals(scanned.kind, "incomplete");
    chunk.fill(0x58);
  }
  return replies.map((pieces) => pieces.map(textOf));
}

Deno.test("a reply too long to be forwarded is skipped, wherever it is cut", () => {
  const long = [
    "$29\r\n+OK\r\n+OK\r\n-\r\n0123456789abcdef\r\n",
    "*3\r\n$9\r\n012345678\r\n:1\r\n*1\r\n+OK\r\n",
  ];
  for (const one of long) {
    const text = `+first\r\n${one}+OK\r\n$2\r\nok\r\n`;
    const expected = [["+first\r\n"], ["-too large"], ["+OK\r\n"], ["$2\r\nok\r\n"]];
    assertEquals(scanPieces(text, [], 20), expected);
    assertEquals(scanPieces(text, everyPosition(text), 20), expected);
    for (let cut = 1; cut < text.length; cut++) {
      assertEquals(scanPieces(text, [cut], 20), expected, `cut at ${cut}`);
      for (let other = cut + 1; other < text.length; other++) {
        assertEquals(scanPieces(text, [cut, other], 20), expected, `cut at ${cut} and ${other}`);
      }
    }
  }
});

Deno.test("a long reply is forwarded in pieces that make up the whole reply", () => {
  const random = seededRandom(11);
  const value = "0123456789abcdef".repeat(65_536);
  const texts = [
    `$${value.length}\r\n${value}\r\n`,
    "*200000\r\n" + "$5\r\nabcde\r\n".repeat(200_000),
    "*300000\r\n" + ":123456\r\n".repeat(300_000),
    "+OK\r\n",
  ];
  const text = texts.join("");
  for (const step of [1_000, 65_536, 300_000]) {
    const cuts: number[] = [];
    for (let at = 1 + randomInteger(random, step); at < text.length;) {
      cuts.push(at);
      at += 1 + randomInteger(random, step);
    }
    const replies = scanPieces(text, cuts, Infinity);
    assertEquals(replies.map((pieces) => pieces.join("") === texts[replies.indexOf(pieces)]), [
      true,
      true,
      true,
      true,
    ]);
    const longest = Math.max(...replies.flat().map(({ length }) => length));
    assert(longest <= 2 * 128 * 1024 + step, `a piece of ${longest} bytes`);
  }
});

Deno.test("a long reply comes whole, in whatever parts its lines arrive", () => {
  const text = "*20000\r\n" + ":123456\r\n".repeat(20_000);
  const cuts = Array.from({ length: 60 }, (_, i) => 140_000 + i);
  const [pieces = []] = scanPieces(text, cuts, Infinity);
  assert(pieces.length > 1, "it is one piece");
  assertEquals(pieces.join("") === text, true);
});

Deno.test("a long reply is forwarded as bytes after its first few", () => {
  const value = "\xff".repeat(200_000);
  const text = `*2\r\n$${value.length}\r\n${value}\r\n$1\r\na\r\n`;
  const scanner = new ReplyScanner({ oversizedText: "-too large" });
  for (let at = 0; at < text.length; at += 65_536) {
    scanner.push(latin1Bytes(text.slice(at, at + 65_536)));
    const scanned = scanner.next();
    if (scanned.kind !== "complete") continue;
    const { rest = [] } = scanned;
    assertEquals(scanned.text, text.slice(0, scanned.text.length));
    assert(scanned.text.length <= 64, `${scanned.text.length} characters of text`);
    assert(rest.some((piece) => typeof piece !== "string"), "all of it is text");
    assertEquals([scanned.text, ...rest].map(textOf).join(""), text);
    return;
  }
  throw new Error("it does not end");
});

Deno.test("a reply of one line is returned as one text, however long", () => {
  const text = `-ERR ${"x".repeat(65_530)}\r\n`;
  const scanner = new ReplyScanner({ oversizedText: "-too large" });
  let found = "";
  for (let at = 0; at < text.length; at += 10_000) {
    scanner.push(latin1Bytes(text.slice(at, at + 10_000)));
    const scanned = scanner.next();
    if (scanned.kind === "complete") found = scanned.text;
  }
  assert(text.length > 65_536 && found === text, `${found.length} characters`);
});
