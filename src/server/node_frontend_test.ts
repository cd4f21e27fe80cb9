import { assert, assertEquals } from "@std/assert";
import {
  MemoryCluster,
  type MemoryClusterOptions,
} from "../../tests/support/node/memory_cluster.ts";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { NEW_CLIENT } from "../access/accounts.ts";
import { StateMachine } from "../commands/state_machine.ts";
import type { Node } from "../node/node.ts";
import { systemClock } from "../platform/clock.ts";
import type { PushReply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import { NodeFrontend } from "./node_frontend.ts";
import { PendingReply } from "./pending_reply.ts";

type Ask = (...args: string[]) => string;

/** Sends requests over one connection to the leader; `sent` does not wait for the answer. */
async function withLeader(
  options: MemoryClusterOptions & {
    readonly size?: number;
    /** What differs from a connection that has just come. */
    readonly connection?: Partial<Connection>;
  },
  test: (
    cluster: MemoryCluster,
    ask: Ask,
    sent: (...args: string[]) => PendingReply,
    reconnect: () => void,
  ) => void,
  askedNode: (cluster: MemoryCluster) => Node = ({ leader }) => leader,
): Promise<void> {
  const cluster = await MemoryCluster.start(options.size ?? 1, options);
  try {
    cluster.untilServing();
    const frontend = new NodeFrontend({
      node: askedNode(cluster),
      machine: new StateMachine(),
      clock: cluster.clock,
      facts: PROCESS_FACTS,
      config: new Map(),
      listener: () => {
        throw new Error("Cannot ask the listener: there is none");
      },
    });
    const connect = (id: number) => (
      {
        id,
        noteSettled() {},
        prepare() {},
        name: "",
        protocol: 2,
        reset() {},
        account: NEW_CLIENT,
        host: "127.0.0.1",
        ...options.connection,
      } as unknown as Connection
    );
    let connection = connect(1);
    const sent = (...args: string[]): PendingReply => {
      const reply = new PendingReply(connection, 2);
      frontend.handle(connection, args, reply);
      return reply;
    };
    const ask = (...args: string[]): string => {
      const reply = sent(...args);
      cluster.until(() => reply.text !== null);
      return reply.text ?? "";
    };
    test(cluster, ask, sent, () => connection = connect(connection.id + 1));
  } finally {
    cluster.stop();
  }
}

Deno.test("a fenced connection is served only in the term of its fence", async () => {
  await withLeader({}, (cluster, ask) => {
    const { term } = cluster.leader.report();
    assertEquals(ask("SET", "k", "1"), "+OK\r\n");
    assertEquals(ask("CLUSTER", "FENCE", String(term)), "+OK\r\n");
    assertEquals(ask("SET", "k", "2"), "+OK\r\n");
    assertEquals(ask("CLUSTER", "FENCE", String(term + 1)).slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("SET", "k", "3").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("GET", "k").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("CLUSTER", "FENCE", String(term)), "+OK\r\n");
    assertEquals(ask("GET", "k"), "$1\r\n2\r\n");
  });
});

Deno.test("after a refused request nothing is executed on a fenced connection", async () => {
  await withLeader({ inFlightBytesMax: 1_000 }, (cluster, ask, sent) => {
    const term = String(cluster.leader.report().term);
    const overfill = (): string => {
      const [large, refused] = [sent("SET", "a", "x".repeat(2_000)), sent("SET", "b", "1")];
      cluster.until(() => large.text !== null);
      return refused.text?.slice(0, 10) ?? "";
    };
    assertEquals(overfill(), "-TRYAGAIN ");
    assertEquals(ask("SET", "c", "1"), "+OK\r\n"); // no fence, no promise
    assertEquals(ask("CLUSTER", "FENCE", term), "+OK\r\n");
    assertEquals(overfill(), "-TRYAGAIN ");
    assertEquals(ask("SET", "c", "2").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("GET", "c").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("CLUSTER", "FENCE", term), "+OK\r\n");
    assertEquals(ask("GET", "c"), "$1\r\n1\r\n");
  });
});

Deno.test("a reply that is null answers the request, as any other", async () => {
  await withLeader({}, (_cluster, ask) => {
    assertEquals(ask("CLIENT", "GETNAME"), "$-1\r\n");
    assertEquals(ask("CLIENT", "SETNAME", "somebody"), "+OK\r\n");
    assertEquals(ask("CLIENT", "GETNAME"), "$8\r\nsomebody\r\n");
    assertEquals(ask("GET", "nothing"), "$-1\r\n");
  });
});

Deno.test("CONFIG GET refuses patterns that are too long together", async () => {
  await withLeader({}, (_cluster, ask) => {
    const refusal = "-ERR the pattern is too long, more than 16384 bytes\r\n";
    assertEquals(ask("CONFIG", "GET", "*a".repeat(8_193)), refusal);
    assertEquals(ask("CONFIG", "GET", ...new Array(5_462).fill("abc")), refusal);
    assertEquals(
      ask("CONFIG", "GET", "max?emory", "maxmem*", "MAXMEM*").slice(0, 20),
      "*2\r\n$9\r\nmaxmemory\r\n$",
    );
  });
});

Deno.test("while a leader is elected, clients of Redis Cluster find all members and the last leader", async () => {
  const follower = ({ followers }: MemoryCluster): Node => followers[0] as Node;
  await withLeader({ size: 3 }, (cluster, ask) => {
    const node = follower(cluster);
    const last = cluster.leader;
    const known = (): string => {
      const slots = ask("CLUSTER", "SLOTS").split("\r\n").filter((line) => /^n\d+$/.test(line));
      const shards = ask("CLUSTER", "SHARDS").split("\r\n");
      const nodes = ask("CLUSTER", "NODES");
      const [master] = nodes.split("\n").filter((line) => / (myself,)?master /.test(line));
      return [
        slots[0],
        slots.length,
        shards.filter((line) => line === "role").length,
        master?.slice(0, 2),
      ]
        .join(" ");
    };
    cluster.until(() => node.report().members.every(({ clientAddress }) => clientAddress !== null));
    const before = known();
    assertEquals(before, `${last.report().id} 3 3 ${last.report().id}`);
    for (const other of [last, ...cluster.followers.filter((other) => other !== node)]) {
      cluster.kill(other);
    }
    cluster.until(() => node.report().leaderId === null);
    assertEquals(known(), before);
  }, follower);
});

Deno.test("RESET removes the fence", async () => {
  await withLeader({}, (cluster, ask) => {
    const { term } = cluster.leader.report();
    assertEquals(ask("CLUSTER", "FENCE", String(term + 1)).slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("SET", "k", "1").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("RESET"), "+RESET\r\n");
    assertEquals(ask("SET", "k", "1"), "+OK\r\n");
  });
});

Deno.test("RESET ends CLUSTER WATCH, also for a client that switches to RESP3 again", async () => {
  const pushed: PushReply[] = [];
  const subscriber = { protocol: 3, push: (message: PushReply) => pushed.push(message) } as const;
  await withLeader({ connection: subscriber }, (cluster, ask) => {
    assertEquals(ask("CLUSTER", "WATCH", "100"), "+OK\r\n");
    cluster.clock.advance(1_000);
    assert(pushed.length >= 10, `${pushed.length}`);
    assertEquals(ask("RESET"), "+RESET\r\n"); // this connection keeps its protocol
    pushed.length = 0;
    cluster.clock.advance(1_000);
    assertEquals(ask("SET", "k", "1"), "+OK\r\n");
    assertEquals(pushed.length, 0);
  });
});

Deno.test("a WAIT without a limit is answered when its client disconnects, and leaves nothing behind", async () => {
  await withLeader({}, (cluster, _ask, sent) => {
    const reply = sent("WAIT", "99", "0");
    cluster.clock.advance(1_000);
    assertEquals([reply.text, reply.isWaiting], [null, true]);
    reply.cancel();
    cluster.until(() => reply.text !== null);
    assertEquals([reply.text, reply.isWaiting], [":0\r\n", false]);
  });
});

Deno.test("sessions are counted for each connection, not for all together", async () => {
  await withLeader({}, (_cluster, ask, _sent, reconnect) => {
    for (let i = 0; i < 64; i++) assertEquals(ask("SESSION", "OPEN").slice(0, 1), "$");
    assertEquals(ask("SESSION", "OPEN").slice(0, 22), "-ERR too many sessions");
    reconnect();
    assertEquals(ask("SESSION", "OPEN").slice(0, 1), "$");
  });
});

Deno.test("CLIENT PAUSE at a node holds writes, and later requests of their clients", async () => {
  await withLeader({}, (cluster, ask, sent, reconnect) => {
    assertEquals(ask("SET", "k", "1"), "+OK\r\n");
    assertEquals(ask("CLIENT", "PAUSE", "3600000", "WRITE"), "+OK\r\n");
    const held = [sent("GET", "k"), sent("SET", "k", "2"), sent("GET", "k"), sent("NOSUCH")];
    reconnect();
    assertEquals(ask("GET", "k"), "$1\r\n1\r\n");
    cluster.clock.advance(1_000);
    assertEquals(held.map(({ text }) => text), ["$1\r\n1\r\n", null, null, null]);
    assertEquals(ask("CLIENT", "UNPAUSE"), "+OK\r\n");
    cluster.until(() => held.every(({ text }) => text !== null));
    assertEquals(held.map(({ text }) => text).slice(1, 3), ["+OK\r\n", "$1\r\n2\r\n"]);
    assertEquals(held[3]?.text?.slice(0, 20), "-ERR unknown command");
  });
});

Deno.test("a node executes no request of a transaction, which clients send without waiting", async () => {
  await withLeader({}, (cluster, ask, sent) => {
    const all = [["MULTI"], ["SET", "k", "1"], ["NOSUCH"], ["EXEC"]].map((args) => sent(...args));
    cluster.until(() => all.every(({ text }) => text !== null));
    assertEquals(all.map(({ text }) => text?.slice(0, 17)), [
      "-ERR transactions",
      "-ERR not executed",
      "-ERR not executed",
      "-EXECABORT Transa",
    ]);
    assertEquals(ask("GET", "k"), "$-1\r\n");
  });
});

Deno.test("WAIT at a node that does not lead names the leader", async () => {
  await withLeader({ size: 3 }, (cluster, ask) => {
    const { port } = cluster.leader.report().leaderAddress ?? { port: 0 };
    assertEquals(ask("WAIT", "1", "0"), `-MOVED 0 memory:${port}\r\n`);
    assertEquals(ask("WAIT", "x", "0"), "-ERR value is not an integer or out of range\r\n");
    assertEquals(ask("WAIT", "1", "x"), "-ERR timeout is not an integer or out of range\r\n");
    assertEquals(ask("WAIT", "1", "-1"), "-ERR timeout is negative\r\n");
  }, ({ followers: [first], leader }) => first ?? leader);
});

Deno.test("SESSION OPEN for another owner is refused on a connection without a fence", async () => {
  await withLeader({}, (cluster, ask) => {
    const wrong = "-ERR wrong number of arguments for 'session|open' command\r\n";
    assertEquals(ask("SESSION", "OPEN", "1000", "CLIENT", "x"), wrong);
    assertEquals(ask("SESSION", "OPEN", "1000", "PROXY"), wrong);
    assertEquals(ask("CLUSTER", "FENCE", String(cluster.leader.report().term)), "+OK\r\n");
    assertEquals(ask("SESSION", "OPEN", "1000", "CLIENT", "x").slice(0, 1), "$");
  });
});

Deno.test("CLUSTER FENCE and CLUSTER WATCH refuse invalid requests", async () => {
  await withLeader({}, (_cluster, ask) => {
    for (const term of ["x", "-1", "1.5"]) {
      assertEquals(ask("CLUSTER", "FENCE", term), "-ERR the term is not an integer\r\n");
    }
    assertEquals(ask("SET", "k", "1"), "+OK\r\n", "there is no fence");
    assertEquals(
      ask("CLUSTER", "WATCH", "100"),
      "-ERR CLUSTER WATCH needs RESP3, send HELLO 3 first\r\n",
    );
  });
});

Deno.test("a new node joins, and is forgotten, by way of the leader's frontend", async () => {
  await withLeader({}, (_cluster, ask) => {
    const joined = ask("CLUSTER", "JOIN", "n2", "memory:17002", "i2");
    assert(joined.startsWith("*4\r\n$10\r\ncluster-id\r\n$6\r\nmemory\r\n"), joined);
    assert(joined.includes("n2") && joined.includes("memory:17002"), joined);
    assertEquals(ask("CLUSTER", "FORGET", "n2", "FORCE"), "+OK\r\n");
    const unknown = ask("CLUSTER", "FORGET", "n7");
    assert(unknown.startsWith("-ERR n7 is not a member of this cluster"), unknown);
  });
});

Deno.test("a follower refuses a new node, and shows the leader", async () => {
  await withLeader({ size: 3 }, (_cluster, ask) => {
    const reply = ask("CLUSTER", "JOIN", "n9", "memory:17009", "i9");
    assert(reply.startsWith("-MOVED "), reply);
  }, ({ followers }) => followers[0] as Node);
});

Deno.test("SNAPSHOT READ and END name a snapshot of this connection", async () => {
  await withLeader({}, (_cluster, ask) => {
    const refusal = "-ERR This connection holds no snapshot of that id\r\n";
    assertEquals(ask("SNAPSHOT", "READ", "1", "0", "10"), refusal);
    assertEquals(ask("SNAPSHOT", "END", "1"), refusal);
  });
});

Deno.test("SNAPSHOT BEGIN is refused like any read that no leader confirms", async () => {
  await withLeader({ size: 3 }, (cluster, ask) => {
    cluster.leader.stop();
    assertEquals(ask("SNAPSHOT", "BEGIN").slice(0, 1), "-");
  }, ({ leader }) => leader);
});

Deno.test("the largest request of the clients reaches the node, which asks the others for patience", () => {
  const noted: number[] = [];
  const node = {
    noteLargest: (bytes: number) => void noted.push(bytes),
    snapshots: null,
    watch() {},
  };
  const frontend = new NodeFrontend({
    node: node as unknown as Node,
    machine: new StateMachine(),
    clock: systemClock,
    facts: PROCESS_FACTS,
    config: new Map(),
    listener: () => {
      throw new Error("Cannot ask the listener: there is none");
    },
  });
  frontend.noteLargest(5_000_000);
  assertEquals(noted, [5_000_000]);
});

Deno.test("CLIENT REPLY mutes the next reply or all of them, and is answered only by ON", async () => {
  const connection: { replyMode: Connection["replyMode"] } = { replyMode: "on" };
  await withLeader({ size: 1 }, (_cluster, _ask, sent) => {
    const reply = (mode: string) => {
      const { text, connection: client } = sent("CLIENT", "REPLY", mode);
      return [text, (client as unknown as typeof connection).replyMode];
    };
    Object.assign(sent("PING").connection, connection);
    assertEquals(reply("skip"), ["", "skip"]);
    assertEquals(reply("off"), ["", "off"]);
    assertEquals(reply("skip"), ["", "off"]);
    assertEquals(reply("on"), ["+OK\r\n", "on"]);
  });
});
