import { assert, assertEquals } from "@std/assert";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { ACCESSES_PER_COUNT, NEW_KEY_FREQUENCY } from "../store/key_frequency.ts";
import { KEY_OVERHEAD_BYTES } from "../store/keyspace.ts";
import { StateMachine } from "./state_machine.ts";
import { rowOf } from "./table.ts";

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
  const idleTime = "-ERR An LFU maxmemory policy is selected, idle time not tracked. " +
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
    OBJECT IDLETIME none → $-1
    OBJECT IDLETIME int → ${idleTime}
  `);
});

/** Before the request that is asked about. */
const SETUP = [
  "SET key 5",
  "SET long " + "x".repeat(5_000),
  "SET volatile 5",
  "PEXPIREAT volatile 9000000000000",
];

/** So many accesses raise the frequency for sure. */
const TIMES = 20 * ACCESSES_PER_COUNT;

class Asked {
  readonly machine = new StateMachine();
  nowMs = 1_790_000_000_000;

  ask(text: string) {
    const args = text.split(" ");
    const row = rowOf(args);
    if (row === undefined) throw new Error(text);
    if (row.kind === "write") this.machine.advanceTime(this.nowMs);
    return this.machine.execute(row, args, this.nowMs);
  }

  frequencyAfter(request: string, key: string): unknown {
    for (const one of SETUP) this.ask(one);
    for (let times = 0; times < TIMES; times++) this.ask(request);
    return this.ask(`OBJECT FREQ ${key}`);
  }
}

Deno.test("OBJECT FREQ counts requests that use a key, as Redis does", () => {
  const uses = [
    "GET key",
    "MGET none key",
    "STRLEN key",
    "GETRANGE key 0 0",
    "TOUCH key",
    "GETEX key",
    "SET key 6",
    "SET key 6 KEEPTTL",
    "SET key 6 NX",
    "SET key 6 XX",
    "SETNX key 6",
    "GETSET key 6",
    "MSET key 6",
    "INCR key",
    "APPEND key 6",
    "SETRANGE key 0 6",
    "EXPIRE key 1000",
    "PERSIST key",
    "COPY key other REPLACE",
    "GET long",
    "SET long short",
    "GET volatile",
  ];
  for (const request of uses) {
    const key = ["long", "volatile"].find((one) => request.includes(` ${one}`)) ?? "key";
    const frequency = new Asked().frequencyAfter(request, key);
    assert(
      typeof frequency === "number" && frequency > NEW_KEY_FREQUENCY,
      `${request} ${frequency}`,
    );
    assert(frequency < NEW_KEY_FREQUENCY + 20, `${request} ${frequency}`);
  }
});

Deno.test("OBJECT FREQ does not count requests that only tell about a key, as Redis does", () => {
  const noUses = [
    "EXISTS key",
    "TYPE key",
    "TTL key",
    "PTTL key",
    "EXPIRETIME key",
    "OBJECT FREQ key",
    "OBJECT ENCODING key",
    "MEMORY USAGE key",
    "SCAN 0 TYPE string",
    "KEYS *",
    "GET other",
  ];
  for (const request of noUses) {
    assertEquals(new Asked().frequencyAfter(request, "key"), NEW_KEY_FREQUENCY, request);
  }
});

Deno.test("OBJECT FREQ of a key that is there no longer is null, and begins anew when it returns", () => {
  const asked = new Asked();
  asked.frequencyAfter("GET key", "key");
  asked.ask("DEL key");
  assertEquals(asked.ask("OBJECT FREQ key"), null);
  asked.ask("SET key 5");
  assertEquals(asked.ask("OBJECT FREQ key"), NEW_KEY_FREQUENCY);
  asked.ask(`PEXPIREAT key ${asked.nowMs + 1}`);
  asked.nowMs += 2;
  asked.machine.advanceTime(asked.nowMs);
  assertEquals(asked.ask("OBJECT FREQ key"), null);
});

Deno.test("a frequency falls with the time of reads, on a cluster that writes nothing", () => {
  const asked = new Asked();
  const before = Number(asked.frequencyAfter("GET key", "key"));
  asked.nowMs += 3 * 60_000;
  assertEquals(asked.ask("OBJECT FREQ key"), before - 3);
  asked.nowMs += 300 * 60_000;
  assertEquals(asked.ask("OBJECT FREQ key"), 0);
});

Deno.test("a value of another length keeps the frequency of its key", () => {
  const asked = new Asked();
  for (let times = 0; times < 100; times++) asked.frequencyAfter("GET key", "key");
  const before = Number(asked.ask("OBJECT FREQ key"));
  assert(before > 20, `${before}`);
  for (const length of [100, 5_000, 6_000, 10]) {
    asked.ask(`SET key ${"x".repeat(length)}`);
    assert(Math.abs(Number(asked.ask("OBJECT FREQ key")) - before) <= 1, `${length}`);
  }
});

Deno.test("frequencies are no part of the state: a snapshot is the same whatever was read", () => {
  const [one, other] = [new Asked(), new Asked()];
  one.frequencyAfter("GET key", "key");
  other.frequencyAfter("GET none", "key");
  const whole = ({ machine }: Asked) => {
    const snapshot = machine.beginSnapshot();
    const chunks = [];
    for (let chunk = snapshot.next(2 ** 16); chunk !== null; chunk = snapshot.next(2 ** 16)) {
      chunks.push(chunk.slice());
    }
    return chunks;
  };
  assertEquals(whole(one), whole(other));
  assertEquals(one.machine.usedBytes, other.machine.usedBytes);
});
