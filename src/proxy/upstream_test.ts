import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { checkRequest } from "../commands/table.ts";
import type { StreamHandlers } from "../platform/network.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { ClientQueue } from "./client_queue.ts";
import { DEFAULT_PROXY_LIMITS } from "./limits.ts";
import { ProxyRequest } from "./proxy_request.ts";
import { NodeView } from "./topology.ts";
import { Batching, Upstream, type UpstreamEvents } from "./upstream.ts";

/** A connection for reads, open and greeted by a node that the test plays. */
function start(change: Partial<UpstreamEvents> = {}) {
  const clock = new ManualClock();
  const events: string[] = [];
  let handlers: StreamHandlers | null = null;
  const upstream = new Upstream({
    secret: null,
    node: new NodeView("h:1"),
    address: { host: "h", port: 1 },
    protocol: 2,
    fenceTerm: null,
    isDedicated: false,
    batching: new Batching(clock),
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_address, given) => {
        handlers = given;
        const close = () => void events.push("stream closed");
        return { remote: "h:1", handle() {}, write() {}, pendingBytes: () => 0, close };
      },
    },
    clock,
    limits: DEFAULT_PROXY_LIMITS,
    events: {
      onReady: () => events.push("ready"),
      onAnswer: (_upstream, _request, text) => events.push(`answered ${text.trim()}`),
      onProbeAnswer: () => {},
      onDelivered: () => {},
      onClose: (_upstream, reason) => events.push(`closed: ${reason}`),
      ...change,
    },
  });
  const node = handlers as StreamHandlers | null;
  node?.onOpen();
  const request = () => {
    const args = ["GET", "k"];
    const client = new ClientQueue({ requests: 0, bytes: 0 }, () => {});
    const sink = { protocol: 2 as const, settleEncoded() {} };
    return new ProxyRequest(client, checkRequest(args), RequestText.of(args), sink, 0);
  };
  const receive = (text: string) => node?.onData(latin1Bytes(text));
  return { upstream, clock, events, request, receive };
}

Deno.test("a connection to a node is closed once, for the first reason", () => {
  const { upstream, events } = start();
  upstream.destroy("its term is over");
  upstream.destroy("the client is gone", true);
  assertEquals(events, ["ready", "stream closed", "closed: its term is over"]);
  assertEquals([upstream.isClosed, upstream.isBroken], [true, false]);
});

Deno.test("an answer that cannot be handled closes the connection, and nothing is shifted", () => {
  const { upstream, events, request, receive } = start({
    onAnswer() {
      throw new Error("thrown on purpose");
    },
  });
  for (let count = 0; count < 2; count++) upstream.send(request());
  receive("+a\r\n+b\r\n");
  assertEquals(events, [
    "ready",
    "stream closed",
    "closed: sent a reply that could not be handled: thrown on purpose",
  ]);
  assertEquals([upstream.isBroken, upstream.takeLost().length], [true, 1]);
});

Deno.test("a request that was never sent is not reported as written when its connection ends", () => {
  const { upstream, clock, request } = start();
  const requests = [request(), request(), request()];
  for (const one of requests) {
    upstream.send(one);
    if (one === requests[0]) clock.settle();
  }
  upstream.destroy("the node is gone", true);
  const lost = upstream.takeLost();
  assertEquals(lost.map(({ request }) => requests.indexOf(request)), [0, 1, 2]);
  assertEquals(lost.map(({ wasWritten }) => wasWritten), [true, false, false]);
});
