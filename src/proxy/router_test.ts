import { assert, assertEquals, assertGreater } from "@std/assert";
import type { FakeNode } from "../../tests/support/proxy/fake_node.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply, PushReply } from "../resp/reply.ts";

const TOO_MANY_WAITS = "-ERR 2 clients of this proxy are already waiting (--waits-max)\r\n";

function namesReceived(node: FakeNode): string[] {
  return node.received.map(({ args }) => args.join(" "));
}

Deno.test("a pipeline of writes and reads is answered in program order", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  client.send("SET k 1", "GET k", "SET k 2", "GET k");
  bench.advance(20);
  assertEquals(client.replies, ["OK", "1", "OK", "2"]);
  // Reads behind a write of the same client go to the leader, on the same connection.
  const leader = bench.cluster.node(0);
  assertEquals(namesReceived(leader), ["SET k 1", "GET k", "SET k 2", "GET k"]);
  assertEquals(new Set(leader.received.map(({ connection }) => connection)).size, 1);
});

Deno.test("writes go to the leader, fenced to its term; reads to followers, unfenced", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  client.send("SET k 1");
  bench.advance(20);
  for (let i = 0; i < 10; i++) {
    client.send("GET k");
    bench.advance(20);
  }
  const [leader, ...followers] = bench.cluster.nodes;
  assertEquals(leader?.received.map(({ args, connection }) => [args[0], connection.fenceTerm]), [
    ["SET", 1],
  ]);
  const reads = followers.flatMap(({ received }) => received);
  assertEquals(reads.length, 10);
  assert(reads.every(({ args, connection }) => args[0] === "GET" && connection.fenceTerm === null));
});

Deno.test("a write waits for earlier reads that a follower has not answered", () => {
  const bench = ProxyBench.ready();
  for (const node of bench.cluster.nodes) node.isHolding = true;
  const client = bench.client();
  client.send("GET k", "GET k", "SET k 1", "GET k");
  bench.advance(20);
  const holder = bench.cluster.nodes.find(({ held }) => held.length > 0);
  assertEquals(holder?.held.length, 2); // both on one connection
  assertEquals(bench.cluster.node(0).received.length, 0);
  holder?.release();
  bench.advance(20);
  assertEquals(namesReceived(bench.cluster.node(0)), ["SET k 1", "GET k"]);
  bench.cluster.node(0).release();
  bench.advance(20);
  assertEquals(client.replies, ["nil", "nil", "OK", "1"]);
});

Deno.test("the requests of many clients in one turn are one write, and each client gets its own reply", () => {
  const bench = ProxyBench.ready();
  const clients = Array.from({ length: 50 }, () => bench.client());
  clients.forEach((client, i) => client.send(`SET k${i} ${i}`, `GET k${i}`));
  bench.advance(20);
  clients.forEach((client, i) => assertEquals(client.replies, ["OK", String(i)]));
  const connection = bench.cluster.node(0).received[0]?.connection;
  assertEquals(connection?.chunks.length, 3); // the fence, the session, and everything else
});

Deno.test("clients of RESP3 get RESP3, over connections of their own", () => {
  const bench = ProxyBench.ready();
  const [second, third] = [bench.client(2), bench.client(3)];
  second.send("GET nothing");
  third.send("GET nothing");
  bench.advance(20);
  assertEquals([...second.texts, ...third.texts], ["$-1\r\n", "_\r\n"]);
  third.send("SET k 1");
  third.protocol = 2;
  third.send("GET nothing");
  bench.advance(20);
  assertEquals(third.texts.slice(1), ["+OK\r\n", "$-1\r\n"]);
});

Deno.test("when a leader dies, sent and unsent requests are held and then served", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  bench.cluster.node(0).kill();
  bench.advance(5);
  assertEquals(client.replies, ["…", "…"]);
  const other = bench.client();
  other.send("SET b 1", "GET b", "SET b 2");
  client.send("SET a 3");
  bench.advance(300);
  assertEquals([other.openCount, client.openCount], [3, 3]);
  assertEquals(bench.core.status().holds.heldNow, 6);
  bench.cluster.elect(1, 2);
  bench.advance(20);
  assertEquals(other.replies, ["OK", "1", "OK"]);
  assertEquals(client.replies, ["OK", "OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2", "SET a 3", "SET b 1", "SET b 2"]);
  const { count, heldNow, longestMs } = bench.core.status().holds;
  assertEquals([count, heldNow], [1, 0]);
  assertGreater(longestMs, 290);
  bench.advance(1_000);
  assertEquals(bench.core.status().holds.totalMs, longestMs); // it is over
});

