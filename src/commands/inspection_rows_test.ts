import { assertTranscript } from "../../tests/support/transcript.ts";
import { KEY_OVERHEAD_BYTES } from "../store/keyspace.ts";

Deno.test("MEMORY USAGE counts key, value and overhead", () => {
  assertTranscript(`
    MEMORY USAGE none → $-1
    SET key value → +OK
    MEMORY USAGE key → :${8 + KEY_OVERHEAD_BYTES}
    MEMORY USAGE key SAMPLES 0 → :${8 + KEY_OVERHEAD_BYTES}
    MEMORY USAGE key samples 5 samples 1 → :${8 + KEY_OVERHEAD_BYTES}
    MEMORY USAGE key SAMPLES → -ERR syntax error
    MEMORY USAGE key SAMPLES -1 → -ERR syntax error
    MEMORY USAGE key SAMPLES x → -ERR value is not an integer or out of range
    MEMORY USAGE key TIMES 1 → -ERR syntax error
  `);
});

Deno.test("OBJECT replies about a string as Redis does", () => {
  const frequency = "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. " +
    "Please note that when switching between policies at runtime LRU and LFU data will take some " +
    "time to adjust.";
  assertTranscript(`
    OBJECT ENCODING none → $-1
    OBJECT REFCOUNT none → $-1
    OBJECT FREQ none → $-1
    MSET int 9999 large 10000 short text long ${"x".repeat(45)} → +OK
    OBJECT ENCODING int → $3 int
    OBJECT ENCODING short → $6 embstr
    OBJECT ENCODING long → $3 raw
    OBJECT REFCOUNT int → :2147483647
    OBJECT REFCOUNT large → :1
    OBJECT FREQ int → ${frequency}
  `);
});
