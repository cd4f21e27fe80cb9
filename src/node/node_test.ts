import { assert, assertEquals } from "@std/assert";
import { MemoryClient, withMemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { StateReport } from "./members/report.ts";

function errorCode(reply: Reply | undefined): string | undefined {
  return reply instanceof ErrorReply ? reply.text.split(" ")[0] : undefined;
}

type Answer = { reply: Reply | undefined };
const isAnswered = (answer: Answer) => answer.reply !== undefined;

Deno.test("a write is answered by the leader and read at every node", () =>
  withMemoryCluster(3, (cluster) => {
    const written = new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.until(() => isAnswered(written));
    assertEquals(written.reply, OK);
    const reads = cluster.nodes.map((node) => new MemoryClient(node).send("GET", "k"));
    cluster.until(() => reads.every(isAnswered));
    assertEquals(reads.map(({ reply }) => reply), ["v", "v", "v"]);
  }));

Deno.test("requests of one connection take effect in their order", () =>
  withMemoryCluster(3, (cluster) => {
    const client = new MemoryClient(cluster.leader);
    const inOneTurn = [
      client.send("GET", "k"),
      client.send("SET", "k", "1"),
      client.send("GET", "k"),
      client.send("SET", "k", "2"),
      client.send("GET", "k"),
    ];
    cluster.clock.settle();
    const afterIt = [
      client.send("GET", "k"),
      client.send("SET", "k", "3"),
      client.send("GET", "k"),
    ];
    cluster.until(() => [...inOneTurn, ...afterIt].every(isAnswered));
    assertEquals([...inOneTurn, ...afterIt].map(({ reply }) => reply), [
      null,
      OK,
      "1",
      OK,
      "2",
      "2",
      OK,
      "3",
    ]);
  }));

Deno.test("a read does not see a later write of its connection, however slow its confirmation", () =>
  withMemoryCluster(3, (cluster) => {
    const client = new MemoryClient(cluster.leader);
    for (const before of [0, 1]) {
      for (const follower of cluster.followers) cluster.isolate(follower);
      const read = client.send("GET", "n");
      cluster.clock.advance(2); // the question is lost, and comes again with the next heartbeat
      cluster.network.heal();
      const write = client.send("INCR", "n");
      cluster.until(() => isAnswered(read) && isAnswered(write));
      assertEquals([read.reply, write.reply], [before === 0 ? null : String(before), before + 1]);
      cluster.clock.advance(100);
    }
  }));

Deno.test("a read waits for the write before it, however slow the disks", () =>
  withMemoryCluster(3, (cluster) => {
    const client = new MemoryClient(cluster.leader);
    for (const follower of cluster.followers) cluster.stallDisk(follower);
    const write = client.send("SET", "k", "v");
    cluster.clock.settle();
    const read = client.send("GET", "k");
    cluster.clock.advance(100); // long enough for a round that confirms the leader
    assertEquals([write.reply, read.reply], [undefined, undefined]);
    for (const follower of cluster.followers) cluster.healDisk(follower);
    cluster.until(() => isAnswered(read));
    assertEquals([write.reply, read.reply], [OK, "v"]);
  }));

Deno.test("all requests of one turn become one entry", () =>
  withMemoryCluster(3, (cluster) => {
    const before = cluster.leader.report().lastIndex;
    const clients = Array.from({ length: 10 }, () => new MemoryClient(cluster.leader));
    const answers = clients.map((client, at) => client.send("SET", `k${at}`, "v"));
    cluster.until(() => answers.every(isAnswered));
    assertEquals(cluster.leader.report().lastIndex, before + 1);
  }));

Deno.test("a follower refuses writes and names the leader", () =>
  withMemoryCluster(3, (cluster) => {
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    const refused = new MemoryClient(follower).send("SET", "foo", "v");
    const { leaderAddress } = follower.report();
    assertEquals(refused.reply, new ErrorReply(`MOVED 12182 memory:${leaderAddress?.port}`));
  }));

Deno.test("without a majority writes are refused at once and reads after a while", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    for (const follower of cluster.followers) cluster.isolate(follower);
    cluster.until(() => leader.report().role !== "leader");
    const client = new MemoryClient(leader);
    assertEquals(errorCode(client.send("SET", "k", "v").reply), "CLUSTERDOWN");
    const read = client.send("GET", "k");
    assertEquals(read.reply, undefined);
    cluster.until(() => isAnswered(read));
    assertEquals(errorCode(read.reply), "CLUSTERDOWN");
  }));

