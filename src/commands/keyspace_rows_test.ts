import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { PATTERN_BYTES_MAX } from "../base/glob.ts";
import { EncodedStrings, ErrorReply, type Reply } from "../resp/reply.ts";
import { Slices } from "./command.ts";
import { COMPARISONS_MAX, SCAN_KEYS_MAX } from "./keyspace_rows.ts";
import { StateMachine } from "./state_machine.ts";
import { rowOf } from "./table.ts";

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
    SCAN -5 → *2 $1 0 *3 $5 other $5 key:2 $5 key:1
    SCAN +2 → *2 $1 0 *2 $5 key:2 $5 key:1
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
  const scan = rowOf(["SCAN"]);
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

/** Runs a request that is answered in steps. */
function inSteps(machine: StateMachine, ...args: string[]): { reply: Reply; steps: number } {
  const command = rowOf(args);
  assert(command !== undefined);
  const begun = machine.begin(command, args, machine.timeMs);
  if (!(begun instanceof Slices)) return { reply: begun, steps: 1 };
  let steps = 1;
  let reply = begun.next();
  for (; reply === undefined; reply = begun.next()) steps++;
  return { reply, steps };
}

function textOf(reply: Reply): string {
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

Deno.test("cursors are read as Redis does, an empty one and what is behind a NUL among them", () => {
  const machine = new StateMachine();
  machine.keyspace.set("k", "v");
  const scan = (cursor: string) => {
    const row = rowOf(["SCAN"]);
    assert(row !== undefined);
    return machine.execute(row, ["SCAN", cursor], 0);
  };
  for (const cursor of ["", "\0", "0\0x"]) assertEquals(scan(cursor), ["0", ["k"]]);
});

Deno.test("a pattern that is too long is refused, however keys are asked for", () => {
  const machine = new StateMachine();
  machine.keyspace.set("k", "v");
  const pattern = "*".repeat(PATTERN_BYTES_MAX + 1);
  for (const args of [["KEYS", pattern], ["SCAN", "0", "MATCH", pattern]]) {
    const command = rowOf(args);
    assert(command !== undefined);
    const whole = textOf(machine.execute(command, args, 0));
    assertEquals(textOf(inSteps(machine, ...args).reply), whole);
    assert(whole.includes("pattern"), whole);
    const allowed = args.with(-1, pattern.slice(1));
    assertEquals(machine.execute(command, allowed, 0) instanceof ErrorReply, false);
  }
});

Deno.test("due keys are left out of KEYS and SCAN, though they are still there", () => {
  const machine = new StateMachine();
  for (let key = 0; key < 3_000; key++) {
    machine.keyspace.set(`due:${key}`, "v");
    machine.keyspace.setDeadline(`due:${key}`, 10);
  }
  machine.keyspace.set("stays", "v");
  machine.advanceTime(10);
  assert(machine.keyspace.storedSize > 1_000);
  const whole = inSteps(machine, "KEYS", "*");
  assertEquals(textsOf(whole.reply), ["stays"]);
  assert(whole.steps > 4, `${whole.steps} steps`);
  for (const match of [[], ["MATCH", "*"]]) {
    assertEquals(inSteps(machine, "SCAN", "0", "COUNT", "5000", ...match).reply, ["0", ["stays"]]);
  }
});

function textsOf(reply: Reply): string[] {
  assert(reply instanceof EncodedStrings);
  return reply.text.split("\r\n").filter((_, at) => at % 2 === 1);
}

Deno.test("a costly comparison goes on in a later step", () => {
  const machine = new StateMachine();
  machine.keyspace.set("a".repeat(3_000), "v");
  const pattern = `*${"a".repeat(100)}b`;
  for (const args of [["KEYS", pattern], ["SCAN", "0", "MATCH", pattern]]) {
    const { reply, steps } = inSteps(machine, ...args);
    assert(steps > 3, `${args[0]}: ${steps} steps`);
    assertEquals(
      reply instanceof EncodedStrings ? textsOf(reply) : reply,
      args[0] === "KEYS" ? [] : ["0", []],
    );
  }
});

Deno.test("many comparisons end a step, though each of them is short", () => {
  const machine = new StateMachine();
  for (let key = 0; key < 64; key++) machine.keyspace.set(`${key}:${"a".repeat(2_000)}`, "v");
  const pattern = `*${"a".repeat(10)}b`;
  for (const args of [["KEYS", pattern], ["SCAN", "0", "MATCH", pattern, "COUNT", "100"]]) {
    const { steps } = inSteps(machine, ...args);
    assert(steps > 20, `${args[0]}: ${steps} steps`);
  }
});

Deno.test("a comparison that would take seconds is refused", () => {
  assertEquals(COMPARISONS_MAX, 2 ** 30); // the default, which takes some seconds
  const machine = new StateMachine({ comparisonsMax: 2 ** 20 });
  machine.keyspace.set("a".repeat(4096), "v");
  const patternOf = (comparisons: number) => `*${"a".repeat(comparisons / 4096)}b`;
  for (const words of [["KEYS"], ["SCAN", "0", "MATCH"]]) {
    const { reply } = inSteps(machine, ...words, patternOf(2 ** 21));
    assert(textOf(reply).includes("too long"), textOf(reply));
    const allowed = inSteps(machine, ...words, patternOf(2 ** 18));
    assertEquals([allowed.reply instanceof ErrorReply, allowed.steps > 4], [false, true]);
  }
});

Deno.test("an answer of keys that is too large is refused, in steps or at once", () => {
  const machine = new StateMachine({ replyBytesMax: 1_000 });
  for (let key = 0; key < 100; key++) machine.keyspace.set(`{a}:${key}`.padEnd(20), "v");
  for (const args of [["KEYS", "*"], ["CLUSTER", "GETKEYSINSLOT", "15495", "1000"]]) {
    const command = rowOf(args);
    assert(command !== undefined);
    const whole = textOf(machine.execute(command, args, 0));
    assertEquals(textOf(inSteps(machine, ...args).reply), whole);
    assert(whole.includes("1000 bytes"), whole);
  }
});

Deno.test("keys are told without a view when there are too many already", () => {
  const machine = new StateMachine();
  for (let key = 0; key < 2_000; key++) machine.keyspace.set(`{a}:${key}`, "v");
  const views = [];
  for (let view = machine.keyspace.beginKeyView(); view !== null;) {
    views.push(view);
    view = machine.keyspace.beginKeyView();
  }
  const { reply, steps } = inSteps(machine, "CLUSTER", "COUNTKEYSINSLOT", "15495");
  assertEquals(reply, 2_000);
  assert(steps > 4, `${steps} steps`);
  for (const view of views) machine.keyspace.endView(view);
  assertEquals(inSteps(machine, "CLUSTER", "COUNTKEYSINSLOT", "15495").reply, 2_000);
});

Deno.test("the keys of a slot are looked for in steps", () => {
  const machine = new StateMachine();
  for (let key = 0; key < 2_000; key++) machine.keyspace.set(`{b}:${key}`, "v");
  machine.keyspace.set("{a}", "v");
  const { reply, steps } = inSteps(machine, "CLUSTER", "GETKEYSINSLOT", "15495", "10");
  assertEquals(reply, ["{a}"]);
  assert(steps > 4, `${steps} steps`);
});

Deno.test("EXISTS of many keys is answered in steps", () => {
  const machine = new StateMachine();
  for (let key = 0; key < 700; key++) machine.keyspace.set(`${key}`, "v");
  const keys = Array.from({ length: 1_000 }, (_, at) => `${at}`);
  const { reply, steps } = inSteps(machine, "EXISTS", ...keys);
  assertEquals(reply, 700);
  assert(steps >= 3, `${steps} steps`);
});
