import { assertTranscript } from "../../tests/support/transcript.ts";

Deno.test("deadlines are set in four ways and read in four", () => {
  assertTranscript(`
    SET k v → +OK
    EXPIRE k 10 → :1
    TTL k → :10
    PTTL k → :10000
    EXPIRETIME k → :1700000010
    PEXPIRE k 1500 → :1
    PEXPIRETIME k → :1700000001500
    EXPIRETIME k → :1700000002
    EXPIREAT k 1800000000 → :1
    PTTL k → :100000000000
    PEXPIREAT k 1700000000001 → :1
    PTTL k → :1
    TTL k → :0
    PERSIST k → :1
    PERSIST k → :0
    TTL k → :-1
    EXPIRETIME k → :-1
    TTL none → :-2
    PEXPIRETIME none → :-2
    EXPIRE none 1 → :0
    PERSIST none → :0
  `);
});

Deno.test("a deadline in the past deletes the key", () => {
  assertTranscript(`
    MSET a 1 b 2 c 3 → +OK
    EXPIRE a -1 → :1
    PEXPIREAT b 1 → :1
    EXPIREAT c 1600000000 → :1
    EXISTS a b c → :0
  `);
});

Deno.test("conditions compare with the current deadline, and none counts as never", () => {
  assertTranscript(`
    SET k v → +OK
    EXPIRE k 100 XX → :0
    EXPIRE k 100 GT → :0
    EXPIRE k 100 LT → :1
    EXPIRE k 50 NX → :0
    EXPIRE k 100 GT → :0
    EXPIRE k 100 lt → :0
    EXPIRE k 99 xx LT → :1
    EXPIRE k 101 GT → :1
    TTL k → :101
    PERSIST k → :1
    EXPIRE k 5 NX → :1
  `);
});

Deno.test("invalid options and times are refused", () => {
  const together = "options at the same time are not compatible";
  assertTranscript(`
    EXPIRE k 1 NX XX → -ERR NX and XX, GT or LT ${together}
    EXPIRE k 1 GT LT → -ERR GT and LT ${together}
    EXPIRE k 1 nope → -ERR Unsupported option nope
    EXPIRE k x → -ERR value is not an integer or out of range
    EXPIRE k 9223372036854776 → -ERR invalid expire time in 'expire' command
    PEXPIRE k 9223372036854775807 → -ERR invalid expire time in 'pexpire' command
    EXPIREAT k -9223372036854776 → -ERR invalid expire time in 'expireat' command
    PEXPIREAT k 9223372036854775807 → :0
  `);
});
