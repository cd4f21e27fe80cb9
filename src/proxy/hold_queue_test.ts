import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { ClientQueue } from "./client_queue.ts";
import { HoldQueue } from "./hold_queue.ts";
import { DEFAULT_PROXY_LIMITS } from "./limits.ts";

Deno.test("holding is bounded in time, and the error has the duration", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(10);
  const client = bench.client();
  client.send("SET a 1", "GET a");
  bench.advance(500);
  client.send("SET a 2");
  bench.advance(480);
  assertEquals(client.openCount, 3);
  bench.advance(60);
  assertEquals(client.replies, ["CLUSTERDOWN", "CLUSTERDOWN", "…"]);
  const heldMs = Number(
    /^-CLUSTERDOWN no leader, held (\d+) ms\r\n$/.exec(client.texts[0] ?? "")?.[1],
  );
  assertGreater(heldMs, 999);
  assertLess(heldMs, 1_050);
});

Deno.test("a read that a node holds without a leader is held no longer than one held here", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const [leader, ...followers] = bench.cluster.nodes;
  for (const node of followers) node.isHolding = true;
  const client = bench.client();
  client.send("GET a");
  bench.advance(5);
  leader?.kill();
  for (const node of followers) {
    node.become({ role: "follower", term: 1, leaderId: null, isServing: false });
  }
  bench.advance(900);
  assertEquals(client.replies, ["…"]);
  bench.advance(150);
  assertEquals(client.replies, ["CLUSTERDOWN"]);
});

Deno.test("holding is bounded in count and bytes, and the error names the limit", () => {
  const bench = ProxyBench.ready({ limits: { holdRequestsMax: 3, holdBytesMax: 200 } });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(10);
  const [first, second] = [bench.client(), bench.client()];
  first.send("SET a 1", "SET a 2", "SET a 3", "SET a 4");
  second.send("GET a");
  assertEquals(first.replies, ["…", "…", "…", "CLUSTERDOWN"]);
  assertStringIncludes(first.texts[3] ?? "", "3 requests are held already (--hold-requests-max)");
  assertEquals(second.replies, ["CLUSTERDOWN"]);
  first.close();
  second.send(`SET a ${"x".repeat(300)}`);
  assertStringIncludes(
    second.texts[1] ?? "",
    "no leader, held 0 ms: more than 200 bytes would be held",
  );
  assertEquals(bench.core.status().holds.refused, 3);
});

Deno.test("the bytes of all held requests count together, and only while they are held", () => {
  const bench = ProxyBench.ready({ limits: { holdBytesMax: 400 } });
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(10);
  const [first, second] = [bench.client(), bench.client()];
  const large = `SET a ${"x".repeat(150)}`;
  first.send(large, large);
  second.send(large);
  assertEquals([...first.replies, ...second.replies], ["…", "…", "CLUSTERDOWN"]);
  first.close();
  second.send(large);
  assertEquals(second.replies, ["CLUSTERDOWN", "…"]);
});

Deno.test("a healthy cluster never refuses, however many requests wait", () => {
  const bench = ProxyBench.ready({ limits: { holdRequestsMax: 10, windowRequestsMax: 4 } });
  const client = bench.client();
  for (let i = 0; i < 100; i++) client.send(`SET k ${i}`, "GET k");
  bench.advance(1_000);
  assertEquals(client.replies.filter((word) => word === "OK").length, 100);
});

Deno.test("after an election at most a window is sent at once, and each client gets its share", () => {
  const bench = ProxyBench.ready({ limits: { windowRequestsMax: 100 } });
  bench.cluster.node(0).kill();
  bench.advance(10);
  const clients = Array.from({ length: 10 }, () => bench.client());
  clients.forEach((client, key) => {
    for (let i = 0; i < 300; i++) client.send(`SET k${key} ${i}`);
  });
  const next = bench.cluster.node(1);
  next.isHolding = true;
  bench.cluster.elect(1, 2);
  bench.advance(20);
  assertEquals(next.held.length, 100);
  assertEquals(new Set(next.held.map(({ args }) => args[1])).size, 2);
  for (let window = 0; window < 8; window++) {
    next.release();
    bench.advance(10);
    assertEquals(next.held.length, 100);
  }
  assert(clients.every((client) => client.openCount < 300));
  next.isHolding = false;
  next.release();
  bench.advance(200);
  assert(clients.every(({ openCount }) => openCount === 0));
});

Deno.test("the window counts bytes in flight, and answers free them", () => {
  const bench = ProxyBench.ready({ limits: { windowBytesMax: 1_000 } });
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const client = bench.client();
  for (let i = 0; i < 60; i++) client.send(`SET k ${"x".repeat(70)}`);
  for (let window = 0; window < 6; window++) {
    bench.advance(10);
    assertEquals(leader.held.length, 10);
    leader.release();
  }
  bench.advance(10);
  assertEquals(client.openCount, 0);
});