Deno.test("reads between writes of their client, lost with the leader, see the earlier writes", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.data.set("a", "old");
  const leader = bench.cluster.node(0);
  leader.isMute = true;
  // What the first leader executed, its answers show nobody: the read of `a` must not see `a` as 2.
  client.send("SET x 1", "GET b", "GET a", "SET b 1", "SET a 2", "GET a");
  bench.advance(5);
  leader.kill();
  bench.cluster.elect(1, 2);
  bench.advance(50);
  assertEquals(client.replies, ["OK", "nil", "old", "OK", "OK", "2"]);
  assertEquals(bench.cluster.executed, ["SET x 1", "SET b 1", "SET a 2"]);
});

Deno.test("a write overtakes reads of other keys, and waits for those of its own", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "GET b", "SET c 1", "DBSIZE", "SET d 1");
  bench.advance(5);
  assertEquals(namesReceived(leader), ["SET a 1", "GET b", "SET c 1", "DBSIZE"]);
  leader.isHolding = false;
  leader.release();
  bench.advance(10);
  assertEquals(client.replies, ["OK", "nil", "OK", "ERR", "OK"]);
});

Deno.test("a request that a node refuses as not executed goes to the next leader, in order", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).isHolding = true;
  client.send("SET a 1", "GET a", "SET a 2", "GET a");
  bench.advance(5);
  bench.cluster.elect(2, 2);
  bench.cluster.node(0).release();
  bench.advance(50);
  assertEquals(client.replies, ["OK", "1", "OK", "2"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
});

Deno.test("requests after a refusal on a lost connection were not executed either", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  bench.cluster.elect(1, 2);
  bench.cluster.node(0).release(1);
  bench.advance(5);
  bench.cluster.node(0).kill();
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
});

Deno.test("after a read that no majority confirmed in time a write may still be executed", () => {
  const bench = ProxyBench.ready();
  bench.cluster.sessionsMax = 0;
  bench.cluster.sessions.clear();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  client.send("SET a 0"); // its session is gone, and there is no other
  bench.advance(50);
  leader.isHolding = true;
  client.send("SET a 1", "GET a", "SET b 1");
  bench.advance(5);
  leader.release(1);
  leader.held.shift()?.connection.reply(new ErrorReply("CLUSTERDOWN No leader confirmed the read"));
  bench.advance(5);
  leader.kill();
  bench.cluster.elect(1, 2);
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK", "1", "UNKNOWN"]);
  assertEquals(bench.cluster.executed, ["SET a 0", "SET a 1"]);
});

Deno.test("a request that a node refuses for lack of space is repeated with all after it, in order", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.refusesNextWrite = true;
  client.send("SET a 1", "SET a 2", "GET b");
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK", "nil"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
  const connections = leader.received.map(({ connection }) => connection);
  assertEquals(new Set(connections).size, 2); // the first is spent
});

Deno.test("a leader that loses and regains leadership executes nothing out of order", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "SET a 2");
  bench.advance(5);
  leader.become({ role: "leader", term: 3, leaderId: "n1", isServing: true });
  leader.isHolding = false;
  client.send("SET a 3");
  bench.advance(5);
  const other = bench.client();
  other.send("SET b 1");
  bench.advance(10);
  assertEquals([client.openCount, other.openCount], [3, 0]); // nobody waits for the old term
  leader.release();
  bench.advance(100);
  assertEquals(client.replies, ["OK", "OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET b 1", "SET a 1", "SET a 2", "SET a 3"]);
});

Deno.test("a disconnected client frees its place, and nobody gets its replies", () => {
  const bench = ProxyBench.ready();
  const [leaving, staying] = [bench.client(), bench.client()];
  bench.cluster.node(0).isHolding = true;
  leaving.send("SET a 1", "SET a 2");
  staying.send("SET b 1", "GET a");
  leaving.send("SET a 3");
  bench.advance(5);
  leaving.close();
  bench.cluster.node(0).release();
  bench.advance(10);
  assertEquals(staying.replies, ["OK", "2"]);
  assertEquals(leaving.replies, ["…", "…", "…"]);
  assertEquals(bench.core.status().inFlight, 0);
});