Deno.test("a cut-off leader serves nothing stale and acknowledges nothing", () =>
  withMemoryCluster(3, (cluster) => {
    const old = cluster.leader;
    const first = new MemoryClient(old).send("SET", "k", "old");
    cluster.until(() => isAnswered(first));
    cluster.isolate(old);
    const staleRead = new MemoryClient(old).send("GET", "k");
    const lostWrite = new MemoryClient(old).send("SET", "k", "lost");
    const isNewLeader = ({ role, isServing }: StateReport) => role === "leader" && isServing;
    cluster.until(() => cluster.nodes.some((node) => node !== old && isNewLeader(node.report())));
    const second = new MemoryClient(cluster.leader).send("SET", "k", "new");
    cluster.until(() => isAnswered(second));
    assertEquals([staleRead.reply, lostWrite.reply], [undefined, undefined]);
    cluster.network.heal();
    cluster.until(() => isAnswered(staleRead) && isAnswered(lostWrite));
    assertEquals(staleRead.reply, "new");
    assertEquals(errorCode(lostWrite.reply), "TRYAGAIN");
    assertEquals(old.report().role, "follower");
  }));

Deno.test("a write of unknown outcome is answered UNKNOWN after a bounded wait", () =>
  withMemoryCluster(3, (cluster) => {
    const old = cluster.leader;
    cluster.isolate(old);
    const write = new MemoryClient(old).send("SET", "k", "v");
    const sinceMs = cluster.clock.monotonicMs();
    cluster.until(() => isAnswered(write));
    assertEquals(errorCode(write.reply), "UNKNOWN");
    assert(cluster.clock.monotonicMs() - sinceMs < 6_000);
  }));

Deno.test("a leader's slow disk does not hold up the majority", () =>
  withMemoryCluster(3, (cluster) => {
    cluster.stallDisk(cluster.leader);
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.until(() => isAnswered(write));
    assertEquals(write.reply, OK);
  }));

Deno.test("a cluster of one acknowledges only what is durable on its own disk", () =>
  withMemoryCluster(1, (cluster) => {
    cluster.stallDisk(cluster.leader);
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.clock.advance(1_000);
    assertEquals(write.reply, undefined);
    cluster.healDisk(cluster.leader);
    cluster.until(() => isAnswered(write));
    assertEquals(write.reply, OK);
  }));

Deno.test("keys expire on an idle cluster, at every node", () =>
  withMemoryCluster(3, (cluster) => {
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v", "PX", "100");
    cluster.until(() => isAnswered(write));
    const left = new MemoryClient(cluster.leader).send("PTTL", "k");
    cluster.until(() => isAnswered(left));
    assert(typeof left.reply === "number" && left.reply > 0 && left.reply <= 100);
    cluster.clock.advance(150);
    const reads = cluster.nodes.map((node) => new MemoryClient(node).send("GET", "k"));
    cluster.until(() => reads.every(isAnswered));
    assertEquals(reads.map(({ reply }) => reply), [null, null, null]);
  }));

Deno.test("one deadline takes one entry, however slow the disk", () =>
  withMemoryCluster(1, (cluster) => {
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v", "PX", "100");
    cluster.until(() => isAnswered(write));
    const { lastIndex } = cluster.leader.report();
    cluster.stallDisk(cluster.leader);
    cluster.clock.advance(1_000);
    cluster.healDisk(cluster.leader);
    cluster.clock.advance(100);
    assertEquals(cluster.leader.report().lastIndex, lastIndex + 1);
  }));

Deno.test("a read at the leader never sees a key past its deadline", () =>
  withMemoryCluster(3, (cluster) => {
    const client = new MemoryClient(cluster.leader);
    for (let phase = 0; phase < 10; phase++) {
      const write = client.send("SET", "k", "v", "PX", "20");
      cluster.until(() => isAnswered(write));
      cluster.clock.leap(21); // hardly ever does the leader look for deadlines just then
      const read = client.send("GET", "k");
      cluster.until(() => isAnswered(read));
      assertEquals(read.reply, null);
      cluster.clock.advance(7);
    }
  }));

Deno.test("a client that waits for replicas learns how many have the log", () =>
  withMemoryCluster(3, (cluster) => {
    const counts: number[] = [];
    new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.leader.whenReplicated(2, 0, (count) => counts.push(count));
    cluster.until(() => counts.length === 1);
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    cluster.isolate(follower);
    new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.leader.whenReplicated(2, 300, (count) => counts.push(count));
    cluster.until(() => counts.length === 2);
    assertEquals(counts, [2, 1]);
  }));

Deno.test("a follower acknowledges nothing before it is durable", () =>
  withMemoryCluster(3, (cluster) => {
    const { followers } = cluster;
    for (const follower of followers) cluster.stallDisk(follower);
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.clock.advance(1_000);
    assertEquals(write.reply, undefined);
    for (const follower of followers) cluster.healDisk(follower);
    cluster.until(() => isAnswered(write));
    assertEquals(write.reply, OK);
  }));

