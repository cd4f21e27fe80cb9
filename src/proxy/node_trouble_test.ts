import { assert, assertEquals } from "@std/assert";
import type { FakeNode } from "../../tests/support/proxy/fake_node.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";

/** The node that holds a request with this name. */
function holderOf(bench: ProxyBench, name: string): FakeNode {
  const holder = bench.cluster.nodes.find(({ held }) => held.some(({ args }) => args[0] === name));
  assert(holder !== undefined, `nobody was asked for ${name}`);
  return holder;
}

/** The nodes that were asked for this, and for this key if one is named. */
function asked(bench: ProxyBench, name: string, key?: string): string[] {
  return bench.cluster.nodes.flatMap(({ id, received }) => {
    const isIt = ([first, second]: readonly string[]) => {
      return first === name && (key === undefined || key === second);
    };
    return received.filter(({ args }) => isIt(args)).map(() => id);
  });
}

function setHolding(bench: ProxyBench, isHolding: boolean): void {
  for (const node of bench.cluster.nodes) node.isHolding = isHolding;
}

Deno.test("a busy node keeps its long read, and others answer the short ones", () => {
  const bench = ProxyBench.ready();
  const [long, short] = [bench.client(), bench.client()];
  setHolding(bench, true);
  long.send("KEYS nomatch*", "GET a");
  bench.advance(5);
  const busy = holderOf(bench, "KEYS");
  short.send("GET b");
  bench.advance(5);
  busy.stop();
  setHolding(bench, false);
  for (const node of bench.cluster.nodes) if (node !== busy) node.release();
  bench.advance(300);
  assertEquals([long.replies, short.replies], [["…", "…"], ["nil"]]);
  bench.advance(3_000);
  assertEquals(asked(bench, "KEYS"), [busy.id]);
  busy.resume();
  busy.release();
  bench.advance(50);
  assertEquals([long.openCount, asked(bench, "KEYS")], [0, [busy.id]]);
});

Deno.test("a long read whose node is cut off is retried at one more node, and then refused with the reason", () => {
  const bench = ProxyBench.ready({ nodes: 5 });
  const client = bench.client();
  setHolding(bench, true);
  client.send("KEYS nomatch*");
  bench.advance(5);
  bench.network.isolate(holderOf(bench, "KEYS").port);
  bench.advance(2_000);
  assertEquals(asked(bench, "KEYS").length, 2);
  for (const node of bench.cluster.nodes) {
    if (node.held.some(({ args }) => args[0] === "KEYS")) bench.network.isolate(node.port);
  }
  bench.advance(6_000);
  assertEquals([asked(bench, "KEYS").length, client.replies], [2, ["ERR"]]);
});

for (const name of ["KEYS", "GET"]) {
  Deno.test(`a ${name} that two nodes died with is not sent to a third`, () => {
    const bench = ProxyBench.ready({ nodes: 5 });
    const [client, other] = [bench.client(), bench.client()];
    setHolding(bench, true);
    client.send(`${name} a`, "SET a 1");
    bench.advance(5);
    holderOf(bench, name).kill();
    bench.advance(5);
    other.send("GET b"); // lost once only
    bench.advance(5);
    holderOf(bench, name).kill();
    setHolding(bench, false);
    bench.cluster.nodes.forEach((node) => node.release());
    bench.cluster.elect(bench.cluster.nodes.findIndex(({ isDown }) => !isDown), 2);
    bench.advance(100);
    assertEquals([client.replies, other.replies], [["ERR", "OK"], ["nil"]]);
    assertEquals(asked(bench, name, "a").length, 2);
  });
}

Deno.test("a node that has lost its leader returns its reads, and its late answers are dropped", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.data.set("a", "1");
  setHolding(bench, true);
  client.send("GET a", "GET b");
  bench.advance(5);
  const lost = holderOf(bench, "GET");
  setHolding(bench, false);
  lost.become({ role: "candidate", term: 1, leaderId: null, isServing: false });
  bench.advance(20);
  assertEquals(client.replies, ["1", "nil"]);
  bench.cluster.data.set("b", "2");
  lost.become({ role: "follower", term: 1, leaderId: "n1", isServing: true });
  lost.release();
  for (let i = 0; i < 10; i++) {
    client.send("GET b");
    bench.advance(10);
  }
  assertEquals(client.replies.slice(2), new Array(10).fill("2"));
});

Deno.test("when no node can take reads for a while, they wait until one can", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  setHolding(bench, true);
  client.send("GET a");
  bench.advance(5);
  const first = holderOf(bench, "GET");
  const candidate = { role: "candidate", term: 1, leaderId: null, isServing: false } as const;
  for (const node of bench.cluster.nodes) node.become(candidate);
  bench.advance(100);
  assertEquals(client.replies, ["…"]);
  setHolding(bench, false);
  const [next] = bench.cluster.nodes.filter((node) => node !== first);
  next?.become({ role: "leader", term: 2, leaderId: next.id, isServing: true });
  bench.advance(50);
  assertEquals(client.replies, ["nil"]);
});

