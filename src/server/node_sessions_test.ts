import { assertEquals } from "@std/assert";
import { StateMachine } from "../commands/state_machine.ts";
import { MemoryCluster, type MemoryClusterOptions } from "../node/testing/memory_cluster.ts";
import type { Connection } from "./connection.ts";
import { NodeSessions } from "./node_sessions.ts";
import { PendingReply } from "./pending_reply.ts";

type Ask = (...args: string[]) => string;

/** Sends requests over one connection to the leader; `sent` does not wait for the answer. */
async function withLeader(
  options: MemoryClusterOptions,
  test: (cluster: MemoryCluster, ask: Ask, sent: (...args: string[]) => PendingReply) => void,
): Promise<void> {
  const cluster = await MemoryCluster.start(1, options);
  try {
    cluster.untilServing();
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
    const sent = (...args: string[]): PendingReply => {
      const reply = new PendingReply(connection, 2);
      sessions.handle(connection, args, reply);
      return reply;
    };
    const ask = (...args: string[]): string => {
      const reply = sent(...args);
      cluster.until(() => reply.text !== null);
      return reply.text ?? "";
    };
    test(cluster, ask, sent);
  } finally {
    cluster.stop();
  }
}

Deno.test("a fenced connection is served in the term of its fence alone", async () => {
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

Deno.test("behind a refused request nothing is executed on a fenced connection", async () => {
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
