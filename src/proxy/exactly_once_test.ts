import { assert, assertEquals, assertLess } from "@std/assert";
import type { FakeNode } from "../../tests/support/proxy/fake_node.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { lookup } from "../commands/table.ts";
import { ErrorReply } from "../resp/reply.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { ClientQueue } from "./client_queue.ts";
import { ProxyRequest } from "./proxy_request.ts";

function stamps(node: FakeNode): string[] {
  return node.received.map(({ stamp }) => {
    return stamp === null ? "none" : `${stamp.session} ${stamp.serial}/${stamp.acked}`;
  });
}

Deno.test("writes have a session and growing serials; a client's own are unchanged", () => {
  const bench = ProxyBench.ready();
  const [client, other] = [bench.client(2), bench.client(3)];
  const leader = bench.cluster.node(0);
  client.send("SET a 1", "GET a", "SET a 2");
  bench.advance(10);
  other.send("SET b 1");
  bench.advance(10);
  client.send("ONCE mine 7 SET c 1", "SESSION CLOSE mine");
  bench.advance(10);
  assertEquals(stamps(leader), ["s1 1/0", "none", "s1 2/1", "s1 3/2", "mine 7/0"]);
  assertEquals(client.replies, ["OK", "1", "OK", "NOSESSION", "0"]);
});

Deno.test("a write that was executed when its connection broke is answered, not executed again", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isMute = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  assertEquals(bench.cluster.executed.length, 2);
  leader.kill();
  bench.cluster.elect(1, 2);
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
  assertEquals(stamps(bench.cluster.node(1)), ["s1 1/0", "s1 2/0"]);
});

Deno.test("a write whose outcome the node does not know is resent, with all after it", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  leader.held.shift()?.connection.reply(new ErrorReply("UNKNOWN The leader changed"));
  leader.isHolding = false;
  leader.release();
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
});

Deno.test("a write whose outcome no node knows is not said to have lost its connection", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1");
  bench.advance(5);
  const candidate = { role: "candidate", term: 1, leaderId: null, isServing: false } as const;
  for (const node of bench.cluster.nodes) node.become(candidate);
  leader.held.shift()?.connection.reply(new ErrorReply("UNKNOWN The leader changed"));
  bench.advance(1_200);
  assertEquals(client.texts, [
    "-UNKNOWN No leader has confirmed the write, it may or may not have been executed\r\n",
  ]);
});

Deno.test("a leader that is cut off from the others is not waited for once another leads", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const [old, next] = bench.cluster.nodes;
  assert(old && next);
  old.isHolding = true;
  client.send("SET a 1");
  bench.advance(5);
  bench.cluster.term = 2;
  bench.cluster.leader = next;
  next.catchUp();
  bench.advance(400);
  assertEquals(client.replies, ["OK"]);
  old.release();
  bench.advance(10);
  assertEquals(bench.cluster.executed, ["SET a 1"]);
});

Deno.test("a write is UNKNOWN if no node could be asked in time, and refused if it was never sent", () => {
  const bench = ProxyBench.ready({ limits: { holdMsMax: 1_000 } });
  const [sent, unsent] = [bench.client(), bench.client()];
  bench.cluster.node(0).isHolding = true;
  sent.send("SET a 1", "SET a 2");
  bench.advance(5);
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(5);
  unsent.send("SET b 1");
  bench.advance(900);
  assertEquals([sent.openCount, unsent.openCount], [2, 1]);
  bench.advance(200);
  assertEquals([...sent.replies, ...unsent.replies], ["UNKNOWN", "UNKNOWN", "CLUSTERDOWN"]);
});

Deno.test("of an expired session's writes, those not executed get another session, and the rest is UNKNOWN", () => {
  const bench = ProxyBench.ready();
  const { cluster } = bench;
  const [sent, other] = [bench.client(), bench.client()];
  cluster.node(0).isHolding = true;
  sent.send("SET a 1", "SET a 2");
  bench.advance(5);
  cluster.sessions.clear();
  cluster.node(0).kill();
  cluster.elect(1, 2);
  bench.advance(5);
  other.send("SET b 1", "SET b 2");
  bench.advance(100);
  assertEquals([...sent.replies, ...other.replies], ["UNKNOWN", "UNKNOWN", "OK", "OK"]);
  assertEquals(cluster.executed, ["SET b 1", "SET b 2"]);
  assertEquals([...cluster.sessions.keys()], ["s2"]);
});

