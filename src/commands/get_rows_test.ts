import { assertEquals } from "@std/assert";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { StateMachine } from "./state_machine.ts";
import { lookup } from "./table.ts";

Deno.test("GETDEL returns and deletes", () => {
  assertTranscript(`
    SET k v → +OK
    GETDEL k → $1 v
    GETDEL k → $-1
    EXISTS k → :0
  `);
});

Deno.test("GETEX returns, and sets or removes the deadline", () => {
  assertTranscript(`
    SET k v → +OK
    GETEX k EX 10 → $1 v
    TTL k → :10
    GETEX k → $1 v
    TTL k → :10
    GETEX k PERSIST → $1 v
    TTL k → :-1
    GETEX k PX 0 → -ERR invalid expire time in 'getex' command
    GETEX k NX → -ERR syntax error
    GETEX k PERSIST EX 1 → -ERR syntax error
    GETEX k PXAT 1 → $1 v
    GET k → $-1
  `);
});

Deno.test("reads that find their key count as hits, other reads as misses, and writes not at all", () => {
  const machine = new StateMachine();
  const ask = (...args: string[]) => {
    const command = lookup(args[0] ?? "");
    if (command !== undefined) machine.execute(command, args, 0);
  };
  ask("SET", "a", "1");
  ask("SETNX", "a", "2");
  ask("INCR", "a");
  assertEquals(machine.keyspace.lookUps, { hits: 0, misses: 0 });
  ask("GET", "a");
  ask("GET", "none");
  ask("MGET", "a", "none", "a");
  ask("EXISTS", "a", "none");
  ask("STRLEN", "a");
  ask("TTL", "none");
  ask("TYPE", "a");
  assertEquals(machine.keyspace.lookUps, { hits: 6, misses: 4 });
});
