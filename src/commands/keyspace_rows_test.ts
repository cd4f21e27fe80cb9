import { assert, assertEquals } from "@std/assert";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { SCAN_KEYS_MAX } from "./keyspace_rows.ts";
import { StateMachine } from "./state_machine.ts";
import { lookup } from "./table.ts";

Deno.test("KEYS and SCAN find the matching keys", () => {
  assertTranscript(`
    MSET key:1 1 key:2 2 other 3 → +OK
    KEYS key:* → *2 $5 key:2 $5 key:1
    KEYS * → *3 $5 other $5 key:2 $5 key:1
    KEYS none* → *0
    SCAN 0 COUNT 2 → *2 $1 1 *2 $5 other $5 key:2
    SCAN 1 COUNT 2 → *2 $1 0 *1 $5 key:1
    SCAN 0 MATCH *:1 TYPE STRING → *2 $1 0 *1 $5 key:1
    SCAN 0 TYPE list → *2 $1 0 *0
  `);
});

Deno.test("SCAN refuses invalid arguments", () => {
  assertTranscript(`
    SCAN x → -ERR invalid cursor
    SCAN 18446744073709551616 → -ERR invalid cursor
    SCAN 0 COUNT 0 → -ERR syntax error
    SCAN 0 COUNT x → -ERR value is not an integer or out of range
    SCAN 0 COUNT → -ERR syntax error
    SCAN 0 NOPE 1 → -ERR syntax error
  `);
});

Deno.test("keys whose deadline has passed are not found", () => {
  assertTranscript(`
    SET gone 1 PXAT 1600000000000 → +OK
    KEYS * → *0
    SCAN 0 → *2 $1 0 *0
    RANDOMKEY → $-1
    DBSIZE → :0
  `);
});

Deno.test("FLUSHALL and FLUSHDB remove all keys", () => {
  assertTranscript(`
    MSET a 1 b 2 → +OK
    FLUSHALL nope → -ERR syntax error
    FLUSHALL SYNC ASYNC → -ERR syntax error
    DBSIZE → :2
    FLUSHALL async → +OK
    DBSIZE → :0
    SET a 1 → +OK
    RANDOMKEY → $1 a
    FLUSHDB → +OK
    DBSIZE → :0
  `);
});

Deno.test("SCAN looks at a bounded number of keys, and still meets each of them", () => {
  const machine = new StateMachine();
  const count = 2 * SCAN_KEYS_MAX + 17;
  for (let key = 0; key < count; key++) machine.keyspace.set(`k${key}`, "v");
  const scan = lookup("scan");
  assert(scan !== undefined);
  const met = new Set<string>();
  let cursor = "0";
  let calls = 0;
  do {
    const reply = machine.execute(scan, ["SCAN", cursor, "COUNT", "1000000000"], 0);
    const [next, keys] = reply as [string, string[]];
    assert(keys.length <= SCAN_KEYS_MAX, `${keys.length} keys`);
    keys.forEach((key) => met.add(key));
    cursor = next;
    calls++;
  } while (cursor !== "0");
  assertEquals([met.size, calls], [count, 3]);
});
