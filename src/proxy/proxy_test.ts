import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import net from "node:net";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { FakeCluster, MEMORY_BYTES_MAX } from "../../tests/support/proxy/fake_node.ts";
import { until } from "../../tests/support/until.ts";
import { latin1, latin1Bytes } from "../base/bytes.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom } from "../base/random.ts";
import { systemClock } from "../platform/clock.ts";
import { tcpNetwork } from "../platform/tcp_network.ts";
import { encodeRequest } from "../resp/encode.ts";
import { DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { Proxy } from "./proxy.ts";

/** A proxy on a real socket in front of three fake nodes on real sockets. */
async function withProxy(
  test: (proxy: Proxy, cluster: FakeCluster) => Promise<void>,
): Promise<void> {
  const cluster = new FakeCluster(tcpNetwork, systemClock);
  cluster.start(3, "127.0.0.1");
  await until("the nodes listen", () => cluster.nodes.every(({ port }) => port > 0));
  const proxy = await Proxy.start({
    address: { host: "127.0.0.1", port: 0 },
    seeds: [{ host: "127.0.0.1", port: cluster.node(1).port }],
    network: tcpNetwork,
    clock: systemClock,
    random: seededRandom(3),
    logger: silentLogger,
    limits: { watchIntervalMs: 200, silenceMsMax: 5_000 },
    clientLimits: DEFAULT_CLIENT_LIMITS,
    facts: PROCESS_FACTS,
    config: new Map([["save", ""]]),
  });
  try {
    await test(proxy, cluster);
  } finally {
    proxy.stop();
    cluster.nodes.forEach((node) => node.kill());
    await until("all connections are closed", () => proxy.listener.connections.size === 0);
  }
}

/** A raw client that keeps all it was sent. */
class RawClient {
  readonly socket: net.Socket;
  text = "";
  isClosed = false;

  constructor({ listener }: Proxy) {
    this.socket = net.connect({ ...listener.address, allowHalfOpen: true });
    this.socket.on("data", (chunk: Uint8Array) => this.text += latin1(chunk, 0, chunk.length));
    this.socket.on("close", () => this.isClosed = true);
  }

  write(text: string): void {
    this.socket.write(latin1Bytes(text));
  }

  /** Sends, and waits until as much has come back as is expected. */
  async ask(text: string, expected: string): Promise<void> {
    const before = this.text.length;
    this.write(text);
    const answer = () => this.text.slice(before);
    await until("the answer", () => answer().length >= expected.length, { describe: answer });
    assertEquals(answer(), expected);
  }
}

const request = (text: string) => encodeRequest(text.split(" "));

Deno.test("writes and reads in one packet, and cut everywhere", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    const packet = ["SET k 1", "GET k", "SET k 2", "GET k", "PING"].map(request).join("");
    const answers = "+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n+PONG\r\n";
    await client.ask(packet, answers);
    for (const char of packet.slice(0, -1)) client.write(char);
    await client.ask(packet.slice(-1), answers);
    client.socket.destroy();
  });
});

Deno.test("commands are recognised however they are written and whatever precedes them", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    const arity = (name: string) => `-ERR wrong number of arguments for '${name}' command\r\n`;
    await client.ask(
      ["SET k 1", "set k 2", "SETNX k", "SETEX k 1", "SET k", "PING", "PTTL", "S", "sET k 3"]
        .map(request).join("") +
        encodeRequest([""]) + "SET k 4\r\n" +
        request("ONCE s1 9 SET k") + request("CLIENT GETNAME") +
        request("CLIENT SETNAME somebody-with-a-name") +
        request("CLIENT GETNAME"),
      "+OK\r\n+OK\r\n" + arity("setnx") + arity("setex") + arity("set") + "+PONG\r\n" +
        arity("pttl") + "-ERR unknown command 'S', with args beginning with: \r\n+OK\r\n" +
        "-ERR unknown command '', with args beginning with: \r\n+OK\r\n" + arity("set") +
        "$-1\r\n+OK\r\n$20\r\nsomebody-with-a-name\r\n",
    );
    assertEquals(cluster.executed, ["SET k 1", "set k 2", "sET k 3", "SET k 4"]);
    client.socket.destroy();
  });
});

Deno.test("bytes arrive unchanged, in both directions", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
    const value = bytes.repeat(1_000);
    const set = encodeRequest(["SET", bytes, value]);
    await client.ask(
      set + encodeRequest(["GET", bytes]),
      `+OK\r\n$${value.length}\r\n${value}\r\n`,
    );
    client.socket.destroy();
  });
});

