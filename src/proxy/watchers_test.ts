import { assertEquals } from "@std/assert";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import type { Logger } from "../base/logger.ts";
import { ErrorReply, MapReply, PushReply, type Reply } from "../resp/reply.ts";
import { parseNodeState } from "./topology.ts";

function known(bench: ProxyBench): string[] {
  return bench.core.status().nodes
    .filter(({ isResponsive }) => isResponsive)
    .map(({ id, address }) => `${id}@${address}`);
}

function recorder(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const record = (line: string) => void lines.push(line);
  return { lines, info: record, warn: record, error: record };
}

Deno.test("one address is enough to find all nodes and the leader, even a follower's", () => {
  const bench = ProxyBench.ready({ nodes: 5, seeds: ["10.0.0.4:7004"] });
  assertEquals(known(bench), [1, 2, 3, 4, 5].map((n) => `n${n}@10.0.0.${n}:700${n}`));
  assertEquals(bench.core.status().leader?.id, "n1");
});

Deno.test("a node that moves is followed", () => {
  const bench = ProxyBench.ready();
  const moved = bench.cluster.node(2);
  moved.kill();
  bench.advance(50);
  moved.port = 7333;
  moved.listen();
  bench.cluster.elect(0, 1); // the others hear of its address
  bench.advance(300);
  assertEquals(known(bench), ["n1@10.0.0.1:7001", "n2@10.0.0.2:7002", "n3@10.0.0.3:7333"]);
});

Deno.test("when all nodes have moved, a seed brings the proxy back", () => {
  const bench = ProxyBench.ready({ seeds: ["10.0.0.1:7001"] });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(1_000);
  assertEquals(known(bench), []);
  const [first, second, third] = bench.cluster.nodes;
  if (second) second.port = 7222;
  if (third) third.port = 7333;
  [first, second, third].forEach((node) => node?.listen());
  bench.cluster.elect(1, 2);
  bench.advance(600);
  assertEquals(known(bench), ["n1@10.0.0.1:7001", "n2@10.0.0.2:7222", "n3@10.0.0.3:7333"]);
  assertEquals(bench.core.status().leader?.id, "n2");
});

Deno.test("when all nodes were gone, those that were no seeds are found when they come back", () => {
  const bench = ProxyBench.ready({ seeds: ["10.0.0.1:7001"] });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(1_000);
  bench.cluster.nodes.slice(1).forEach((node) => node.listen());
  bench.cluster.elect(1, 2);
  bench.advance(600);
  assertEquals(known(bench), ["n2@10.0.0.2:7002", "n3@10.0.0.3:7003"]);
});

Deno.test("a seed that is another name of a member is dropped once the member answers", () => {
  const bench = new ProxyBench({ seeds: ["alias:1"] });
  const alias = { host: "alias", port: 1 };
  // The alias leads to the first node itself.
  void bench.network.listen(alias, (stream) => bench.cluster.node(0).accept(stream));
  const client = bench.client();
  client.send("SET a 1");
  bench.cluster.node(0).delayMs = 20;
  bench.advance(200);
  assertEquals(known(bench), ["n1@10.0.0.1:7001", "n2@10.0.0.2:7002", "n3@10.0.0.3:7003"]);
  assertEquals(client.replies, ["OK"]); // sent under the old name, answered all the same
  client.send("SET a 2");
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
  // One to watch, one to read, one to write: those under the other name are closed.
  assertEquals(bench.cluster.node(0).connections.size, 3);
});

Deno.test("a member whose announced address cannot be reached is used where it answers", () => {
  const bench = new ProxyBench({ seeds: ["alias:1"], nodes: 1 });
  const node = bench.cluster.node(0);
  void bench.network.listen({ host: "alias", port: 1 }, (stream) => node.accept(stream));
  bench.network.isolate(node.port);
  const client = bench.client();
  client.send("SET a 1", "GET a");
  bench.advance(300);
  assertEquals(client.replies, ["OK", "1"]);
});

Deno.test("a machine that lost power silently is found again", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).vanish();
  client.send("SET a 1", "GET a");
  bench.advance(300);
  bench.cluster.elect(1, 2);
  bench.advance(100);
  assertEquals(client.replies, ["OK", "1"]);
  bench.advance(1_500);
  assertEquals(known(bench).length, 3);
  bench.cluster.elect(0, 3);
  client.send("SET a 2", "GET a");
  bench.advance(100);
  assertEquals(client.replies.slice(2), ["OK", "2"]);
});

Deno.test("another cluster at the address of a dead node is not used, and reported once", () => {
  const logger = recorder();
  const bench = ProxyBench.ready({ logger });
  const node = bench.cluster.node(2);
  node.kill();
  bench.advance(50);
  node.clusterId = "another";
  node.listen();
  node.become({ role: "leader", term: 99, leaderId: node.id, isServing: true });
  bench.advance(2_000);
  assertEquals(known(bench), ["n1@10.0.0.1:7001", "n2@10.0.0.2:7002"]);
  const client = bench.client();
  client.send("SET a 1", "GET a");
  bench.advance(100);
  assertEquals(client.replies, ["OK", "1"]);
  assertEquals(node.received, []);
  const complaints = logger.lines.filter((line) => line.startsWith(node.address));
  assertEquals(complaints, [
    "10.0.0.3:7003 cannot be used: belongs to cluster another, not to this",
  ]);
});

