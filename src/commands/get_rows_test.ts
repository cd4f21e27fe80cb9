import { assertTranscript } from "../../tests/support/transcript.ts";

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
