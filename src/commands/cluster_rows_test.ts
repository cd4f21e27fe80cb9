import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { Slices } from "./command.ts";
import { StateMachine } from "./state_machine.ts";
import { rowOf } from "./table.ts";

Deno.test("the keys of a slot are counted and listed", () => {
  assertTranscript(`
    MSET {a}1 x {a}2 x b x → +OK
    CLUSTER COUNTKEYSINSLOT 15495 → :2
    CLUSTER COUNTKEYSINSLOT 3300 → :1
    CLUSTER COUNTKEYSINSLOT 0 → :0
    CLUSTER GETKEYSINSLOT 3300 10 → *1 $1 b
    CLUSTER GETKEYSINSLOT 15495 1 → *1 $4 {a}1
    CLUSTER GETKEYSINSLOT 15495 0 → *0
    CLUSTER COUNTKEYSINSLOT x → -ERR value is not an integer or out of range
    CLUSTER COUNTKEYSINSLOT 16384 → -ERR Invalid slot
    CLUSTER COUNTKEYSINSLOT -1 → -ERR Invalid slot
    CLUSTER GETKEYSINSLOT 5 x → -ERR value is not an integer or out of range
    CLUSTER GETKEYSINSLOT 5 -1 → -ERR Invalid slot or number of keys
    CLUSTER GETKEYSINSLOT 16384 1 → -ERR Invalid slot or number of keys
  `);
});

Deno.test("the keys of a slot are those of one moment, though they change meanwhile", () => {
  const machine = new StateMachine();
  const row = (args: readonly string[]) => {
    const command = rowOf(args);
    assert(command !== undefined);
    return command;
  };
  const run = (...args: string[]) => machine.execute(row(args), args, 0);
  for (let at = 0; at < 2_000; at++) run("SET", `{a}${at}`, "x");
  const count = ["CLUSTER", "COUNTKEYSINSLOT", "15495"];
  const begun = machine.begin(row(count), count, 0);
  assertInstanceOf(begun, Slices);
  for (let at = 0; at < 2_000; at += 2) run("DEL", `{a}${at}`);
  assertEquals(begun.finish(), 2_000);
  assertEquals(run(...count), 1_000);
});
