import { assert, assertEquals } from "@std/assert";
import { chunksOf } from "../../tests/fuzz/chunks.ts";
import { mutate } from "../../tests/fuzz/mutate.ts";
import { MemoryChannel } from "../../tests/support/memory_channel.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { systemClock } from "./clock.ts";
import { bodyOf } from "./http_head.ts";
import { type Chunks, HttpStream } from "./http_stream.ts";

const LONG_MS = 60_000;

/** What a reader makes of a connection: its messages, and what ended them. */
async function messagesOf(chunks: readonly Uint8Array[], kind: Chunks): Promise<string[]> {
  const stream = new HttpStream(new MemoryChannel(chunks), LONG_MS, systemClock);
  const messages: string[] = [];
  try {
    for (;;) {
      const head = await stream.readHead(LONG_MS, LONG_MS);
      if (head === null) break;
      messages.push(JSON.stringify([head.first, [...head.fields]]));
      let body = "";
      for await (const chunk of stream.readBody(bodyOf(head), kind)) {
        assert(chunk.length > 0);
        body += Array.from(chunk, (byte) => String.fromCharCode(byte)).join("");
      }
      messages.push(body);
    }
  } catch (error) {
    messages.push(String(error));
  }
  stream.destroy();
  return messages;
}

/** A few requests after each other, with bodies of all kinds. */
function requestsText(random: Random): string {
  let text = "";
  for (let left = 1 + randomInteger(random, 4); left > 0; left--) {
    const body = "x".repeat(randomInteger(random, 300));
    const head = `PUT /files/a${left}?b HTTP/1.1\r\nHost: a\r\nX-Field:  some value \r\n`;
    const cut = randomInteger(random, body.length + 1);
    text += random() < 0.5
      ? `${head}Content-Length: ${body.length}\r\n\r\n${body}`
      : `${head}Transfer-Encoding: chunked\r\n\r\n` +
        [body.slice(0, cut), body.slice(cut)].filter((part) => part !== "")
          .map((part) => `${part.length.toString(16)};a=b\r\n${part}\r\n`).join("") +
        "0\r\nA: trailer\r\n\r\n";
  }
  return text;
}

const WORDS = [
  ...["\r\n", "\r\n\r\n", "\n", "\r", "0\r\n", "ffffffffffff\r\n", "-1\r\n", ": ", " "],
  ...["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n\r\n"],
];

Deno.test("requests are read alike however they are cut, and broken ones end somewhere", async () => {
  const random = seededRandom(15);
  const outcomes = new Map<string, number>();
  for (let count = 0; count < 1_000; count++) {
    let text = requestsText(random);
    if (random() < 0.7) {
      text = mutate(text, { random, words: WORDS, another: () => requestsText(random) });
    }
    const whole = await messagesOf([latin1Bytes(text)], "owned");
    for (const kind of ["owned", "lent"] as const) {
      assertEquals(await messagesOf(chunksOf(text, random), kind), whole, JSON.stringify(text));
    }
    const end = /^\w*Error/.exec(whole.at(-1) ?? "")?.[0] ?? "whole";
    outcomes.set(end, (outcomes.get(end) ?? 0) + 1);
  }
  assertEquals([...outcomes.keys()].sort(), ["Error", "HttpSyntaxError", "whole"]);
});

Deno.test("a head and a line of a chunk are bounded, whatever comes", async () => {
  const cases = [
    `GET / HTTP/1.1\r\nA: ${"a".repeat(40_000)}`,
    `GET /${"a".repeat(40_000)}`,
    `PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(40_000)}`,
    `PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;${"a".repeat(40_000)}`,
    `PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${"A: b\r\n".repeat(40_000)}`,
  ];
  for (const text of cases) {
    const messages = await messagesOf(chunksOf(text, seededRandom(1)), "lent");
    assert(/^HttpSyntaxError/.test(messages.at(-1) ?? ""), messages.at(-1)?.slice(0, 100));
  }
});
