import { assertTranscript } from "../../tests/support/transcript.ts";

Deno.test("GETRANGE counts from both ends and stays within the string", () => {
  assertTranscript(`
    SET k Hello_World → +OK
    GETRANGE k 0 4 → $5 Hello
    GETRANGE k -5 -1 → $5 World
    SUBSTR k 6 100 → $5 World
    GETRANGE k 5 3 → $0
    GETRANGE k -100 0 → $1 H
    GETRANGE k -100 -200 → $0
    GETRANGE k 0 9223372036854775807 → $11 Hello_World
    GETRANGE k 0 9223372036854775808 → -ERR value is not an integer or out of range
    GETRANGE none 0 1 → $0
  `);
});

Deno.test("SETRANGE overwrites and pads", () => {
  assertTranscript(`
    SET k Hello_World → +OK
    SETRANGE k 6 Regent → :12
    GET k → $12 Hello_Regent
    SETRANGE k 0 J → :12
    GET k → $12 Jello_Regent
    SETRANGE new 3 x → :4
    GET new → $4 ${"\0".repeat(3)}x
    SETRANGE k -1 x → -ERR offset is out of range
    SETRANGE k x x → -ERR value is not an integer or out of range
  `);
});

Deno.test("APPEND and SETRANGE keep the deadline", () => {
  assertTranscript(`
    SET k abc EX 10 → +OK
    APPEND k def → :6
    SETRANGE k 1 xyz → :6
    GET k → $6 axyzef
    STRLEN k → :6
    TTL k → :10
    APPEND new x → :1
    STRLEN none → :0
  `);
});
