import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { encodeReply } from "../resp/encode.ts";
import { decodeReply } from "../resp/reply_scanner.ts";
import { type AclEvent, AclLog } from "./acl_log.ts";

const EVENT: AclEvent = { reason: "key", object: "k", username: "ada", client: "id=1\n" };

/** The entries as `count object age`. */
function shown(log: AclLog, count = 1_000): string[] {
  const entries = decodeReply(encodeReply(log.reply(count), 2)) as string[][];
  return entries.map(([, count, , , , , , object, , , , age]) => `${count} ${object} ${age}`);
}

Deno.test("the same event within a minute counts in one entry, the newest first", () => {
  const clock = new ManualClock();
  const log = new AclLog(clock);
  log.add(EVENT);
  clock.advance(1_000);
  log.add({ ...EVENT, object: "other" });
  clock.advance(1_500);
  log.add(EVENT);
  log.add({ ...EVENT, username: "bob" });
  assertEquals(shown(log), ["1 k 0", "2 k 0", "1 other 1.5"]);
  clock.advance(60_001);
  log.add(EVENT);
  assertEquals(shown(log, 2), ["1 k 0", "1 k 60.001"]);
  log.clear();
  assertEquals(shown(log), []);
});

Deno.test("entries are bounded in number and size", () => {
  const log = new AclLog(new ManualClock());
  for (let at = 0; at < 200; at++) log.add({ ...EVENT, object: `${at}${"x".repeat(10_000)}` });
  assertEquals(shown(log).length, 128);
  assertEquals(shown(log)[0]?.length, "1  0".length + 256);
});