Deno.test("an unexpected reply ends the connection; nothing is shifted", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  client.send("SET a 1");
  bench.advance(10);
  leader.isHolding = true;
  client.send("SET a 2", "SET a 3");
  bench.advance(5);
  leader.held[0]?.connection.reply(["surplus"]);
  leader.release();
  leader.isHolding = false;
  bench.advance(100);
  // The surplus reply is taken for the first, as it must; the third then has no owner.
  assertEquals(client.replies.length, 3);
  assertEquals(client.openCount, 0);
  client.send("SET a 4", "GET a");
  bench.advance(50);
  assertEquals(client.replies.slice(3), ["OK", "4"]);
  assert(leader.received.at(-1)?.connection !== leader.received[0]?.connection);
});

Deno.test("a push on a connection for requests is no reply: it ends the connection", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1");
  bench.advance(5);
  const [held] = leader.held.splice(0);
  held?.connection.stream.write(latin1Bytes(encodeReply(new PushReply(["surplus"]), 3)));
  bench.advance(5);
  leader.isHolding = false;
  bench.advance(50);
  assertEquals(client.replies, ["OK"]);
});

Deno.test("a node without a leader is skipped, and the client does not notice", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  for (const node of bench.cluster.nodes) node.isHolding = true;
  client.send("GET a");
  bench.advance(5);
  const asked = bench.cluster.nodes.find(({ held }) => held.length > 0);
  asked?.held[0]?.connection.reply(new ErrorReply("CLUSTERDOWN No leader confirmed the read"));
  for (const node of bench.cluster.nodes) node.held.length = 0;
  for (const node of bench.cluster.nodes) node.isHolding = false;
  bench.advance(100);
  assertEquals(client.replies, ["nil"]);
});

Deno.test("WAIT has a connection of its own, after earlier requests and before later ones", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  client.send("SET a 1", "WAIT 1 0", "SET a 2");
  bench.advance(10);
  assertEquals(namesReceived(leader), ["SET a 1"]);
  leader.release();
  bench.advance(10);
  assertEquals(namesReceived(leader), ["SET a 1", "WAIT 1 0"]);
  const other = bench.client();
  other.send("SET b 1");
  bench.advance(10);
  assertEquals(leader.held.map(({ args }) => args[0]), ["WAIT", "SET"]);
  const [wait, set] = leader.held;
  assert(wait?.connection !== set?.connection);
  leader.release();
  bench.advance(10);
  leader.release();
  bench.advance(10);
  assertEquals([client.replies, other.replies], [["OK", "2", "OK"], ["OK"]]);
  assertEquals(leader.connections.has(wait?.connection as never), false);
});

Deno.test("clients beyond --waits-max are refused when they WAIT, in order, and accepted later", () => {
  const bench = ProxyBench.ready({ limits: { waitsMax: 2 } });
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const waiting = [bench.client(), bench.client()];
  for (const client of waiting) client.send("WAIT 1 0");
  bench.advance(10);
  leader.isHolding = false;
  const before = leader.connections.size;
  const refused = bench.client();
  refused.send("SET a 1", "WAIT 1 0", "GET a");
  bench.advance(20);
  assertEquals(refused.replies, ["OK", "ERR", "1"]);
  assertEquals(refused.texts[1], TOO_MANY_WAITS);
  assertEquals(leader.connections.size, before);
  leader.release();
  bench.advance(10);
  assertEquals(waiting.map(({ replies }) => replies), [["2"], ["2"]]);
  refused.send("WAIT 1 0");
  bench.advance(10);
  assertEquals(refused.replies.at(-1), "2");
});

Deno.test("WAITs that were held without a leader are bounded by --waits-max with one too", () => {
  const bench = ProxyBench.ready({ limits: { waitsMax: 2 } });
  bench.cluster.node(0).kill();
  bench.advance(300);
  const clients = Array.from({ length: 5 }, () => bench.client());
  for (const client of clients) client.send("WAIT 1 0");
  bench.advance(50);
  assertEquals(clients.flatMap(({ replies }) => replies), Array(5).fill("…"));
  const leader = bench.cluster.node(1);
  leader.isHolding = true;
  bench.cluster.elect(1, 2);
  bench.advance(100);
  assertEquals(leader.held.length, 2);
  const answers = clients.flatMap(({ texts }) => texts);
  assertEquals(answers, [null, null, ...Array(3).fill(TOO_MANY_WAITS)]);
});

Deno.test("a membership change finds a connection while all WAITs are in use", () => {
  const bench = ProxyBench.ready({ limits: { waitsMax: 1 } });
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const [waiting, operator] = [bench.client(), bench.client()];
  waiting.send("WAIT 1 0");
  operator.send("CLUSTER TRANSFER n2");
  bench.advance(10);
  assertEquals(leader.held.map(({ args }) => args[0]), ["WAIT", "CLUSTER"]);
});