Deno.test("many clients connect and disconnect at any moment; the others get their own replies", async () => {
  await withProxy(async (proxy, cluster) => {
    const clients = Array.from({ length: 30 }, () => new RawClient(proxy));
    clients.forEach((client, i) => {
      for (let n = 0; n < 50; n++) {
        client.write(request(`SET k${i} ${i}:${n}`) + request(`GET k${i}`));
      }
    });
    await until("something is under way", () => cluster.executed.length > 0);
    clients.forEach((client, i) => i % 3 === 0 && client.socket.destroy());
    const answers = (i: number) =>
      Array.from({ length: 50 }, (_, n) => `+OK\r\n$${`${i}:${n}`.length}\r\n${i}:${n}\r\n`).join(
        "",
      );
    await until(
      "all answers",
      () => clients.every(({ text }, i) => i % 3 === 0 || text.length >= answers(i).length),
    );
    clients.forEach(({ text }, i) => i % 3 === 0 || assertEquals(text, answers(i)));
    clients.forEach(({ socket }) => socket.destroy());
    await until("nothing is left", () => proxy.status().inFlight === 0);
    assertEquals(proxy.status().waiting, { requests: 0, bytes: 0 });
  });
});

Deno.test("a client that closes its side gets its answers first", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    client.socket.end(latin1Bytes("SET a 1\r\nGET a\r\n"));
    await until("it is closed", () => client.isClosed);
    assertEquals(client.text, "+OK\r\n$1\r\n1\r\n");
  });
});

Deno.test("a client that waits without a limit and disconnects is not waited for", async () => {
  await withProxy(async (proxy, cluster) => {
    const leader = cluster.node(0);
    leader.isHolding = true;
    const client = new RawClient(proxy);
    client.write(encodeRequest(["WAIT", "99", "0"]));
    const asked = () => leader.held.find(({ args }) => args[0] === "WAIT");
    await until("the leader is asked", () => asked() !== undefined);
    const connection = asked()?.connection;
    const other = new RawClient(proxy);
    other.socket.end(latin1Bytes(request("INFO clients")));
    await until("another client is told", () => other.isClosed);
    assertStringIncludes(other.text, "\r\nblocked_clients:1\r\n");
    client.socket.end();
    await until("its connection ends", () => proxy.listener.connections.size === 0);
    await until(
      "the one to the leader ends",
      () => connection !== undefined && !leader.connections.has(connection),
    );
    assertEquals(client.text, "");
  });
});

Deno.test("when the leader dies, requests are held, then served by the next one", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    await client.ask(request("SET a 1"), "+OK\r\n");
    cluster.node(0).isHolding = true;
    client.write(request("SET a 2"));
    await until("it is under way", () => cluster.node(0).held.length === 1);
    cluster.node(0).kill();
    await until("it is lost", () => proxy.status().holds.heldNow === 1);
    client.write(request("SET a 3") + request("GET a"));
    await until("all is held", () => proxy.status().holds.heldNow === 3);
    cluster.elect(2, 2);
    await until("all of it", () => client.text.endsWith("+OK\r\n+OK\r\n$1\r\n3\r\n"));
    client.socket.destroy();
  });
});

Deno.test("to a client of Redis Cluster the proxy is the master of all slots", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    const { port } = proxy.listener.address;
    client.write(request("CLUSTER SLOTS"));
    await until(
      "the slots",
      () => client.text.includes(`:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`),
    );
    client.text = "";
    client.write(request("CLUSTER NODES"));
    await until("the nodes", () => client.text.includes("0-16383"));
    assertMatch(
      client.text,
      new RegExp(`[0-9a-f]{40} 127.0.0.1:${port}@\\d+ myself,master - 0 0 0`),
    );
    client.text = "";
    client.write(request("CLUSTER MEMBERS"));
    await until("the members", () => client.text.includes(cluster.node(2).address));
    await client.ask(
      request("CLUSTER FENCE 1"),
      "-ERR CLUSTER FENCE is for nodes, this is a proxy\r\n",
    );
    await client.ask(request("CLUSTER KEYSLOT a"), ":15495\r\n");
    await client.ask(request("ROLE"), "*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n");
    client.socket.destroy();
  });
});

