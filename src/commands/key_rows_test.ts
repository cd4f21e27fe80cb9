import { assertTranscript } from "../../tests/support/transcript.ts";

Deno.test("keys are counted as often as they are named, and deleted once", () => {
  assertTranscript(`
    MSET a 1 b 2 → +OK
    EXISTS a a b none → :3
    TOUCH a none → :1
    DEL a a none → :1
    UNLINK b → :1
    TYPE a → +none
    SET a 1 → +OK
    TYPE a → +string
  `);
});

Deno.test("RENAME replaces, RENAMENX does not", () => {
  assertTranscript(`
    MSET a 1 b 2 → +OK
    RENAMENX a b → :0
    RENAMENX a c → :1
    RENAME c b → +OK
    GET b → $1 1
    RENAME none b → -ERR no such key
    RENAMENX none none → -ERR no such key
    RENAME b b → +OK
    RENAMENX b b → :0
    DBSIZE → :1
  `);
});

Deno.test("COPY copies within the one database", () => {
  assertTranscript(`
    MSET a 1 b 2 → +OK
    COPY a b → :0
    COPY a b REPLACE DB 0 → :1
    GET b → $1 1
    COPY none b REPLACE → :0
    COPY a a → -ERR source and destination objects are the same
    COPY a c DB 1 → -ERR DB index is out of range
    COPY a c DB x → -ERR value is not an integer or out of range
    COPY a c DB 2147483648 → -ERR value is out of range, value must between -2147483648 and 2147483647
    COPY a c nope → -ERR syntax error
  `);
});
