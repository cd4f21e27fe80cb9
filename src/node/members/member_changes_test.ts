import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ClusterConfiguration } from "./configuration.ts";
import { type Change, withAddress, withLearner, without, withVoter } from "./membership.ts";

const address = (port: number) => ({ host: "h", port });

/** Learners are written in parentheses, the removed with a minus. */
function configuration(...names: string[]): ClusterConfiguration {
  const members = names.filter((name) => !name.startsWith("-")).map((name) => {
    const id = name.replaceAll(/[()]/g, "");
    return { id, raftAddress: address(Number(id.slice(1))), isLearner: id !== name };
  });
  const removed = names.filter((name) => name.startsWith("-")).map((name) => name.slice(1));
  return { members, removed };
}

function text(change: Change): string[] {
  assert(typeof change !== "string", `refused: ${change}`);
  const names = change.members.map(({ id, isLearner }) => isLearner ? `(${id})` : id);
  return [...names, ...change.removed.map((id) => `-${id}`)];
}

function health(live: string[]) {
  return { isLive: (id: string) => live.includes(id) };
}

const ALL = health(["n1", "n2", "n3", "n4", "n5"]);

Deno.test("a new node enters as a learner, and may ask again from the same directory", () => {
  const present = withLearner(configuration("n1"), "n2", address(2), "i2");
  assert(typeof present !== "string");
  assertEquals(text(present), ["n1", "(n2)"]);
  assertEquals(present.members[1]?.incarnation, "i2");
  assertEquals(withLearner(present, "n2", address(2), "i2"), present);
  assertMatch(String(withLearner(present, "n2", address(2), "i9")), /with another data directory/);
  const moved = withLearner(present, "n2", address(9), "i2");
  assert(typeof moved !== "string");
  assertEquals(moved.members[1]?.raftAddress, address(9));
});

Deno.test("who must not enter is told why", () => {
  const members = configuration("n1", "n2", "(n3)", "-n4");
  const refusal = (id: string) => String(withLearner(members, id, address(0), "i"));
  for (const id of ["n2", "n3"]) {
    assertMatch(refusal(id), /is a member already, with another data directory/);
  }
  assertMatch(refusal("n4"), /a removed id is never used again/);
  assertEquals(
    withLearner(members, "n5", address(2), "i5"),
    "h:2 is the address of n2: remove that one first, or choose another port",
  );
});

Deno.test("a removal leaves a majority that answers, or is forced", () => {
  const members = configuration("n1", "n2", "n3", "n4", "n5");
  assertEquals(text(without(members, "n5", false, ALL)), ["n1", "n2", "n3", "n4", "-n5"]);
  const three = health(["n1", "n2", "n3"]);
  assertEquals(text(without(members, "n5", false, three)), ["n1", "n2", "n3", "n4", "-n5"]);
  assertEquals(
    without(members, "n3", false, three),
    "Removing n3 would leave 2 of 4 voting members that answer, and 3 are needed: n4, n5 do not " +
      "answer; start them again, or use FORCE",
  );
  assertEquals(text(without(members, "n3", true, three)), ["n1", "n2", "n4", "n5", "-n3"]);
});

Deno.test("learners go at any time, and the last voter never", () => {
  const members = configuration("n1", "(n2)");
  assertEquals(text(without(members, "n2", false, health([]))), ["n1", "-n2"]);
  for (const isForced of [false, true]) {
    assertEquals(
      without(members, "n1", isForced, ALL),
      "n1 is the only voting member, and a cluster needs one",
    );
  }
});

Deno.test("what holds already changes nothing", () => {
  const members = configuration("n1", "n2", "-n3");
  assertEquals(without(members, "n3", false, ALL), members);
  assertEquals(withAddress(members, "n2", address(2)), members);
  assertEquals(withAddress(members, "n9", address(2)), members);
  assertEquals(
    without(members, "n9", false, ALL),
    "n9 is no member of this cluster: it has n1, n2",
  );
});

Deno.test("a learner gets its vote and keeps its place", () => {
  assertEquals(text(withVoter(configuration("n1", "(n2)", "n3"), "n2")), ["n1", "n2", "n3"]);
});
