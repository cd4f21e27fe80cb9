import { assertEquals } from "@std/assert";
import type { ClusterState, Member } from "../api/cluster.ts";
import { newsBetween } from "./news.ts";

function state(...members: readonly (Partial<Member> & { id: string })[]): ClusterState {
  return {
    isServing: true,
    members: members.map((member) => ({
      address: "",
      role: "follower",
      isAlive: true,
      isServing: true,
      term: 1,
      commitIndex: 1,
      appliedIndex: 1,
      lag: 0,
      clockOffsetMs: 0,
      protocolVersion: 3,
      machineVersion: 1,
      machineVersionMax: 1,
      faults: [],
      ...member,
    })),
  };
}

const kindsBetween = (before: ClusterState | null, after: ClusterState) =>
  newsBetween(before, after, 0).map(({ kind, member, term, detail }) =>
    `${kind} ${member} ${term} ${detail}`.trim()
  );

Deno.test("the first look only tells who leads", () => {
  const first = state({ id: "n1", role: "leader", term: 3 }, { id: "n2", isAlive: false });
  assertEquals(kindsBetween(null, first), ["leads n1 3"]);
  assertEquals(kindsBetween(null, state({ id: "n1" })), []);
  assertEquals(kindsBetween(first, first), []);
});

Deno.test("an election is told from its beginning to its end, the newest first", () => {
  const before = state({ id: "n1", role: "leader" }, { id: "n2" });
  const during = state({ id: "n1", isAlive: false }, { id: "n2", role: "candidate", term: 2 });
  const after = state({ id: "n1", isAlive: false }, { id: "n2", role: "leader", term: 2 });
  assertEquals(kindsBetween(before, during), ["election  2", "silent n1 1"]);
  assertEquals(kindsBetween(during, after), ["leads n2 2"]);
});

Deno.test("of two that say they lead, the one of the newer term does", () => {
  const old = { id: "n1", role: "leader", term: 1 };
  assertEquals(
    kindsBetween(state(old, { id: "n2" }), state(old, { id: "n2", role: "leader", term: 2 })),
    [
      "leads n2 2",
    ],
  );
});

Deno.test("members come and go, and so do faults", () => {
  const calm = state({ id: "n1" });
  const both = state({ id: "n1" }, { id: "n2" });
  const faulty = state({ id: "n1", faults: ["pause"] });
  assertEquals(kindsBetween(calm, both), ["joined n2 1"]);
  assertEquals(kindsBetween(both, calm), ["left n2 1"]);
  assertEquals(kindsBetween(calm, faulty), ["fault n1 1 pause"]);
  assertEquals(kindsBetween(faulty, calm), ["healed n1 1"]);
  const timed = (ms: number) => state({ id: "n1", faults: [`pause, ${ms} ms left`] });
  assertEquals(kindsBetween(timed(500), timed(250)), []);
  assertEquals(kindsBetween(state({ id: "n1", isAlive: false }), calm), ["back n1 1"]);
});