Deno.test("the proxy reports its view, and speaks RESP3", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    await client.ask(request("GET a"), "$-1\r\n");
    client.write(request("HELLO 3"));
    await until("the greeting", () => client.text.includes("modules"));
    await client.ask(request("GET a"), "_\r\n");
    await client.ask(request("WAIT 1 100"), ":2\r\n");
    client.text = "";
    client.write(request("CLUSTER ROLE") + request("PING"));
    await until("the roles", () => client.text.endsWith("+PONG\r\n"));
    assertStringIncludes(client.text, "%5\r\n$4\r\nrole\r\n$5\r\nproxy\r\n");
    assertStringIncludes(client.text, `$2\r\nn1\r\n$7\r\naddress\r\n`);
    assertStringIncludes(client.text, cluster.node(2).address);
    client.text = "";
    client.write(request("INFO") + request("PING"));
    await until("the information", () => client.text.endsWith("+PONG\r\n"));
    for (const field of ["leader_id:n1", "requests_held:0", "holds_total:", "node2:id=n3,"]) {
      assertStringIncludes(client.text, field);
    }
    assert(client.text.startsWith("="));
    client.socket.destroy();
  });
});

Deno.test("CLIENT PAUSE at a proxy holds all its clients' writes, in order, until it is ended", async () => {
  await withProxy(async (proxy, cluster) => {
    const [writer, reader, leaving] = [0, 1, 2].map(() => new RawClient(proxy));
    assert(writer && reader && leaving);
    await writer.ask(request("SET a 1"), "+OK\r\n");
    await reader.ask(request("CLIENT PAUSE 3600000 WRITE"), "+OK\r\n");
    writer.text = "";
    writer.write(request("GET a") + request("SET a 2") + request("GET a") + request("PING"));
    leaving.write(request("PING") + request("SET b 1") + request("GET b"));
    await until("the read before the write", () => writer.text === "$1\r\n1\r\n");
    await until("the other's have come too", () => leaving.text === "+PONG\r\n");
    await reader.ask(request("GET a") + request("GET b"), "$1\r\n1\r\n$-1\r\n");
    leaving.socket.resetAndDestroy();
    await until("it is gone", () => proxy.listener.connections.size === 2);
    assertEquals(writer.text, "$1\r\n1\r\n");
    assertEquals(cluster.executed, ["SET a 1"]);
    reader.text = "";
    await reader.ask(request("CLIENT UNPAUSE"), "+OK\r\n");
    const answers = "$1\r\n1\r\n+OK\r\n$1\r\n2\r\n+PONG\r\n";
    await until("the answers", () => writer.text.length >= answers.length);
    assertEquals(writer.text, answers);
    await reader.ask(request("GET b"), "$-1\r\n");
    assertEquals(cluster.executed, ["SET a 1", "SET a 2"], "who went away is not waited for");
    for (const { socket } of [writer, reader]) socket.destroy();
  });
});

Deno.test("CLIENT PAUSE of everything at a proxy ends by itself", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    await client.ask(request("CLIENT PAUSE 200"), "+OK\r\n");
    const sinceMs = performance.now();
    await client.ask(request("PING") + request("SET a 1") + request("NOSUCH"), PONG_OK_UNKNOWN);
    assert(performance.now() - sinceMs > 100, "it was held");
    client.socket.destroy();
  });
});

const PONG_OK_UNKNOWN =
  "+PONG\r\n+OK\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n";

Deno.test("a proxy executes no request of a transaction, which clients send without waiting", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    client.write(["MULTI", "SET a 1", "PING", "NOSUCH", "EXEC", "SET a 2"].map(request).join(""));
    await until("the answers", () => client.text.endsWith("+OK\r\n"));
    const codes = client.text.trimEnd().split("\r\n").map((line) => line.split(":")[0]);
    assertEquals(codes, [
      "-ERR transactions are not supported",
      "-ERR not executed",
      "-ERR not executed",
      "-ERR not executed",
      "-EXECABORT Transaction discarded because of previous errors.",
      "+OK",
    ]);
    assertEquals(cluster.executed, ["SET a 2"]);
    client.socket.destroy();
  });
});

Deno.test("a client's own session is opened by the leader, in that client's name", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    const opened: (readonly string[])[] = [];
    const leader = cluster.node(0);
    const take = leader.take.bind(leader);
    leader.take = (one) => {
      if (one.args[0] === "SESSION" && one.args[3] !== "PROXY") opened.push(one.args);
      take(one);
    };
    client.write(request("SESSION OPEN 5000"));
    await until("the session", () => /^\$\d+\r\ns\d+\r\n$/.test(client.text));
    const [id] = [...proxy.listener.connections.keys()];
    assertEquals(opened, [["SESSION", "OPEN", "5000", "CLIENT", String(id)]]);
    client.text = "";
    const wrong = "-ERR wrong number of arguments for 'session|open' command\r\n";
    await client.ask(request("SESSION OPEN 5000 PROXY"), wrong);
    assertEquals(opened.length, 1);
    client.socket.destroy();
  });
});