Deno.test("a node that comes back gets no reads before it has answered the proxy itself", () => {
  const bench = ProxyBench.ready();
  const clients = Array.from({ length: 16 }, () => bench.client());
  const back = bench.cluster.node(2);
  bench.cluster.node(1).delayMs = 5;
  back.kill();
  bench.advance(500);
  back.listen();
  back.isHolding = true; // it installs a snapshot, though it hears its leader
  back.catchUp();
  for (let round = 0; round < 100; round++) {
    for (const client of clients) client.send("GET a");
    bench.advance(10);
    for (const client of clients) assertEquals(client.openCount, 0);
  }
  assertEquals(back.received, []);
  back.isHolding = false;
  back.release();
  bench.advance(200);
  for (let round = 0; round < 20; round++) {
    for (const client of clients) client.send("GET a");
    bench.advance(10);
  }
  assert(back.received.length > 0, "it has caught up and is left out nevertheless");
});

Deno.test("a node that was not measured yet, or for long, does not look like the fastest", () => {
  const bench = new ProxyBench();
  const slow = bench.cluster.node(1);
  slow.delayMs = 80;
  bench.advance(300);
  const client = bench.client();
  client.send("GET a");
  bench.advance(20_000); // nobody reads
  for (let round = 0; round < 2_000; round++) {
    client.send("GET a");
    bench.advance(10);
    assertEquals(client.openCount, 0);
  }
  assertEquals(slow.received, []);
  slow.delayMs = 0;
  for (let round = 0; round < 300; round++) {
    client.send("GET a");
    bench.advance(10);
  }
  assert(slow.received.length > 0, "it is fast again and is left out nevertheless");
});

Deno.test("a node that is up and answers no reads: its short reads move elsewhere, and it gets no more", () => {
  const bench = ProxyBench.ready();
  const [client, long] = [bench.client(), bench.client()];
  bench.cluster.nodes.slice(1).forEach((node) => node.isHolding = true);
  client.send("GET a");
  bench.advance(5);
  const stuck = holderOf(bench, "GET");
  bench.cluster.nodes.filter((node) => node !== stuck).forEach((node) => node.isHolding = false);
  bench.advance(1_100);
  assertEquals(client.replies, ["nil"]);
  const before = stuck.received.length;
  for (let round = 0; round < 100; round++) {
    client.send("GET a");
    bench.advance(10);
  }
  assertEquals([client.openCount, stuck.received.length], [0, before]);
  stuck.isHolding = false;
  stuck.release();
  bench.advance(50);
  setHolding(bench, true);
  long.send("KEYS nomatch*");
  bench.advance(3_000);
  assertEquals(asked(bench, "KEYS").length, 1); // it may take long
});

Deno.test("after an interruption requests use new connections, not those that lost bytes", () => {
  const bench = ProxyBench.ready();
  const [client, reader, late] = [bench.client(), bench.client(), bench.client()];
  const leader = bench.cluster.node(0);
  for (const node of bench.cluster.nodes) bench.network.isolate(node.port);
  client.send("SET a 1", "SET a 2");
  reader.send("GET b");
  bench.advance(900);
  assertEquals([client.openCount, reader.openCount], [2, 1]);
  bench.network.heal();
  bench.advance(60);
  late.send("SET b 1");
  bench.advance(40);
  assertEquals(late.replies, ["OK"]);
  bench.advance(300);
  assertEquals([client.replies, reader.openCount], [["OK", "OK"], 0]);
  assertEquals(bench.cluster.executed, ["SET b 1", "SET a 1", "SET a 2"]);
  assertEquals(leader.connections.size <= 4, true);
});

Deno.test("a late answer on a replaced connection still counts", () => {
  const bench = ProxyBench.ready();
  bench.cluster.sessionsMax = 0;
  bench.cluster.sessions.clear();
  const client = bench.client();
  client.send("SET a 0");
  bench.advance(50);
  bench.cluster.node(0).stop();
  client.send("SET a 1", "GET b"); // without a session: the write cannot be sent again
  bench.advance(400);
  bench.cluster.node(0).isHolding = true;
  bench.cluster.node(0).resume();
  bench.advance(1_000);
  assertEquals(client.replies, ["OK", "…", "…"]);
  bench.cluster.node(0).release();
  bench.advance(10);
  assertEquals(client.replies, ["OK", "OK", "nil"]);
});

Deno.test("a node that was busy with a large write gets it once, and time to finish it", () => {
  const bench = ProxyBench.ready();
  const leader = bench.cluster.node(0);
  const client = bench.client();
  leader.stop();
  client.send(`SET large ${"x".repeat(4 * 2 ** 20)}`);
  bench.advance(400);
  leader.isHolding = true;
  leader.resume();
  bench.advance(2_000);
  assertEquals(asked(bench, "SET", "large").length + asked(bench, "ONCE").length, 1);
  leader.release();
  bench.advance(10);
  assertEquals(client.replies, ["OK"]);
});