Deno.test("a deadline is the same at every node, however late each applies it", () =>
  withMemoryCluster(3, (cluster) => {
    const write = new MemoryClient(cluster.leader).send("SET", "k", "v", "PX", "100000");
    cluster.until(() => isAnswered(write));
    const reads = cluster.nodes.map((node) => new MemoryClient(node).send("PEXPIRETIME", "k"));
    cluster.until(() => reads.every(isAnswered));
    assert(typeof reads[0]?.reply === "number");
    assertEquals(new Set(reads.map(({ reply }) => reply)).size, 1);
  }));

Deno.test("queued writes are refused as not executed when leadership ends", () =>
  withMemoryCluster(3, (cluster) => {
    const old = cluster.leader;
    cluster.isolate(old);
    const writes = Array.from({ length: 8 }, () => {
      const write = new MemoryClient(old).send("INCR", "n");
      cluster.clock.advance(5); // a long way: the next one does not wait for it
      return write;
    });
    cluster.until(() => old.report().role !== "leader");
    cluster.clock.settle();
    const answered = writes.filter(isAnswered).map(({ reply }) => errorCode(reply));
    assertEquals(answered, Array(4).fill("CLUSTERDOWN"));
    cluster.until(() => writes.every(isAnswered));
    assertEquals(writes.slice(0, 4).map(({ reply }) => errorCode(reply)), Array(4).fill("UNKNOWN"));
  }));

Deno.test("a read does not wait for entries lost with its node's leadership", () =>
  withMemoryCluster(3, (cluster) => {
    const old = cluster.leader;
    const passing = new MemoryClient(old).send("SET", "k", "v", "PX", "50");
    cluster.until(() => isAnswered(passing));
    cluster.isolate(old);
    for (let count = 0; count < 3; count++) {
      new MemoryClient(old).send("INCR", "n");
      cluster.clock.advance(5); // an entry each
    }
    // The read lets time pass, by an entry after those that nobody else will ever see.
    cluster.clock.advance(51);
    const { lastIndex } = old.report();
    const read = new MemoryClient(old).send("GET", "k");
    cluster.until(() => old.report().lastIndex > lastIndex);
    cluster.until(() => old.report().role !== "leader");
    cluster.network.heal();
    cluster.until(() => isAnswered(read));
    assertEquals(read.reply, null);
  }));

Deno.test("a read at a follower sees what was acknowledged, while more comes in", () =>
  withMemoryCluster(3, (cluster) => {
    const writer = new MemoryClient(cluster.leader);
    for (const follower of cluster.followers) {
      for (let turn = 0; turn < 20; turn++) {
        const value = `${follower.report().id} ${turn}`;
        const write = writer.send("SET", "k", value);
        cluster.until(() => isAnswered(write));
        const read = new MemoryClient(follower).send("GET", "k");
        const next = new MemoryClient(cluster.leader).send("SET", "other", value);
        cluster.until(() => isAnswered(read) && isAnswered(next));
        assertEquals(read.reply, value);
      }
    }
  }));

Deno.test("a read whose question was lost is sent again", () =>
  withMemoryCluster(3, (cluster) => {
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    cluster.isolate(follower);
    const read = new MemoryClient(follower).send("GET", "k");
    cluster.clock.advance(20);
    cluster.network.heal();
    cluster.clock.advance(500); // and not only when the core has given the question up
    assertEquals(read.reply, null);
  }));

Deno.test("writes in flight are bounded, and the error says so", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    for (const follower of cluster.followers) cluster.isolate(follower);
    const client = new MemoryClient(leader);
    const writes = Array.from({ length: 3 }, () => client.send("SET", "k", "x".repeat(600)));
    assertEquals(writes.map(isAnswered), [false, false, true]);
    assertEquals(errorCode(writes[2]?.reply), "TRYAGAIN");
  }, { inFlightBytesMax: 1_000 }));

// Enough nodes for one of them to draw a timeout so short that the sleep makes a difference.
Deno.test("a node that was suspended does not count that as silence when the leader sends", () =>
  withMemoryCluster(13, (cluster) => {
    let changes = 0;
    for (const node of cluster.nodes) node.watch(() => changes++);
    cluster.clock.advance(10_000);
    assertEquals(changes, cluster.nodes.length, "told once of the state as it is, and of no other");
  }, { heartbeatMs: 140 }));

Deno.test("leading again is not leading still", () =>
  withMemoryCluster(1, (cluster) => {
    const { leader } = cluster;
    const { term } = leader.report();
    assertEquals([term - 1, term, term + 1].map((one) => leader.leadsIn(one)), [
      false,
      true,
      false,
    ]);
  }));

