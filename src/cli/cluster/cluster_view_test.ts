import { assertEquals } from "@std/assert";
import { ClusterView } from "./cluster_view.ts";

interface Scene {
  readonly view: ClusterView;
  readonly lines: string[];
  nowMs: number;
}

function scene(): Scene {
  const lines: string[] = [];
  const view = new ClusterView((line) => lines.push(line), () => stage.nowMs);
  const stage: Scene = { view, lines, nowMs: 0 };
  return stage;
}

const state = (role: string, term: number, leaderId: string, members = ["n1", "n2", "n3"]) => ({
  role,
  term,
  leaderId,
  isServing: true,
  members,
});

Deno.test("the first leader is not reported, a successor is one line with the gap", async () => {
  const stage = scene();
  const { view, lines } = stage;
  const serving = view.whenServing(() => 2);
  view.reported("n1", state("leader", 1, "n1"));
  view.reported("n2", state("follower", 1, "n1"));
  await serving;
  assertEquals([view.leaderId, view.term, view.roleOf("n2")], ["n1", 1, "follower"]);
  assertEquals(lines, ["n2 answers, as follower of term 1"]);
  view.died("n1");
  assertEquals(view.roleOf("n1"), "-");
  stage.nowMs = 310;
  view.reported("n2", state("leader", 2, "n2"));
  assertEquals(lines.slice(1), ["n2 leads in term 2, 0.31 s after n1 was last heard"]);
});

Deno.test("silence, return and the end of a leadership are one line each", () => {
  const { view, lines } = scene();
  view.reported("n1", state("leader", 1, "n1"));
  view.stoppedReporting("n1");
  view.reported("n1", state("leader", 1, "n1"));
  view.reported("n1", state("follower", 2, "n2"));
  view.reported("n1", state("follower", 2, "n2"));
  assertEquals(lines, [
    "n1 does not answer",
    "n1 answers, as leader of term 1",
    "n1 no longer leads: it follows n2 in term 2",
  ]);
});

Deno.test("of a node that no longer leads it is told what it is", () => {
  for (
    const [role, leaderId, told] of [
      ["follower", "n2", "it follows n2 in term 2"],
      ["follower", "", "it knows no leader in term 2"],
      ["candidate", "", "it is a candidate in term 2"],
      ["learner", "n2", "it learns from n2 in term 2"],
    ] as const
  ) {
    const { view, lines } = scene();
    view.reported("n1", state("leader", 1, "n1"));
    view.reported("n1", state(role, 2, leaderId));
    assertEquals(lines, [`n1 no longer leads: ${told}`]);
  }
});

Deno.test("a member that the leader no longer lists is removed, the previous leader too", () => {
  const { view } = scene();
  view.reported("n1", state("leader", 1, "n1"));
  view.reported("n2", state("follower", 1, "n1", ["n1"]));
  assertEquals(view.isRemoved("n3"), false); // a follower may be behind
  view.reported("n1", state("leader", 1, "n1", ["n1", "n2"]));
  assertEquals(["n1", "n2", "n3"].map((id) => view.isRemoved(id)), [false, false, true]);
  view.reported("n2", state("leader", 2, "n2", ["n2"]));
  assertEquals(["n1", "n2", "n3"].map((id) => view.isRemoved(id)), [true, false, true]);
});