Deno.test("a suspended proxy reads the answers that have arrived before it gives a connection up", () => {
  const bench = ProxyBench.ready();
  const [writer, reader] = [bench.client(), bench.client()];
  setHolding(bench, true);
  writer.send("SET n 1");
  reader.send("GET a");
  bench.advance(5);
  bench.stall(40_000);
  bench.advance(20); // the timers come first
  setHolding(bench, false);
  for (const node of bench.cluster.nodes) node.release();
  bench.advance(10);
  assertEquals([writer.replies, reader.replies], [["OK"], ["nil"]]);
  assertEquals(asked(bench, "GET", "a").length, 1);
});

Deno.test("a proxy that is always late still gives up requests without an answer", () => {
  const bench = ProxyBench.ready({ limits: { replyMsMax: 1_000 } });
  const client = bench.client();
  setHolding(bench, true);
  client.send("SET n 1");
  for (let round = 0; round < 20; round++) {
    bench.stall(130);
    bench.advance(20);
  }
  const writes = asked(bench, "SET", "n").length + asked(bench, "ONCE").length;
  assertEquals(writes > 1, true, `${writes} writes`);
});

Deno.test("a machine that lost power silently is watched again well within a second", () => {
  const bench = ProxyBench.ready();
  bench.cluster.node(0).vanish();
  for (let i = 0; i < 60 && bench.core.status().leader !== null; i++) bench.advance(5);
  assertEquals(bench.core.status().leader, null);
  bench.advance(60);
  assertEquals(bench.core.status().leader?.id, "n1");
});

Deno.test("a node that reports that it is well and refuses everything gets hardly any requests", () => {
  const bench = ProxyBench.ready();
  const [reader, writer] = [bench.client(), bench.client()];
  const [leader, refusing] = [bench.cluster.node(0), bench.cluster.node(1)];
  refusing.refusesAll = true;
  for (let round = 0; round < 200; round++) {
    reader.send("GET a");
    bench.advance(10);
    assertEquals(reader.openCount, 0);
  }
  assert(refusing.received.length < 3, `it got ${refusing.received.length} reads`);
  leader.refusesAll = true;
  writer.send("SET a 1");
  bench.advance(2_000);
  const tries = leader.received.filter(({ args }) => args[0] === "SET").length;
  assert(tries > 3 && tries < 25, `it got the write ${tries} times`);
  leader.refusesAll = refusing.refusesAll = false;
  bench.advance(400);
  assertEquals(writer.replies, ["OK"]);
  const before = refusing.received.length;
  for (let round = 0; round < 20; round++) {
    reader.send("GET a");
    bench.advance(10);
  }
  assert(refusing.received.length > before, "it is well again and is left out");
});

Deno.test("late answers to reads that were moved elsewhere free their space", () => {
  const bench = ProxyBench.ready({ nodes: 2, limits: { windowBytesMax: 1_000 } });
  const [, follower] = bench.cluster.nodes;
  assert(follower !== undefined);
  follower.isHolding = true;
  bench.client().send(`GET ${"x".repeat(900)}`);
  bench.advance(5);
  assertEquals(follower.received.length, 1);
  follower.become({ role: "candidate", term: 1, leaderId: null, isServing: false });
  bench.advance(20);
  follower.isHolding = false;
  follower.become({ role: "follower", term: 1, leaderId: "n1", isServing: true });
  follower.release();
  bench.advance(200);
  setHolding(bench, true);
  for (let i = 0; i < 8; i++) bench.client().send(`GET ${"y".repeat(50)}`);
  bench.advance(5);
  assertEquals(follower.received.length, 9);
});

Deno.test("the time that a node takes to catch up does not count as a read's latency", () => {
  const bench = ProxyBench.ready();
  const clients = Array.from({ length: 16 }, () => bench.client());
  const back = bench.cluster.node(2);
  bench.cluster.node(1).delayMs = 5;
  back.become({ role: "candidate", term: 1, leaderId: null, isServing: false });
  bench.advance(200);
  back.isHolding = true; // it hears its leader again, and has to catch up
  back.catchUp();
  bench.advance(900);
  back.isHolding = false;
  back.release();
  bench.advance(20);
  for (let round = 0; round < 10; round++) {
    for (const client of clients) client.send("GET a");
    bench.advance(10);
  }
  assert(back.received.length > 0, "it is as fast as ever and is left out");
});

Deno.test("a client whose connection was replaced sends nothing more on the old one", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  for (const node of bench.cluster.nodes) bench.network.isolate(node.port);
  client.send("SET a 1");
  bench.advance(900);
  bench.network.heal();
  for (let i = 0; i < 300 && bench.core.status().leader === null; i++) bench.advance(1);
  bench.advance(20);
  client.send("SESSION OPEN 1000"); // cannot be sent again
  bench.advance(400);
  assertEquals([client.replies[0], client.openCount], ["OK", 0]);
});

Deno.test("a WAIT that was under way during an interruption is still answered on its connection", () => {
  const bench = ProxyBench.ready();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const client = bench.client();
  client.send("WAIT 2 0");
  bench.advance(10);
  const [wait] = leader.held;
  bench.network.isolate(leader.port);
  bench.advance(900);
  bench.network.heal();
  bench.advance(60);
  leader.release();
  bench.advance(20);
  assertEquals([client.replies, wait?.args[0]], [["2"], "WAIT"]);
  assertEquals(leader.connections.has(wait?.connection as never), false);
});
