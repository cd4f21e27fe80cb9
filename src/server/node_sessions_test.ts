import { assertEquals } from "@std/assert";
import { StateMachine } from "../commands/state_machine.ts";
import { MemoryCluster } from "../node/testing/memory_cluster.ts";
import type { Connection } from "./connection.ts";
import { NodeSessions } from "./node_sessions.ts";
import { PendingReply } from "./pending_reply.ts";

Deno.test("a fenced connection is served in the term of its fence alone", async () => {
  const cluster = await MemoryCluster.start(1);
  try {
    cluster.untilServing();
    const { term } = cluster.leader.report();
    const sessions = new NodeSessions({
      node: cluster.leader,
      machine: new StateMachine(),
      clock: cluster.clock,
      facts: { processId: 1, startedMs: 0, memoryBytes: () => ({ rss: 0, heapUsed: 0 }) },
      config: new Map(),
      listener: () => {
        throw new Error("Cannot ask the listener: there is none");
      },
    });
    const connection = { settled() {} } as unknown as Connection;
    const ask = (...args: string[]): string => {
      const reply = new PendingReply(connection, 2);
      sessions.handle(connection, args, reply);
      cluster.until(() => reply.text !== null);
      return reply.text ?? "";
    };
    assertEquals(ask("SET", "k", "1"), "+OK\r\n");
    assertEquals(ask("CLUSTER", "FENCE", String(term)), "+OK\r\n");
    assertEquals(ask("SET", "k", "2"), "+OK\r\n");
    assertEquals(ask("CLUSTER", "FENCE", String(term + 1)).slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("SET", "k", "3").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("GET", "k").slice(0, 10), "-TRYAGAIN ");
    assertEquals(ask("CLUSTER", "FENCE", String(term)), "+OK\r\n");
    assertEquals(ask("GET", "k"), "$1\r\n2\r\n");
  } finally {
    cluster.stop();
  }
});