Deno.test("a write that is refused alone is not executed after a later one of its client", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  leader.held.shift()?.connection.reply(new ErrorReply("STALE Serial 1 is forgotten"));
  leader.isHolding = false;
  leader.release();
  bench.advance(50);
  assertEquals(client.replies, ["TRYAGAIN", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 2"]);
});

Deno.test("without a session writes are sent unstamped, and are UNKNOWN when they are lost", () => {
  const bench = new ProxyBench();
  bench.cluster.sessionsMax = 0;
  bench.advance(100);
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(10);
  assertEquals([client.replies, stamps(bench.cluster.node(0))], [["OK"], ["none"]]);
  bench.cluster.node(0).isHolding = true;
  client.send("SET a 2");
  bench.advance(5);
  bench.cluster.node(0).kill();
  bench.advance(5);
  assertEquals(client.replies, ["OK", "UNKNOWN"]);
  bench.cluster.sessionsMax = 1;
  bench.cluster.elect(1, 2);
  bench.advance(6_000);
  client.send("SET a 3");
  bench.advance(10);
  assertEquals(stamps(bench.cluster.node(1)), ["s1 1/0"]);
});

Deno.test("a write without a session whose outcome the node does not know is not resent", () => {
  const bench = new ProxyBench();
  bench.cluster.sessionsMax = 0;
  bench.advance(100);
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1");
  bench.advance(5);
  leader.held.shift()?.connection.reply(new ErrorReply("UNKNOWN The leader changed"));
  leader.isHolding = false;
  bench.advance(50);
  assertEquals(client.replies, ["UNKNOWN"]);
  assertEquals(bench.cluster.executed, []);
});

Deno.test("writes wait for the first session", () => {
  const bench = new ProxyBench();
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(100);
  assertEquals([client.replies, stamps(bench.cluster.node(0))], [["OK"], ["s1 1/0"]]);
});

Deno.test("a session whose oldest write stays open is replaced in time, and closed at last", () => {
  const bench = ProxyBench.ready({ limits: { windowRequestsMax: 100_000 } });
  const { cluster } = bench;
  const [stuck, busy] = [bench.client(3), bench.client(2)];
  stuck.send("GET a"); // opens connections for RESP3
  bench.advance(20);
  const leader = cluster.node(0);
  const held = [...leader.connections].filter(({ protocol, fenceTerm }) => {
    return protocol === 3 && fenceTerm !== null;
  });
  assertEquals(held.length, 1);
  const [connection] = held;
  assert(connection !== undefined);
  connection.busyUntilMs = bench.clock.monotonicMs() + 4_000;
  stuck.send("SET stuck 1");
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 100; i++) busy.send(`SET k ${round}.${i}`);
    bench.advance(10);
  }
  assertEquals([busy.openCount, stuck.openCount], [0, 1]);
  const used = new Map<string, number>();
  for (const { stamp } of leader.received) {
    if (stamp !== null) {
      used.set(stamp.session, Math.max(used.get(stamp.session) ?? 0, stamp.serial));
    }
  }
  assertLess(used.get("s1") ?? Infinity, 4096);
  assertEquals(cluster.sessions.has("s1"), true);
  bench.advance(5_000);
  assertEquals(stuck.replies, ["nil", "OK"]);
  assertEquals(cluster.sessions.size, 1);
  assertEquals(cluster.executed.length, 6_001);
});

Deno.test("a session that was idle for long is replaced before it can expire", () => {
  const bench = ProxyBench.ready();
  const { cluster } = bench;
  for (let seconds = 0; seconds < 301; seconds++) bench.advance(1_000);
  assertEquals([...cluster.sessions.keys()], ["s2"]);
  const client = bench.client();
  client.send("SET a 1");
  bench.advance(10);
  assertEquals([client.replies, stamps(cluster.node(0))], [["OK"], ["s2 1/0"]]);
});

Deno.test("the writes of a disconnected client are removed from their session", () => {
  const bench = ProxyBench.ready();
  const [leaving, staying] = [bench.client(), bench.client()];
  bench.cluster.node(0).isHolding = true;
  leaving.send("SET a 1", "SET a 2");
  bench.advance(5);
  leaving.close();
  bench.cluster.node(0).kill();
  bench.cluster.elect(1, 2);
  bench.advance(50);
  for (let i = 0; i < 20; i++) {
    staying.send("SET b 1");
    bench.advance(10);
  }
  assertEquals(stamps(bench.cluster.node(1)).at(-1), "s1 22/21");
});

Deno.test("a client that disconnects while its write waits for a retry leaves no serial open", () => {
  const bench = ProxyBench.ready();
  const [leaving, staying] = [bench.client(), bench.client()];
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  leaving.send("SET a 1", "SET a 2");
  bench.advance(5);
  leader.held.shift()?.connection.reply(new ErrorReply("TRYAGAIN Not now"));
  bench.advance(5);
  leaving.close();
  leader.isHolding = false;
  leader.release();
  bench.advance(50);
  staying.send("SET b 1");
  bench.advance(10);
  assertEquals([leaving.replies, staying.replies], [["…", "…"], ["OK"]]);
  assertEquals(stamps(leader).at(-1), "s1 3/2");
});

Deno.test("a client's own ONCE is resent unchanged, and is UNKNOWN when its session has expired", () => {
  const bench = ProxyBench.ready();
  const { cluster } = bench;
  const client = bench.client();
  cluster.sessions.set("mine", { floor: 0, replies: new Map() });
  cluster.node(0).isMute = true;
  client.send("ONCE mine 1 SET a 1");
  bench.advance(5);
  cluster.node(0).kill();
  cluster.elect(1, 2);
  bench.advance(50);
  assertEquals([client.replies, cluster.executed], [["OK"], ["SET a 1"]]);
  cluster.node(1).isMute = true;
  client.send("ONCE mine 2 SET a 2");
  bench.advance(5);
  cluster.node(1).kill();
  cluster.sessions.delete("mine");
  cluster.elect(2, 3);
  bench.advance(50);
  client.send("ONCE mine 3 SET a 3");
  bench.advance(10);
  assertEquals(client.replies, ["OK", "UNKNOWN", "NOSESSION"]);
  assertEquals(cluster.executed, ["SET a 1", "SET a 2"]);
});

Deno.test("a write is stamped only if its arguments and the stamp together are within a node's limit", () => {
  const client = new ClientQueue({ requests: 0, bytes: 0 }, () => {});
  const command = lookup("mset");
  assert(command !== undefined);
  const isStamped = (count: number) => {
    const sink = { protocol: 2, settleEncoded() {} } as const;
    return new ProxyRequest(client, command, new RequestText(count, ""), sink, 0).wantsStamp;
  };
  const nodeTakes = 131_072;
  assertEquals([isStamped(nodeTakes - 3), isStamped(nodeTakes - 2)], [true, false]);
});
