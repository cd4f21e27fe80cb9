import { assert, assertEquals } from "@std/assert";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { encodeReply } from "../resp/encode.ts";
import { MapReply, PushReply } from "../resp/reply.ts";

function recorder() {
  const lines: string[] = [];
  const record = (line: string) => void lines.push(line);
  return { lines, info: record, warn: record, error: record };
}

function known(bench: ProxyBench): string[] {
  return bench.core.status().nodes.filter(({ isResponsive }) => isResponsive).map(({ id }) => id);
}

const UNREADABLE = "sent a state that cannot be read";
const push = (...items: ConstructorParameters<typeof PushReply>[0]) =>
  encodeReply(new PushReply(items), 3);

/** What a node says in the place of its state, and what is made of it. */
const BABBLE: readonly (readonly [text: string, reason: string])[] = [
  ["HTTP/1.1 400 Bad Request\r\n\r\n", "sent invalid RESP: "],
  ["$9999999999\r\n", "sent invalid RESP: "],
  ["$2000000\r\n" + "x".repeat(2_000_000) + "\r\n", "sent invalid RESP: "],
  ["-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required."],
  [push("regent-state"), UNREADABLE],
  [push("regent-state", "text"), UNREADABLE],
  [push("regent-state", new MapReply([["id", "n3"]])), UNREADABLE],
  [push("something", new MapReply([])), UNREADABLE],
  [">2\r\n$12\r\nregent-state\r\n,no number\r\n", UNREADABLE],
];

for (const [text, reason] of BABBLE) {
  const name = JSON.stringify(text.slice(0, 30));
  Deno.test(`a node that sends ${name} is skipped, reported once, and used when it recovers`, () => {
    const logger = recorder();
    const bench = ProxyBench.ready({ logger });
    const node = bench.cluster.node(2);
    const client = bench.client();
    logger.lines.length = 0;
    node.babble = text;
    bench.advance(3_000);
    assertEquals(known(bench), ["n1", "n2"]);
    const complaints = logger.lines.filter((line) => line.includes("cannot be used"));
    assertEquals(complaints.length, 1, complaints.join("\n").slice(0, 500));
    assert(complaints[0]?.startsWith(`10.0.0.3:7003 cannot be used: ${reason}`), complaints[0]);
    const before = node.received.length;
    for (let count = 0; count < 20; count++) {
      client.send("SET a 1", "GET a");
      bench.advance(10);
    }
    assertEquals([client.openCount, node.received.length], [0, before]);
    node.babble = null;
    bench.advance(3_000);
    assertEquals(known(bench), ["n1", "n2", "n3"]);
  });
}

Deno.test("a leader that sends invalid RESP loses the connection, and each request gets its own answer", () => {
  for (const text of ["?\r\n", "$-7\r\n", "\r\n\r\n", "$3\r\nabcde"]) {
    const bench = ProxyBench.ready();
    const leader = bench.cluster.node(0);
    const [client, other] = [bench.client(), bench.client()];
    leader.isMute = true;
    client.send("SET a 1", "SET b 2");
    other.send("SET c 3");
    bench.advance(5);
    const [held] = leader.held;
    assert(held !== undefined);
    leader.isMute = false;
    leader.held.length = 0; // they were executed, and are not answered here
    held.connection.stream.write(latin1Bytes(text));
    bench.advance(200);
    assertEquals([client.replies, other.replies], [["OK", "OK"], ["OK"]], text);
    assertEquals(bench.cluster.executed, ["SET a 1", "SET b 2", "SET c 3"], "each once");
    assert(!leader.connections.has(held.connection));
  }
});

Deno.test("a leader that does not answer the fence is asked over another connection a second later", () => {
  const bench = new ProxyBench();
  const leader = bench.cluster.node(0);
  leader.ignoresFence = true;
  const client = bench.client();
  bench.advance(100);
  client.send("SET a 1", "GET a");
  bench.advance(300);
  assertEquals(client.openCount, 2);
  const opened = new Set(leader.connections);
  leader.ignoresFence = false;
  bench.advance(1_500);
  assertEquals(client.replies, ["OK", "1"]);
  assert([...opened].some((connection) => !leader.connections.has(connection)), "it was closed");
});

Deno.test("messages that arrive after the proxy has stopped are ignored", () => {
  const bench = ProxyBench.ready();
  const client = bench.client();
  bench.cluster.node(0).isMute = true;
  client.send("SET a 1");
  bench.advance(5);
  bench.core.stop();
  bench.cluster.node(0).release();
  bench.cluster.elect(1, 2);
  bench.advance(2_000);
  assertEquals(client.replies.length, 1);
  assertEquals(bench.cluster.executed, ["SET a 1"]);
  for (const { connections } of bench.cluster.nodes) assertEquals(connections.size, 0);
});
