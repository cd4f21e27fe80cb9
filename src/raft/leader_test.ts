import { assert, assertEquals } from "@std/assert";
import { LoneNode } from "../../tests/support/raft/lone_node.ts";
import type { TestMessage } from "../../tests/support/raft/test_node.ts";

// What a leader sends to its peers, beside what the paper demands of it in raft_paper_test.ts.

const LONG = "x".repeat(1024 * 1024);
const accepted = { type: "appendReply", term: 1, accepted: true, hintIndex: 0, hintTerm: 0 };

/** What appends to node `2` carry: where they begin, and the lengths of their entries. */
const appends = (sent: readonly TestMessage[]) =>
  sent.flatMap((message) =>
    message.type === "append" && message.to === "2"
      ? [[message.prevIndex, ...message.entries.map(({ sizeBytes }) => sizeBytes)]]
      : []
  );

Deno.test("a long entry is resent once after a lost connection, however long the peer is busy with it", () => {
  const leader = new LoneNode({});
  leader.lead();
  leader.step({ ...accepted, index: 1 });
  leader.node.raft.propose([LONG]);
  assertEquals(appends(leader.settle()), [[1, LONG.length]]);

  const live = () => {
    const sent = leader.tick(2);
    sent.push(...leader.step({ type: "heartbeatReply", term: 1, round: 0 }));
    return appends(sent);
  };
  leader.node.raft.reportUnreachable("2");
  const probes = [...appends(leader.settle()), ...live(), ...live(), ...live()];
  assertEquals(probes.length > 1, true, "a probe may be lost");
  for (const probe of probes) assertEquals(probe, [1]);

  assertEquals(appends(leader.step({ ...accepted, index: 1 })), [[1, LONG.length]]);
  for (let round = 0; round < 10; round++) {
    for (const check of live()) assertEquals(check, [2]);
  }
  leader.step({ ...accepted, index: 2 });
  assertEquals(leader.status().commitIndex, 2);
});

Deno.test("a leader waits longer for peers that are busy with large entries, and not for ever", () => {
  for (
    const [mib, isAnswered, ticksMax] of [[0, false, 20], [4, false, 60], [4, true, 20], [
      99,
      false,
      100,
    ]] as const
  ) {
    const leader = new LoneNode({});
    leader.lead();
    for (const from of ["2", "3"]) leader.step({ ...accepted, from, index: 1 });
    if (mib > 0) leader.node.raft.propose(["x".repeat(mib * LONG.length)]);
    leader.settle();
    if (isAnswered) { for (const from of ["2", "3"]) leader.step({ ...accepted, from, index: 2 }); }
    leader.tick(ticksMax - 1);
    assertEquals(leader.status().role, "leader", `${mib} MiB`);
    leader.tick(1);
    assertEquals(leader.status().role, "follower", `${mib} MiB`);
  }
});

Deno.test("a leader announces that it is busy before it is, and at the usual time that it is no more", () => {
  const leader = new LoneNode({ options: { heartbeatTicks: 3 } });
  leader.lead();
  for (const from of ["2", "3"]) leader.step({ ...accepted, from, index: 1 });
  const busyMibs = (sent: readonly TestMessage[]) =>
    sent.flatMap((message) =>
      message.type === "heartbeat" ? [`${message.to} ${message.busyMib}`] : []
    );
  leader.tick(3);
  const { raft } = leader.node;
  raft.busyMib = 5;
  assertEquals(busyMibs(leader.settle()), ["2 5", "3 5"]);
  raft.busyMib = 2;
  assertEquals(busyMibs(leader.settle()), []);
  assertEquals(busyMibs(leader.tick(3)), ["2 2", "3 2"]);
  raft.busyMib = 0;
  assertEquals(busyMibs(leader.settle()), []);
  assertEquals(busyMibs(leader.tick(3)), ["2 undefined", "3 undefined"]);
});

/** A leader whose log begins at 6, and what it sends to peer 2. */
function compactedLeader(): LoneNode {
  const node = new LoneNode({ before: { index: 5, term: 1 }, terms: [1] });
  node.lead();
  node.step({ ...accepted, from: "3", term: 2, index: 7 });
  node.node.raft.propose(["C:1,2,3+4"]);
  node.settle();
  const refused = { type: "appendReply", term: 2, accepted: false };
  assertEquals(node.step({ ...refused, index: 6, hintIndex: 2, hintTerm: 1 }), []);
  assertEquals(node.takeWanted(), [{ to: "2", term: 2, index: 5 }]);
  return node;
}

Deno.test("a peer that needs compacted entries gets a snapshot, and nothing else meanwhile", () => {
  const node = compactedLeader();
  node.node.raft.propose(["x"]);
  assert(node.settle().every(({ to }) => to !== "2"));
  assertEquals(node.status().peers[0]?.state, "snapshot");
  const sent = node.step({ ...accepted, term: 2, index: 5 });
  assert(sent[0]?.type === "append" && sent[0].prevIndex === 5);
  const entries = sent.flatMap((message) => message.type === "append" ? message.entries : []);
  assertEquals(entries.map(({ index }) => index), [6, 7, 8, 9]);
});

Deno.test("a snapshot is wanted again while the peer is alive and has not received it", () => {
  const node = compactedLeader();
  const alive = { type: "heartbeatReply", term: 2, round: 0 };
  const wantedAfter = (_sent: readonly TestMessage[]) => node.takeWanted().length;
  assertEquals(wantedAfter(node.tick(9)) + wantedAfter(node.step(alive)), 0);
  assertEquals(wantedAfter(node.tick(5)), 0, "nobody is there");
  assertEquals(wantedAfter(node.step(alive)), 1);
  node.step({ ...accepted, term: 2, index: 3 });
  assertEquals(node.status().peers[0]?.state, "snapshot", "an old answer ends nothing");
  node.node.raft.reportUnreachable("2");
  assertEquals(wantedAfter(node.settle()), 0);
  assertEquals(wantedAfter(node.step(alive)), 1, "it is back");
});
