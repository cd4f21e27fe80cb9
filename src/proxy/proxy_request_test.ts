import { assert, assertEquals } from "@std/assert";
import { lookup } from "../commands/table.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { ClientQueue } from "./client_queue.ts";
import { ProxyRequest } from "./proxy_request.ts";
import type { Upstream } from "./upstream.ts";
import { STAMP_ARGUMENTS } from "./write_sessions.ts";

/** A node closes the connection on what has more: that of all clients, who share it. */
Deno.test("a stamp never raises the number of arguments above a node's limit", () => {
  const command = lookup("del");
  assert(command !== undefined);
  const { argumentsMax } = DEFAULT_CLIENT_LIMITS;
  const sink = { protocol: 2 as const, settleEncoded: () => {} };
  const stamped = [0, 2, 3, 4].map((missing) => {
    const args = ["DEL", ...new Array<string>(argumentsMax - missing - 1).fill("k")];
    const client = new ClientQueue({ requests: 0, bytes: 0 }, () => {});
    const request = new ProxyRequest(client, command, RequestText.of(args), sink, 0);
    return request.wantsStamp ? args.length + STAMP_ARGUMENTS : null;
  });
  assertEquals(stamped, [null, null, argumentsMax, argumentsMax - 1]);
});

Deno.test("a write waits for its client's read of very many keys, whose keys are not compared", () => {
  const client = new ClientQueue({ requests: 0, bytes: 0 }, () => {});
  const requestOf = (...args: string[]) => {
    const command = lookup(args[0] ?? "");
    assert(command !== undefined);
    const sink = { protocol: 2 as const, settleEncoded: () => {} };
    return new ProxyRequest(client, command, RequestText.of(args), sink, 0);
  };
  const keys = Array.from({ length: 600 }, (_, at) => `k${at}`);
  const [few, many] = [requestOf("MGET", "k1", "k2"), requestOf("MGET", ...keys)];
  const kinds = [few, many].map((one) => [one.hasUnknownKeys, one.isHeavy]);
  assertEquals(kinds, [[false, false], [true, true]]);
  const upstream = { fenceTerm: 1 } as Upstream;
  const [other, same, wide] = [
    requestOf("DEL", "x"),
    requestOf("DEL", "k1"),
    requestOf("DEL", ...keys),
  ];
  const waits = () => [other, same, wide].map((write) => client.mustWait(write));
  assertEquals(waits(), [false, false, false]);
  client.add(few);
  client.send(upstream);
  assertEquals(waits(), [false, true, true]);
  client.add(many);
  client.send(upstream);
  assertEquals(waits(), [true, true, true]);
  client.takeAnswer(few, "*0\r\n");
  assertEquals(waits(), [true, true, true]);
  client.takeAnswer(many, "*0\r\n");
  assertEquals(waits(), [false, false, false]);
});
