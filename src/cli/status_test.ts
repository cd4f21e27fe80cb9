import { assertEquals } from "@std/assert";
import { withListener } from "../../tests/support/listener_bench.ts";
import { MapReply, type Reply } from "../resp/reply.ts";
import { askState, isServed, type MemberState, statusTable } from "./status.ts";

const net = { permissions: { net: true } };

/** The state of a member that answers `CLUSTER ROLE` with these fields. */
async function stateOf(fields: readonly (readonly [string, Reply])[]): Promise<MemberState> {
  let state: MemberState | null = null;
  await withListener({}, async (listener, recorder) => {
    const asked = askState({ id: "n1", address: listener.address });
    for (const [count, reply] of [[1, []], [2, new MapReply(fields)]] as const) {
      await recorder.until(() => recorder.pending.length === count);
      recorder.pending[count - 1]?.reply.settle(reply);
    }
    state = await asked;
  });
  if (state === null) throw new Error("no state was reported");
  return state;
}

const numbers = ["term", "commit-index", "applied-index"].map((name) => [name, 3] as const);

Deno.test("only a leader that serves counts for the exit code of regent status", net, async () => {
  for (
    const [role, serving, served, shown] of [
      ["leader", [["serving", 1]], true, "leader"],
      ["leader", [["serving", 0]], false, "leader, not serving"],
      ["leader", [], true, "leader"], // an older build does not report it
      ["follower", [["serving", 1]], false, "follower"],
      ["candidate", [["serving", 0]], false, "candidate"],
    ] as const
  ) {
    const state = await stateOf([["role", role], ...numbers, ...serving]);
    assertEquals([role, serving, isServed([state])], [role, serving, served]);
    assertEquals(statusTable([state]).split("\n")[1]?.split(/ {2,}/)[1], shown);
  }
  assertEquals(isServed([]), false);
});
