import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { MemoryClient, MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { silentLogger } from "../base/logger.ts";
import { OK } from "../resp/reply.ts";
import type { StateReport } from "./members/report.ts";
import { OwnDisk, type OwnDiskOptions, UNDURABLE_BYTES_MAX } from "./own_disk.ts";

type FakeRaft = { -readonly [name in keyof OwnDiskOptions["raft"]]: OwnDiskOptions["raft"][name] };

function start() {
  const clock = new ManualClock();
  const done: string[] = [];
  const given = { successor: "n2" as string | null, takes: true, bytes: 0 };
  const raft: FakeRaft = {
    role: "leader",
    commitIndex: 10,
    durableIndex: 10,
    transferringTo: null,
    transfer: (to) => {
      done.push(`transfer ${to}`);
      return given.takes;
    },
    stepDown: () => void done.push("step down"),
  };
  const ownDisk = new OwnDisk({
    raft,
    clock,
    logger: silentLogger,
    electionMs: 150,
    undurableBytes: () => given.bytes,
    successor: () => given.successor,
  });
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      ownDisk.tick();
    }
    return done.splice(0);
  };
  return { raft, given, ownDisk, pass };
}

Deno.test("a leader whose disk is late for a second transfers leadership, and steps down if nobody takes over", () => {
  const { raft, pass } = start();
  assertEquals(pass(5_000), []);
  raft.commitIndex = 11;
  assertEquals(pass(1_000), []);
  assertEquals(pass(100), ["transfer n2"]);
  raft.transferringTo = "n2";
  assertEquals(pass(2_000), []);
  raft.transferringTo = null;
  assertEquals(pass(50), ["step down"]);
});

Deno.test("a leader whose disk hangs again after it recovered tries to transfer leadership again", () => {
  const { raft, given, pass } = start();
  raft.commitIndex = 11;
  assertEquals(pass(1_100), ["transfer n2"]);
  raft.durableIndex = 11;
  assertEquals(pass(50), []);
  raft.commitIndex = 12;
  assertEquals(pass(1_100), ["transfer n2"]);
  given.successor = null;
  raft.durableIndex = 12;
  raft.commitIndex = 13;
  assertEquals(pass(1_100), ["step down"]);
});

Deno.test("if nobody can or will take over, a leader whose disk hangs steps down at once", () => {
  for (const change of [{ successor: null }, { takes: false }]) {
    const { raft, given, pass } = start();
    Object.assign(given, change);
    raft.commitIndex = 11;
    const [last] = pass(1_100).slice(-1);
    assertEquals(last, "step down");
  }
});

Deno.test("a disk that is slow, but works, is no reason to step down", () => {
  const { raft, pass } = start();
  for (let index = 11; index < 100; index++) {
    raft.commitIndex = index;
    raft.durableIndex = index - 3;
    assertEquals(pass(300), []);
  }
  raft.role = "follower";
  raft.durableIndex = 0;
  assertEquals(pass(5_000), []);
});

Deno.test("writes wait while too many bytes are in flight to the disk", () => {
  const { given, ownDisk } = start();
  given.bytes = UNDURABLE_BYTES_MAX;
  assertEquals(ownDisk.holdsWrites, false);
  given.bytes++;
  assertEquals(ownDisk.holdsWrites, true);
});

Deno.test("a cluster gets another leader when the leader's disk hangs, and no write is lost", async () => {
  const cluster = await MemoryCluster.start(3);
  cluster.untilServing();
  const { leader: old } = cluster;
  const client = new MemoryClient(old);
  cluster.stallDisk(old);
  const answer = client.send("SET", "k", "v");
  cluster.until(() => answer.reply !== undefined);
  assertEquals(answer.reply, OK);
  const leads = ({ role, isServing }: StateReport) => role === "leader" && isServing;
  cluster.until(() => cluster.nodes.some((node) => node !== old && leads(node.report())));
  const { leader } = cluster;
  assert(leader !== old);
  const read = new MemoryClient(leader).send("GET", "k");
  const write = new MemoryClient(leader).send("SET", "k", "w");
  cluster.until(() => read.reply !== undefined && write.reply !== undefined);
  assertEquals([read.reply, write.reply], ["v", OK]);
  cluster.healDisk(old);
  cluster.untilServing();
  assertEquals(cluster.leader, leader);
  cluster.stop();
});
