import { assertTranscript } from "../../tests/support/transcript.ts";

Deno.test("counters count over the whole 64 bits, and no further", () => {
  assertTranscript(`
    INCR n → :1
    DECRBY n 3 → :-2
    INCRBY n 9007199254740995 → :9007199254740993
    DECR n → :9007199254740992
    GET n → $16 9007199254740992
    SET n 9223372036854775806 → +OK
    INCR n → :9223372036854775807
    INCR n → -ERR increment or decrement would overflow
    DECRBY n -9223372036854775808 → -ERR decrement would overflow
    GET n → $19 9223372036854775807
  `);
});

Deno.test("a value that is not an integer is not counted", () => {
  assertTranscript(`
    SET k abc → +OK
    INCR k → -ERR value is not an integer or out of range
    INCRBY n 1.5 → -ERR value is not an integer or out of range
    SET k 007 → +OK
    INCR k → -ERR value is not an integer or out of range
    EXISTS n → :0
  `);
});

Deno.test("counters keep their deadline", () => {
  assertTranscript(`
    SET n 1 EX 10 → +OK
    INCR n → :2
    INCRBYFLOAT n 0.5 → $3 2.5
    TTL n → :10
  `);
});

Deno.test("INCRBYFLOAT refuses operands and results that are not numbers", () => {
  assertTranscript(`
    INCRBYFLOAT f 10.50 → $4 10.5
    INCRBYFLOAT f 0.1 → $4 10.6
    INCRBYFLOAT f abc → -ERR value is not a valid float
    INCRBYFLOAT f inf → -ERR increment would produce NaN or Infinity
    SET f inf → +OK
    INCRBYFLOAT f -inf → -ERR increment would produce NaN or Infinity
  `);
});