Deno.test("a read without a leader waits as long as it may from its arrival on, and no longer", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    for (const node of cluster.nodes) cluster.isolate(node);
    cluster.until(() => leader.report().role !== "leader");
    // More of them than there can be confirmation rounds in flight.
    const reads = Array.from({ length: 20 }, (_, at) => {
      const node = cluster.nodes[at % 3] ?? leader;
      const sentMs = cluster.clock.monotonicMs();
      const answer = new MemoryClient(node).send("GET", `k${at}`);
      let waitedMs = 0;
      cluster.clock.advance(37);
      return {
        answer,
        sentMs,
        note: () => {
          if (waitedMs === 0 && isAnswered(answer)) waitedMs = cluster.clock.monotonicMs() - sentMs;
          return waitedMs;
        },
      };
    });
    cluster.until(() => reads.map(({ note }) => note()).every((ms) => ms > 0));
    // Nodes look for them when 50 ms have passed, and with nothing to do wake up every 30 ms; the test
    // looks every 2 ms.
    for (const { answer, note } of reads) {
      assertEquals(errorCode(answer.reply), "CLUSTERDOWN");
      assert(note() >= 960 && note() <= 1_082, `it waited for ${note()} ms`);
    }
  }, { waitMs: 1_000 }));

Deno.test("a writer under a leader that cannot commit is answered in time", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    for (const follower of followers) cluster.stallDisk(follower); // but they answer heartbeats
    const sentMs = cluster.clock.monotonicMs();
    const client = new MemoryClient(leader);
    const writes = Array.from({ length: 9 }, (_, at) => {
      const write = client.send("SET", `k${at}`, "v");
      const read = client.send("GET", `k${at}`);
      cluster.clock.advance(20);
      return { write, read };
    });
    cluster.until(() => writes.every(({ write, read }) => isAnswered(write) && isAnswered(read)));
    const waitedMs = cluster.clock.monotonicMs() - sentMs;
    assert(waitedMs >= 1_000 && waitedMs <= 1_000 + 9 * 20 + 60, `${waitedMs} ms`);
    assertEquals(leader.report().role, "leader");
    const codes = writes.map(({ write }) => errorCode(write.reply));
    assertEquals([codes[0], codes.at(-1)], ["UNKNOWN", "TRYAGAIN"]);
    for (const node of followers) cluster.healDisk(node);
    const values = writes.map((_, at) => new MemoryClient(leader).send("GET", `k${at}`));
    const later = new MemoryClient(leader).send("INCR", "n");
    cluster.until(() => isAnswered(later) && values.every(isAnswered));
    assertEquals(later.reply, 1);
    codes.forEach((code, at) => {
      if (code === "TRYAGAIN") assertEquals(values[at]?.reply, null); // it said: not executed
    });
    assertEquals(leader.report().queued, 0);
  }, { waitMs: 1_000 }));

Deno.test("a node reports how many requests it has taken and not executed", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    const answers: Answer[] = [];
    const open = () => answers.filter((answer) => !isAnswered(answer)).length;
    for (const follower of followers) cluster.stallDisk(follower);
    for (let round = 0; round < 10; round++) {
      const client = new MemoryClient(leader);
      for (const name of ["GET", "SET", "GET"]) {
        answers.push(client.send(name, "k", ...(name === "SET" ? ["v"] : [])));
        assertEquals(leader.report().queued, open());
      }
      answers.push(new MemoryClient(leader).send("GET", "k"));
      for (let ms = 0; ms < 5; ms++) {
        cluster.clock.advance(1);
        assertEquals(leader.report().queued, open());
      }
    }
    assert(open() >= 20);
    for (const follower of followers) cluster.healDisk(follower);
    cluster.until(() => open() === 0);
    assertEquals(leader.report().queued, 0);
  }));

Deno.test("a write that waits for a successor is answered in time, though none is elected", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers: [successor, other] } = cluster;
    assert(successor !== undefined && other !== undefined);
    // Neither of the two can vote for the successor.
    for (const node of [leader, other]) cluster.stallDisk(node);
    leader.membership.transfer.start(successor.report().id, () => {});
    const now = () => cluster.clock.monotonicMs();
    const timed = () => {
      const fromMs = now();
      const answer = new MemoryClient(leader).send("SET", "k", "v");
      let tookMs = 0;
      return { answer, note: () => tookMs ||= isAnswered(answer) ? now() - fromMs : 0 };
    };
    const before = timed();
    cluster.until(() => leader.report().role !== "leader");
    const after = timed();
    const open = [before, after];
    cluster.until(() => open.map(({ note }) => note()).every((ms) => ms > 0));
    for (const { answer, note } of open) {
      assert(note() >= 100 && note() <= 190, `it waited for ${note()} ms`);
      assertEquals(errorCode(answer.reply), "CLUSTERDOWN");
    }
    assertEquals(leader.report().leaderId, null);
  }, { waitMs: 100 }));