Deno.test("a late event loop is not taken for silence of the nodes", () => {
  const bench = ProxyBench.ready();
  bench.stall(5_000);
  bench.advance(21);
  assertEquals(known(bench).length, 3);
});

Deno.test("changes are logged once, attempts to connect are not", () => {
  const logger = recorder();
  const bench = ProxyBench.ready({ logger });
  assertEquals(logger.lines, [
    "node n1 (10.0.0.1:7001) answers",
    "n1 (10.0.0.1:7001) leads in term 1",
    "node n2 (10.0.0.2:7002) answers",
    "node n3 (10.0.0.3:7003) answers",
  ]);
  bench.cluster.node(0).kill();
  bench.advance(3_000);
  bench.cluster.elect(1, 2);
  bench.cluster.node(2).stop();
  bench.advance(3_000);
  assertEquals(logger.lines.slice(4), [
    "node n1 (10.0.0.1:7001) is disconnected",
    "no leader, requests are held",
    "n2 (10.0.0.2:7002) leads in term 2",
    "node n3 (10.0.0.3:7003) does not answer",
  ]);
});

Deno.test("members that a proxy without a leader cannot reach are reported with the reason, every few seconds", () => {
  const logger = recorder();
  const bench = ProxyBench.ready({ logger });
  const told = () => logger.lines.filter((line) => line.startsWith("no leader without a majority"));
  bench.cluster.node(0).kill();
  bench.advance(10_000);
  assertEquals(told(), []); // two of three can elect
  bench.cluster.node(1).stop();
  bench.cluster.node(2).become({ role: "candidate", term: 2, leaderId: "", isServing: false });
  bench.advance(7_000);
  const line = "no leader without a majority: 1 of 3 members reached; " +
    "n1 10.0.0.1:7001: closed by the other side; n2 10.0.0.2:7002: does not answer";
  assertEquals(told(), [line, line]);
  bench.cluster.node(0).listen();
  bench.cluster.elect(0, 3);
  bench.advance(20_000);
  assertEquals(told().length, 2);
});

Deno.test("a proxy that reaches none of its nodes reports why, with their addresses", () => {
  const logger = recorder();
  const bench = new ProxyBench({ logger, seeds: ["10.0.0.1:7001", "10.9.9.9:7009"] });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(5_000);
  assertEquals(logger.lines, [
    "no leader without a majority: 0 of 2 members reached; " +
    "10.0.0.1:7001 closed by the other side; 10.9.9.9:7009 connection refused",
  ]);
});

Deno.test("a state is decoded whole or not at all", () => {
  const fields: [string, string | number | string[][]][] = [
    ["id", "n1"],
    ["role", "follower"],
    ["term", 3],
    ["leader-id", ""],
    ["commit-index", 5],
    ["applied-index", 4],
    ["serving", 1],
    ["queue", 2],
    ["nodes", [["n1", "h:1"], ["__proto__", "h:2"], ["n3", ""]]],
    ["something-new", "x"],
  ];
  const push = (pairs: readonly (readonly [string, Reply])[]) =>
    new PushReply(["regent-state", new MapReply(pairs)]);
  const state = parseNodeState(push(fields));
  assertEquals([state?.id, state?.term, state?.leaderId, state?.isServing], ["n1", 3, null, true]);
  assertEquals([...state?.addresses ?? []], [["n1", "h:1"], ["__proto__", "h:2"]]);
  for (const name of ["id", "role", "term", "commit-index", "applied-index", "queue", "nodes"]) {
    assertEquals(parseNodeState(push(fields.filter(([field]) => field !== name))), null, name);
  }
  const wrong: typeof fields = fields.map((
    [name, value],
  ) => [name, name === "role" ? "king" : value]);
  assertEquals(parseNodeState(push(wrong)), null);
  for (const nodes of [[["n1", "h:1"], "n2"], [["n1", 7]], [[1, "h:1"]], [[]]]) {
    const changed = fields.map(([name, value]): [string, Reply] => [
      name,
      name === "nodes" ? nodes : value,
    ]);
    assertEquals(parseNodeState(push(changed)), null, JSON.stringify(nodes));
  }
  assertEquals(parseNodeState(new ErrorReply("ERR x")), null);
  assertEquals(parseNodeState(new PushReply(["other", new MapReply(fields)])), null);
});

Deno.test("a member at an address that is none is not watched, and nobody else suffers", () => {
  const bench = ProxyBench.ready();
  bench.cluster.node(2).host = "no address:";
  bench.cluster.elect(0, 2); // the others hear of it
  bench.advance(300);
  const client = bench.client();
  client.send("SET a 1", "GET a");
  bench.advance(100);
  assertEquals(client.replies, ["OK", "1"]);
  assertEquals(known(bench).slice(0, 2), ["n1@10.0.0.1:7001", "n2@10.0.0.2:7002"]);
});

Deno.test("a seed that turns out to be another name of a member is dropped at its first report", () => {
  const bench = new ProxyBench({ seeds: ["10.0.0.1:7001", "alias:1"], nodes: 1 });
  const node = bench.cluster.node(0);
  void bench.network.listen({ host: "alias", port: 1 }, (stream) => node.accept(stream));
  bench.advance(100);
  assertEquals(known(bench), ["n1@10.0.0.1:7001"]);
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(50);
  assertEquals(client.replies, ["OK"]);
  assertEquals(node.connections.size, 3); // one to watch, one to read, one to write
});