Deno.test("CLUSTER SHARDS and CLUSTER INFO of a proxy show one master, and whether there is a leader", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    const { port } = proxy.listener.address;
    const askFor = async (text: string) => {
      client.text = "";
      client.write(request(text) + request("PING"));
      await until("the answer", () => client.text.endsWith("+PONG\r\n"));
      return client.text;
    };
    const shards = await askFor("CLUSTER SHARDS");
    assertStringIncludes(shards, `$4\r\nport\r\n:${port}\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n`);
    assertStringIncludes(shards, "*2\r\n:0\r\n:16383\r\n");
    assertStringIncludes(shards, "$4\r\nrole\r\n$6\r\nmaster\r\n");
    const fields = async () =>
      new Map(
        (await askFor("CLUSTER INFO")).split("\r\n").map((line) => line.split(":")).map(
          ([name = "", value = ""]) => [name, value] as const,
        ),
      );
    await until("a leader is known", () => proxy.status().leader !== null);
    const well = await fields();
    assertEquals([well.get("cluster_state"), well.get("cluster_slots_ok")], ["ok", "16384"]);
    for (const node of cluster.nodes) {
      node.become({ role: "follower", term: 1, leaderId: null, isServing: false });
    }
    await until("no leader is known", () => proxy.status().leader === null);
    const ill = await fields();
    assertEquals([ill.get("cluster_state"), ill.get("cluster_slots_ok")], ["fail", "0"]);
    assertEquals(ill.get("cluster_slots_fail"), "16384");
    client.socket.destroy();
  });
});

Deno.test("INFO and CONFIG GET of a proxy report the cluster's bound of memory", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    await until("a leader is known", () => proxy.status().leader !== null);
    client.write(request("INFO memory") + request("CONFIG GET maxmemory"));
    const reply = `*2\r\n$9\r\nmaxmemory\r\n$7\r\n${MEMORY_BYTES_MAX}\r\n`;
    await until("the answers", () => client.text.endsWith(reply));
    assertStringIncludes(client.text, `\r\nmaxmemory:${MEMORY_BYTES_MAX}\r\n`);
    assertStringIncludes(client.text, "\r\nmaxmemory_human:4.77M\r\n");
    client.socket.destroy();
  });
});

Deno.test("CONFIG RESETSTAT sets the counters of a proxy's INFO to zero", async () => {
  await withProxy(async (proxy, cluster) => {
    const client = new RawClient(proxy);
    await client.ask(request("SET a 1"), "+OK\r\n");
    for (const node of cluster.nodes) {
      node.become({ role: "follower", term: 1, leaderId: null, isServing: false });
    }
    await until("no leader is known", () => proxy.status().leader === null);
    client.text = "";
    client.write(request("SET a 2"));
    await until("it is held", () => proxy.status().holds.heldNow > 0);
    cluster.elect(1, 2);
    await until("it is served", () => client.text === "+OK\r\n");
    client.socket.destroy();
    const other = new RawClient(proxy);
    await other.ask(request("CONFIG RESETSTAT"), "+OK\r\n");
    other.write(request("INFO stats") + request("INFO proxy") + request("PING"));
    await until("the information", () => other.text.endsWith("+PONG\r\n"));
    for (const field of ["connections_received:0", "commands_processed:1", "net_output_bytes:5"]) {
      assertStringIncludes(other.text, `total_${field}\r\n`);
    }
    assertStringIncludes(other.text, "\r\nholds_total:0\r\n");
    other.socket.destroy();
  });
});

Deno.test("CLIENT LIST at a proxy shows its clients", async () => {
  await withProxy(async (proxy) => {
    const [client, other] = [new RawClient(proxy), new RawClient(proxy)];
    await other.ask(request("CLIENT SETNAME other"), "+OK\r\n");
    client.write(request("CLIENT LIST") + request("PING"));
    await until("the list", () => client.text.endsWith("+PONG\r\n"));
    const names = client.text.split("\n").map((line) => / name=(\S*) /.exec(line)?.[1])
      .filter((name) => name !== undefined);
    assertEquals(names.sort(), ["", "other"]);
    for (const { socket } of [client, other]) socket.destroy();
  });
});

Deno.test("a malformed request at a proxy is answered and its connection closed", async () => {
  await withProxy(async (proxy) => {
    const client = new RawClient(proxy);
    client.write("PING\r\n*1\r\n+nonsense\r\n");
    await until("it is answered", () => client.text.includes("got '+'"));
    assertEquals(client.text, "+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n");
    client.socket.destroy();
  });
});
