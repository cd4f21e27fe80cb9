import { assertEquals, assertMatch } from "@std/assert";
import { keySlot } from "../../commands/key_slot.ts";
import { checkRequest } from "../../commands/table.ts";
import { refusedSentence, slotOf } from "./request.ts";

Deno.test("a request belongs to the slot of its first key, or to 0", () => {
  const slot = (...args: string[]) => slotOf({ command: checkRequest(args), args });
  assertEquals(slot("MSET", "b", "1", "a", "2"), keySlot("b"));
  assertEquals(slot("DBSIZE"), 0);
});

Deno.test("why a node may not take part is told, with what to do about it", () => {
  const at = { host: "::1", port: 7001 };
  assertMatch(
    refusedSentence("n3", "n1", "copy", at),
    /^Cannot take part as n3: another process runs under this id, .* says n1; stop one of them/,
  );
  assertMatch(
    refusedSentence("n3", "n1", "stranger", at),
    /or run regent remove n3 --from \[::1\]:7001, and start this node/,
  );
  assertMatch(refusedSentence("n3", "n1", "stranger", null), /or run regent remove n3, and start/);
});
