import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Operation, PlainReply } from "../linearizability/operation.ts";
import { checkProgramOrder, checkStampedOrder } from "./program_order.ts";

/** Requests in the order of sending, each with its reply; `undefined` if it was never answered. */
function history(...calls: readonly (readonly [string, PlainReply | undefined])[]): Operation[] {
  return calls.map(([text, reply], at) => ({
    key: "k",
    args: text.split(" "),
    invokedMs: at,
    completedMs: reply === undefined ? null : at,
    outcome: reply === undefined ? { kind: "unknown" } : { kind: "ok", reply },
  }));
}

Deno.test("order: effects come in the order of sending", () => {
  const good = history(["SET a", "OK"], ["APPEND b", 2], ["GET", "ab"], ["DEL", 1], ["GET", null]);
  assertEquals(checkProgramOrder(good), null);
  const swapped = history(["SET a", "OK"], ["SET b", "OK"], ["GET", "a"]);
  assertStringIncludes(checkProgramOrder(swapped) ?? "", "order is lost");
});

Deno.test("order: a write of unknown outcome happens at its place, or later, or never", () => {
  const either = [["SET a", "OK"], ["SET b", undefined]] as const;
  assertEquals(checkProgramOrder(history(...either, ["GET", "a"])), null);
  assertEquals(checkProgramOrder(history(...either, ["GET", "b"])), null);
  assertEquals(checkProgramOrder(history(...either, ["SET c", "OK"], ["GET", "b"])), null);
  const undone = history(...either, ["GET", "b"], ["GET", "a"]);
  assertStringIncludes(checkProgramOrder(undone) ?? "", "order is lost");
});

Deno.test("order: clients that read at the same time may see a late write or not", () => {
  const written = history(["SET a", "OK"], ["SET b", undefined]);
  const readers = history(["GET", "b"], ["GET", "a"]);
  const read = readers.map((operation, at) => ({ ...operation, client: `reader ${at}` }));
  assertEquals(checkProgramOrder([...written, ...read]), null);
  const one = readers.map((operation) => ({ ...operation, client: "reader" }));
  assertStringIncludes(checkProgramOrder([...written, ...one]) ?? "", "order is lost");
});

Deno.test("order: a late write may come even after later ones of unknown outcome", () => {
  const unknown = [["APPEND a", undefined], ["APPEND b", undefined]] as const;
  assertEquals(checkProgramOrder(history(...unknown, ["GET", "ba"])), null);
  const executed = history(["APPEND a", 1], ["APPEND b", undefined], ["GET", "ba"]);
  assertStringIncludes(checkProgramOrder(executed) ?? "", "order is lost");
});

Deno.test("with stamps, a write of unknown outcome is not executed after a later one", () => {
  const seen = (value: string) => history(["SET 1", undefined], ["SET 2", "OK"], ["GET", value]);
  assertEquals(checkStampedOrder(seen("2")), null);
  assertEquals(checkProgramOrder(seen("1")), null);
  assertStringIncludes(checkStampedOrder(seen("1")) ?? "", "order is lost");
  assertEquals(checkStampedOrder(history(["SET 1", undefined], ["GET", "1"])), null);
});
