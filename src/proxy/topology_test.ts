import { assertEquals } from "@std/assert";
import { type NodeState, NodeView, Topology } from "./topology.ts";

function state(id: string, fields: Partial<NodeState>): NodeState {
  return {
    id,
    clusterId: "",
    role: "follower",
    term: 1,
    leaderId: null,
    commitIndex: 0,
    appliedIndex: 0,
    isServing: true,
    queued: 0,
    keys: 0,
    expires: 0,
    memoryBytesMax: 0,
    usersVersion: 0,
    addresses: new Map(),
    ...fields,
  };
}

function three(): Topology {
  const topology = new Topology(200);
  for (const id of ["a", "b", "c"]) topology.add(id);
  topology.noteReport("a", state("a", { role: "leader", leaderId: "a" }));
  topology.noteReport("b", state("b", { leaderId: "a" }));
  topology.noteReport("c", state("c", { leaderId: "a" }));
  return topology;
}

const leaderOf = (topology: Topology) => topology.leader?.address ?? null;

Deno.test("the leader is the node that says so, serves, and is not superseded", () => {
  const topology = three();
  assertEquals([leaderOf(topology), topology.highestLedTerm], ["a", 1]);
  // Another leads, though it does not serve yet, and the old one does not know.
  assertEquals(topology.noteReport("b", state("b", { term: 2, leaderId: "c" })), true);
  assertEquals([leaderOf(topology), topology.highestLedTerm], [null, 2]);
  const elected = state("c", { role: "leader", term: 2, leaderId: "c", isServing: false });
  topology.noteReport("c", elected);
  assertEquals(leaderOf(topology), null);
  assertEquals(topology.noteReport("c", { ...elected, isServing: true }), true);
  assertEquals(leaderOf(topology), "c");
});

Deno.test("a candidate's term does not depose a leader", () => {
  const topology = three();
  topology.noteReport("b", state("b", { role: "candidate", term: 9, isServing: false }));
  assertEquals(leaderOf(topology), "a");
});

Deno.test("a term that only silent nodes remember counts for nothing: the cluster may be new", () => {
  const topology = three();
  topology.noteReport("b", state("b", { term: 7, leaderId: "c" }));
  assertEquals(leaderOf(topology), null);
  topology.noteDisconnect("b");
  assertEquals([leaderOf(topology), topology.highestLedTerm], ["a", 1]);
});

Deno.test("silence and a broken connection invalidate a node's report, a new report restores it", () => {
  const topology = three();
  assertEquals(topology.advance(200), []);
  topology.noteReport("b", state("b", { leaderId: "a" }));
  assertEquals(topology.advance(1).map(({ address }) => address), ["a", "c"]);
  assertEquals(leaderOf(topology), null);
  assertEquals(topology.advance(100), []);
  assertEquals(topology.noteReport("a", state("a", { role: "leader", leaderId: "a" })), true);
  assertEquals(leaderOf(topology), "a");
  assertEquals([topology.noteDisconnect("a"), topology.noteDisconnect("a")], [true, false]);
  assertEquals(leaderOf(topology), null);
});

Deno.test("a report that changes nothing is no news, and neither is progress of the log", () => {
  const topology = three();
  assertEquals(topology.noteReport("b", state("b", { leaderId: "a", commitIndex: 9 })), false);
  assertEquals(topology.node("b")?.state?.commitIndex, 9);
  assertEquals(topology.noteReport("unknown", state("x", {})), false);
});

Deno.test("members are at the leader's addresses, and members known only to others count too", () => {
  const topology = three();
  topology.noteReport("b", state("b", { addresses: new Map([["x", "old:1"], ["y", "y:1"]]) }));
  topology.noteReport(
    "a",
    state("a", { role: "leader", leaderId: "a", addresses: new Map([["x", "new:1"]]) }),
  );
  assertEquals([...topology.memberAddresses()], [["x", "new:1"], ["y", "y:1"]]);
});

Deno.test("log lines name a node by its address until it has reported its id", () => {
  const node = new NodeView("10.0.0.1:7001");
  assertEquals(node.label, "10.0.0.1:7001");
  node.state = state("n1", {});
  assertEquals(node.label, "n1 (10.0.0.1:7001)");
});
