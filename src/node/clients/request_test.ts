import { assertEquals } from "@std/assert";
import { keySlot } from "../../commands/key_slot.ts";
import { checkRequest } from "../../commands/table.ts";
import { slotOf } from "./request.ts";

Deno.test("a request belongs to the slot of its first key, or to 0", () => {
  const slot = (...args: string[]) => slotOf({ command: checkRequest(args), args });
  assertEquals(slot("MSET", "b", "1", "a", "2"), keySlot("b"));
  assertEquals(slot("DBSIZE"), 0);
});