Deno.test("a leader that accepts no connection counts as none: requests for it expire", () => {
  const bench = new ProxyBench({ limits: { holdMsMax: 1_000 } });
  bench.cluster.node(0).refusesFence = true;
  bench.advance(100);
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(900);
  assertEquals(client.replies, ["…"]);
  bench.advance(200);
  assertMatch(
    client.texts[0] ?? "",
    /^-CLUSTERDOWN no node has taken this request, held 1\d\d\d ms\r/,
  );
});

Deno.test("the error of a request that a known leader refuses does not say 'no leader'", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(1_500);
  leader.refusesNextWrite = true;
  leader.release();
  bench.advance(20);
  assertMatch(
    client.texts[0] ?? "",
    /^-CLUSTERDOWN no node has taken this request, held 1\d\d\d ms\r/,
  );
});

Deno.test("the error of a request beyond the limit says 'no leader' only if none is known", () => {
  const bench = new ProxyBench({ limits: { holdRequestsMax: 1, holdBytesMax: 200 } });
  bench.cluster.node(0).refusesFence = true;
  bench.advance(100);
  bench.client().send(`SET a ${"x".repeat(120)}`);
  const client = bench.client();
  client.send("SET a 1");
  assertEquals(
    client.texts,
    ["-CLUSTERDOWN 1 requests are held already (--hold-requests-max)\r\n"],
  );
});

Deno.test("a request larger than the window is sent when nothing else is in flight", () => {
  const bench = ProxyBench.ready({ limits: { windowBytesMax: 1_000 } });
  const client = bench.client();
  client.send("SET a 1", `SET b ${"x".repeat(5_000)}`, "SET c 1");
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK", "OK"]);
});

Deno.test("a request that is refused again and again is held no longer than one that no node accepts", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const leader = bench.cluster.node(0);
  const client = bench.client();
  leader.isHolding = true;
  client.send("SET a 1");
  bench.advance(10);
  bench.advance(600);
  const candidate = { role: "candidate", term: 1, leaderId: null, isServing: false } as const;
  for (const node of bench.cluster.nodes) node.become(candidate);
  leader.release();
  bench.advance(360);
  assertEquals(client.replies, ["…"]);
  bench.advance(80);
  assertEquals(client.replies, ["CLUSTERDOWN"]);
});

Deno.test("while a leader is missing, a read that a follower can take is not refused with the rest", () => {
  const bench = ProxyBench.ready({ limits: { holdRequestsMax: 1 } });
  const [writer, reader, mixed] = [bench.client(), bench.client(), bench.client()];
  bench.cluster.node(0).kill();
  bench.advance(10);
  writer.send("SET a 1");
  reader.send("GET a");
  mixed.send("SET b 1");
  bench.advance(10);
  assertEquals([writer.replies, reader.replies, mixed.replies], [["…"], ["nil"], ["CLUSTERDOWN"]]);
});

Deno.test("a retry within a retry lets each held client try once", () => {
  const hold = new HoldQueue(DEFAULT_PROXY_LIMITS);
  const clients = [1, 2, 3].map(() => new ClientQueue(hold.totals, () => {}));
  for (const client of clients) hold.hold(client, 0);
  const tried: number[] = [];
  const dispatch = (client: ClientQueue) => {
    tried.push(clients.indexOf(client));
    if (tried.length === 1) hold.retry(0, dispatch); // as when a session is had meanwhile
  };
  hold.retry(0, dispatch);
  assertEquals([tried, hold.isEmpty], [[0, 1, 2], true]);
});

Deno.test("resetting the statistics forgets past periods, and a current one begins anew", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const candidate = { role: "candidate", term: 1, leaderId: null, isServing: false } as const;
  for (const node of bench.cluster.nodes) node.become(candidate);
  bench.advance(20);
  const { hold } = bench.core.router;
  const counts = () => {
    const { heldNow, count, totalMs, longestMs, refused } = bench.core.status().holds;
    return [heldNow, count, totalMs, longestMs, refused];
  };
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(1_100);
  assertEquals(counts().map((number) => number > 0), [false, true, true, true, true]);
  hold.resetStatistics(bench.clock.monotonicMs());
  assertEquals(counts(), [0, 0, 0, 0, 0]);
  client.send("SET a 1");
  bench.advance(300);
  hold.resetStatistics(bench.clock.monotonicMs());
  assertEquals(counts(), [1, 1, 0, 0, 0]);
  bench.advance(100);
  assertEquals(counts(), [1, 1, 100, 100, 0]);
  bench.advance(650);
  assertEquals(client.replies, ["CLUSTERDOWN", "CLUSTERDOWN"], "how long it is held stays");
});