Deno.test("WAIT is resent to the next leader, and ends with its client", () => {
  const bench = ProxyBench.ready();
  const [staying, leaving] = [bench.client(), bench.client()];
  bench.cluster.node(0).isHolding = true;
  staying.send("WAIT 1 0");
  bench.advance(10);
  bench.cluster.node(0).kill();
  bench.cluster.elect(1, 2);
  bench.advance(50);
  assertEquals(staying.replies, ["2"]);
  const leader = bench.cluster.node(1);
  leader.isHolding = true;
  leaving.send("WAIT 2 0");
  bench.advance(10);
  const connection = leader.held[0]?.connection;
  assert(connection !== undefined && leader.connections.has(connection));
  leaving.close();
  bench.advance(10);
  assertEquals(leader.connections.has(connection), false);
});

Deno.test("reads are distributed by requests in flight; a slow node gets few, the leader helps", () => {
  const bench = ProxyBench.ready();
  const [leader, fast, slow] = bench.cluster.nodes;
  assert(leader && fast && slow);
  slow.delayMs = 40;
  const clients = Array.from({ length: 20 }, () => bench.client());
  for (let round = 0; round < 100; round++) {
    for (const client of clients) if (client.openCount === 0) client.send("GET k");
    bench.advance(3);
  }
  assertGreater(fast.received.length, 10 * slow.received.length);
  assertGreater(slow.received.length, 0);
  slow.delayMs = fast.delayMs = 40;
  for (let more = 0; more < 600; more++) clients.push(bench.client());
  for (let round = 0; round < 100; round++) {
    for (const client of clients) if (client.openCount === 0) client.send("GET k");
    bench.advance(3);
  }
  assertGreater(leader.received.length, 20);
});

Deno.test("concurrent reads go to one node, later ones to another", () => {
  const bench = ProxyBench.ready();
  const [leader, ...followers] = bench.cluster.nodes;
  const clients = Array.from({ length: 20 }, () => bench.client());
  const before = followers.map(({ received }) => received.length);
  const waves = Array.from({ length: 50 }, () => {
    for (const client of clients) client.send("GET k");
    bench.advance(5);
    return followers.map(({ received }, at) => {
      const count = received.length - (before[at] ?? 0);
      before[at] = received.length;
      return count;
    }).join();
  });
  assertEquals(new Set(waves), new Set(["20,0", "0,20"]));
  assertEquals(leader?.received.filter(({ args }) => args[0] === "GET"), []);
});

Deno.test("a node that takes too long for one answer is asked again, over another connection", () => {
  const bench = ProxyBench.ready({ limits: { replyMsMax: 2_000 } });
  const client = bench.client();
  bench.cluster.node(0).isHolding = true;
  client.send("SET a 1");
  bench.advance(1_900);
  assertEquals(client.replies, ["…"]);
  bench.cluster.node(0).isHolding = false;
  bench.advance(200);
  client.send("SET a 2");
  bench.advance(50);
  assertEquals(client.replies, ["OK", "OK"]);
  assertEquals(bench.cluster.executed, ["SET a 1", "SET a 2"]);
});

Deno.test("a request larger than the window gets its turn, however many small ones arrive later", () => {
  const bench = ProxyBench.ready({ limits: { windowBytesMax: 1_000 } });
  const leader = bench.cluster.node(0);
  leader.isHolding = true;
  const [first, large, ...others] = Array.from({ length: 6 }, () => bench.client());
  first?.send("SET first 1");
  bench.advance(5);
  large?.send(`SET large ${"x".repeat(5_000)}`);
  for (let i = 0; i < 50; i++) {
    for (const other of others) other.send(`SET small ${i}`);
    bench.advance(1);
    if (i === 10) leader.release();
    if (i === 20) leader.isHolding = false;
  }
  leader.release();
  bench.advance(50);
  const order = leader.received.map(({ args }) => args[1]);
  assertEquals(order.slice(0, 3), ["first", "large", "small"]);
  assertEquals(large?.replies, ["OK"]);
  for (const other of others) assertEquals(other.replies.length, 50);
});

Deno.test("a read is sent at once when the one before it was answered, also after the proxy's own", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  for (const key of ["a", "b", "c", "d"]) {
    client.send(`GET ${key}`);
    bench.advance(2); // there and back
  }
  assertEquals(client.replies, ["nil", "nil", "nil", "nil"]);
});
