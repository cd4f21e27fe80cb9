import { assertEquals } from "@std/assert";
import type { FakeNode } from "../../tests/support/proxy/fake_node.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";

function namesReceived(node: FakeNode): string[] {
  return node.received.map(({ args }) => args.join(" "));
}

Deno.test("a request that comes while a refused one waits to be repeated is sent after it", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(10);
  leader.refusesNextWrite = true;
  leader.release(1);
  bench.advance(10);
  client.send("SET a 3");
  bench.advance(10);
  assertEquals(namesReceived(leader), ["SET a 1", "SET a 2"]);
  leader.isHolding = false;
  leader.release();
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2", "SET a 3"]);
});

Deno.test("reads wait for room when all connections are full, and each node gets its share", () => {
  const bench = ProxyBench.ready({ limits: { windowRequestsMax: 1 } });
  for (const node of bench.cluster.nodes) node.isHolding = true;
  const clients = [1, 2, 3, 4].map(() => bench.client());
  for (const client of clients) {
    client.send("GET a");
    bench.advance(5);
  }
  assertEquals(bench.cluster.nodes.map(({ held }) => held.length), [1, 1, 1]);
  for (let round = 0; round < 2; round++) {
    bench.cluster.nodes.forEach((node) => node.release());
    bench.advance(10);
  }
  assertEquals(clients.map(({ replies }) => replies), clients.map(() => ["nil"]));
});
