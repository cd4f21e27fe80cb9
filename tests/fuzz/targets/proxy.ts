import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { encodeReply } from "../../../src/resp/encode.ts";
import { MapReply, PushReply } from "../../../src/resp/reply.ts";
import { ReplyScanner } from "../../../src/resp/reply_scanner.ts";
import { ProxyBench } from "../../support/proxy/proxy_bench.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { replyText } from "./replies.ts";

/** Somewhat more than the longest time for which the proxy waits. */
const PATIENCE_MS = 7_000;

function stateText(term: number): string {
  const state = new MapReply([
    ["id", "n1"],
    ["role", "leader"],
    ["term", term],
    ["leader-id", "n1"],
    ["leader-address", "10.0.0.1:7001"],
    ["commit-index", 1],
    ["applied-index", 1],
    ["serving", 1],
    ["queue", 0],
    ["nodes", [["n1", "10.0.0.1:7001"], ["n2", "10.0.0.2:7002"]]],
  ]);
  return encodeReply(new PushReply(["regent-state", state]), 3);
}

/**
 * A proxy in front of a node that goes mad: all its connections, those for requests and those for
 * watching, carry the input. Each request gets exactly one answer, which is one whole reply. When
 * the node recovers, so does the service.
 */
export const proxy: FuzzTarget = {
  name: "proxy",
  words: [
    "regent-state",
    "leader",
    "+OK\r\n",
    "-MOVED 1 10.0.0.2:7002\r\n",
    "-CLUSTERDOWN x\r\n",
    "$-1\r\n",
    ">1\r\n:1\r\n",
  ],
  sample: (random) => random() < 0.3 ? stateText(1 + Math.floor(random() * 9)) : replyText(random),
  run(input) {
    const bench = ProxyBench.ready();
    const client = bench.client();
    const mad = bench.cluster.node(0);
    for (const one of bench.cluster.nodes) one.isHolding = true;
    client.send("SET k 1", "GET k", "INCR n", "GET k");
    bench.advance(3);
    const chunks = chunksOf(input, seededRandom(choiceSeed(input)), 40);
    for (const { stream } of mad.connections) for (const chunk of chunks) stream.write(chunk);
    bench.advance(20);
    for (const one of bench.cluster.nodes) {
      one.isHolding = false;
      one.release();
    }
    mad.kill();
    bench.cluster.elect(1, 2);
    bench.advance(100); // the proxy knows that it is gone
    passUntil(bench, () => client.openCount === 0);
    assertEquals(client.openCount, 0, "a request got no answer");
    for (const text of client.texts) assertOneReply(text ?? "");
    mad.listen();
    const other = bench.client();
    other.send("SET other 1", "GET other");
    passUntil(bench, () => other.openCount === 0);
    assertEquals(other.replies, ["OK", "1"], "the proxy no longer serves");
    bench.core.stop();
  },
};

function passUntil(bench: ProxyBench, holds: () => boolean): void {
  for (let passedMs = 0; passedMs < PATIENCE_MS && !holds(); passedMs += 20) bench.advance(20);
}

function assertOneReply(text: string): void {
  const scanner = new ReplyScanner();
  scanner.push(latin1Bytes(text));
  assertEquals(scanner.next(), { kind: "complete", text });
  assert(scanner.next().kind === "incomplete");
}
