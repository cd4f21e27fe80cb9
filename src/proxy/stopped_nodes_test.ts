import { assert, assertEquals } from "@std/assert";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";

Deno.test("a leader is suspended: writes wait for its answer until another leads, then are sent there", () => {
  const bench = ProxyBench.ready();
  const [writer, late] = [bench.client(), bench.client()];
  const [old] = bench.cluster.nodes;
  old?.stop();
  writer.send("SET a 1");
  bench.advance(260);
  assertEquals(bench.core.topology.leader, null);
  late.send("SET b 1");
  bench.advance(500);
  assertEquals([writer.replies, late.replies], [["…"], ["…"]]);
  bench.cluster.elect(1, 2);
  bench.advance(20);
  assertEquals([writer.replies, late.replies], [["OK"], ["OK"]]);
  // It comes back and executes what it had: refused by its fence once it knows, and never answered.
  old?.become({ role: "follower", term: 2, leaderId: "n2", isServing: true });
  old?.resume();
  bench.advance(100);
  assertEquals(bench.cluster.executed, ["SET b 1", "SET a 1"]);
  assertEquals(writer.replies, ["OK"]);
});

Deno.test("the answers of a suspended leader that resumes in time count", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).stop();
  client.send("SET a 1");
  bench.advance(400);
  client.send("SET a 2");
  bench.cluster.node(0).resume();
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
});

Deno.test("a suspended leader without a successor: its writes are UNKNOWN after the hold time", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.nodes.forEach((node) => node.stop());
  client.send("SET a 1", "SET a 2");
  bench.advance(4_900);
  assertEquals(client.openCount, 2);
  bench.advance(300);
  assertEquals(client.replies, ["UNKNOWN", "UNKNOWN"]);
});

Deno.test("a follower is suspended: its reads move elsewhere, and it gets no more", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const followers = bench.cluster.nodes.slice(1);
  followers.forEach((node) => node.isHolding = true);
  client.send("GET k", "GET k");
  bench.advance(5);
  const stopped = followers.find(({ held }) => held.length === 2);
  assert(stopped !== undefined);
  stopped.stop();
  followers.forEach((node) => node.isHolding = false);
  bench.advance(300);
  assertEquals(client.replies, ["nil", "nil"]);
  const before = stopped.received.length;
  for (let i = 0; i < 20; i++) client.send("GET k");
  bench.advance(20);
  assertEquals([client.openCount, stopped.received.length], [0, before]);
  stopped.release();
  stopped.resume();
  bench.advance(50);
  assertEquals(client.openCount, 0);
});

Deno.test("a leader is suspended: reads whose write is answered move elsewhere, and its answers stay in step", () => {
  const bench = ProxyBench.ready();
  const [reader, writer] = [bench.client(), bench.client()];
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  reader.send("SET a 1", "GET a");
  writer.send("SET b 1", "GET b");
  bench.advance(5);
  leader.release(1);
  leader.stop();
  bench.advance(300);
  assertEquals([reader.replies, writer.replies], [["OK", "1"], ["…", "…"]]);
  leader.resume();
  leader.release();
  bench.advance(20);
  assertEquals(writer.replies, ["OK", "1"]);
});

Deno.test("WAIT at a suspended leader is resent to the next one", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).isHolding = true;
  client.send("WAIT 1 0", "SET a 1");
  bench.advance(10);
  bench.cluster.node(0).stop();
  bench.advance(300);
  bench.cluster.elect(1, 2);
  bench.advance(50);
  assertEquals(client.replies, ["2", "OK"]);
});
