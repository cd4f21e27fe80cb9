import { assertTranscript } from "../../tests/support/transcript.ts";

Deno.test("SET sets, under a condition if there is one, and returns the old value if asked", () => {
  assertTranscript(`
    SET k 1 → +OK
    SET k 2 NX → $-1
    SET k 2 xx GET → $1 1
    SET k 3 NX GET → $1 2
    GET k → $1 2
    SET new 1 XX → $-1
    SET new 1 GET → $-1
    GET new → $1 1
    SET k 1 NX XX → -ERR syntax error
    SET k 1 PERSIST → -ERR syntax error
    SET k 1 nope → -ERR syntax error
  `);
});

Deno.test("SET clears the deadline, unless it has a new one or KEEPTTL", () => {
  assertTranscript(`
    SET k 1 EX 100 → +OK
    PTTL k → :100000
    SET k 2 KEEPTTL → +OK
    TTL k → :100
    SET k 3 → +OK
    TTL k → :-1
    SET k 4 PXAT 1700000000500 → +OK
    PTTL k → :500
    SET k 5 EXAT 1600000000 GET → $1 4
    GET k → $-1
    SET k 1 EX 1 PX 1 → -ERR syntax error
    SET k 1 EX 1 KEEPTTL → -ERR syntax error
    SET k 1 KEEPTTL EX 1 → -ERR syntax error
    SET k 1 EX → -ERR syntax error
    SET k 1 EX 5 EX 7 → +OK
    TTL k → :7
  `);
});

Deno.test("an invalid time is refused, and the key stays as it is", () => {
  assertTranscript(`
    SET k 1 EX 0 → -ERR invalid expire time in 'set' command
    SET k 1 PX -5 → -ERR invalid expire time in 'set' command
    SET k 1 EX 9223372036854775807 → -ERR invalid expire time in 'set' command
    SET k 1 PX 9223372036854775807 → -ERR invalid expire time in 'set' command
    SET k 1 EX x → -ERR value is not an integer or out of range
    SETEX k 0 v → -ERR invalid expire time in 'setex' command
    PSETEX k 0 v → -ERR invalid expire time in 'psetex' command
    GETEX k EX 0 → $-1
    EXISTS k → :0
    SET k 1 PXAT 9223372036854775807 → +OK
    PEXPIRETIME k → :9223372036854775807
  `);
});

Deno.test("the older forms of SET", () => {
  assertTranscript(`
    SETNX k 1 → :1
    SETNX k 2 → :0
    SETEX k 10 3 → +OK
    TTL k → :10
    PSETEX k 1500 4 → +OK
    TTL k → :2
    GETSET k 5 → $1 4
    TTL k → :-1
    GETSET new 1 → $-1
  `);
});

Deno.test("several keys are set at once or not at all", () => {
  assertTranscript(`
    MSET a 1 b 2 a 3 → +OK
    MGET a b none a → *4 $1 3 $1 2 $-1 $1 3
    MSET a 1 b → -ERR wrong number of arguments for 'mset' command
    MSETNX c 1 a 2 → :0
    EXISTS c → :0
    MSETNX c 1 d 2 c 3 → :1
    MGET c d → *2 $1 3 $1 2
    MSETNX e 1 f → -ERR wrong number of arguments for 'msetnx' command
  `);
});
