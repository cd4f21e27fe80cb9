import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { replyOf } from "../../tests/support/reply_of.ts";
import { assertTranscript } from "../../tests/support/transcript.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { Slices } from "./command.ts";
import { ownedSessionOpen, sessionOpenOf } from "./session_rows.ts";
import { StateMachine } from "./state_machine.ts";
import { lookup, rowOf } from "./table.ts";

function execute(machine: StateMachine, request: string): Reply {
  const args = request.split(" ");
  const command = rowOf(args);
  assert(command !== undefined);
  return machine.execute(command, args, machine.timeMs);
}

function textOf(reply: Reply): string {
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

const ID = "1-1700000000000";

Deno.test("a serial is executed once, in whatever order serials arrive", () => {
  assertTranscript(`
    SESSION OPEN → $15 ${ID}
    ONCE ${ID} 5 INCR n → :1
    ONCE ${ID} 3 INCR n → :2
    ONCE ${ID} 5 INCR n → :1
    ONCE ${ID} 4 APPEND text abc → :3
    ONCE ${ID} 4 APPEND text abc → :3
    once ${ID} 3 incr n → :2
    GET n → $1 2
    GET text → $3 abc
  `);
});

Deno.test("a serial always gets its first reply, whatever the later request, errors included", () => {
  assertTranscript(`
    SESSION OPEN 5000 → $15 ${ID}
    SET text abc → +OK
    ONCE ${ID} 1 INCR text → -ERR value is not an integer or out of range
    SET text 1 → +OK
    ONCE ${ID} 1 INCR text → -ERR value is not an integer or out of range
    ONCE ${ID} 2 GETDEL text → $1 1
    ONCE ${ID} 2 GETDEL text → $1 1
    ONCE ${ID} 3 GETDEL text → $-1
    SET text 2 → +OK
    ONCE ${ID} 3 DEL text → $-1
    ONCE ${ID} 4 MSET a 1 b → -ERR wrong number of arguments for 'mset' command
    ONCE ${ID} 5 FLUSHALL → +OK
    SET a 1 → +OK
    ONCE ${ID} 5 FLUSHALL → +OK
    DBSIZE → :1
  `);
});

Deno.test("a serial that is acknowledged or too old is forgotten, and never executed again", () => {
  const forgotten = (serial: number, floor: number) =>
    `-STALE Serial ${serial} is forgotten, as all up to ${floor} are: nothing was executed now`;
  assertTranscript(`
    SESSION OPEN → $15 ${ID}
    ONCE ${ID} 1 INCR n → :1
    ONCE ${ID} 2/1 INCR n → :2
    ONCE ${ID} 1 INCR n → ${forgotten(1, 1)}
    ONCE ${ID} 2/1 INCR n → :2
    ONCE ${ID} 2 INCR n → :2
    ONCE ${ID} 10/8 INCR n → :3
    ONCE ${ID} 8 INCR n → ${forgotten(8, 8)}
    ONCE ${ID} 9 INCR n → :4
    ONCE ${ID} 5000/0 INCR n → :5
    ONCE ${ID} 904 INCR n → :6
    ONCE ${ID} 903 INCR n → ${forgotten(903, 903)}
    ONCE ${ID} 9007199254740991 INCR n → :7
    ONCE ${ID} 9007199254740991 INCR n → :7
    ONCE ${ID} 5000 INCR n → ${forgotten(5000, 9007199254736894)}
    GET n → $1 7
  `);
});

Deno.test("an unknown or closed session executes nothing", () => {
  const unknown = "it is unknown or expired, nothing was executed now";
  assertTranscript(`
    ONCE __proto__ 1 INCR n → -NOSESSION No session '__proto__': ${unknown}
    SESSION OPEN → $15 ${ID}
    SESSION CLOSE ${ID} → :1
    SESSION CLOSE ${ID} → :0
    ONCE ${ID} 1 INCR n → -NOSESSION No session '${ID}': ${unknown}
    SESSION open → $15 2-1700000000000
    EXISTS n → :0
  `);
});

Deno.test("invalid requests are refused, and use no serial", () => {
  const serial = "-ERR invalid serial, it must be an integer from 1 to 9007199254740991, " +
    "optionally followed by /acked, an integer from 0 to below the serial";
  const ttl = "-ERR invalid ttl-ms, it must be from 1 to 86400000";
  const words = [
    "0",
    "-1",
    "1.5",
    "x",
    "",
    "01",
    "9007199254740992",
    "1/1",
    "1/-1",
    "2/",
    "/1",
    "5/1/1",
  ];
  assertTranscript(`
    SESSION OPEN 86400000 → $15 ${ID}
    ${words.map((word) => `ONCE ${ID} ${word} INCR n → ${serial}`).join("\n")}
    ONCE ${ID} 1 GET n → -ERR ONCE takes writes only, and 'get' is not one it takes
    ONCE ${ID} 1 PING → -ERR ONCE takes writes only, and 'ping' is not one it takes
    ONCE ${ID} 1 ONCE ${ID} 2 INCR n → -ERR ONCE takes writes only, and 'once' is not one it takes
    ONCE ${ID} 1 SESSION OPEN → -ERR ONCE takes writes only, and 'session|open' is not one it takes
    ONCE ${ID} 1 INCR → -ERR wrong number of arguments for 'incr' command
    ONCE ${ID} 1 → -ERR wrong number of arguments for 'once' command
    ONCE ${ID} 1 INCR n → :1
    SESSION OPEN 0 → ${ttl}
    SESSION OPEN 86400001 → ${ttl}
    SESSION OPEN 9223372036854775807 → ${ttl}
    SESSION OPEN x → -ERR value is not an integer or out of range
    SESSION OPEN 1 2 → -ERR wrong number of arguments for 'session|open' command
    SESSION CLOSE → -ERR wrong number of arguments for 'session|close' command
    SESSION → -ERR wrong number of arguments for 'session' command
    SESSION LIST → -ERR unknown subcommand 'LIST'. Try SESSION HELP.
  `);
});

Deno.test("a session expires by the log's time, each use extends it, and it is not revived", () => {
  const machine = new StateMachine();
  machine.advanceTime(1000);
  assertEquals(execute(machine, "SESSION OPEN 100"), "1-1000");
  machine.advanceTime(1099);
  assertEquals(execute(machine, "ONCE 1-1000 1 INCR n"), 1);
  assertEquals(machine.nextDeadlineMs(), 1199);
  machine.advanceTime(1198);
  assertEquals(execute(machine, "ONCE 1-1000 1 INCR n"), 1);
  machine.advanceTime(1298);
  assert(textOf(execute(machine, "ONCE 1-1000 1 INCR n")).startsWith("NOSESSION "));
  assertEquals(execute(machine, "GET n"), "1");
  assertEquals(machine.nextDeadlineMs(), null);
});

Deno.test("a write that found no memory is not executed when it is repeated", () => {
  const machine = new StateMachine({ keysMax: 1 });
  const id = String(execute(machine, "SESSION OPEN"));
  assertEquals(execute(machine, `ONCE ${id} 1 SET a 1`), OK);
  const refusal = execute(machine, `ONCE ${id} 2 SET b 1`);
  assert(textOf(refusal).startsWith("OOM "));
  assertEquals(execute(machine, `ONCE ${id} 3 DEL a`), 1);
  assertStrictEquals(execute(machine, `ONCE ${id} 2 SET b 1`), refusal);
  assertEquals(execute(machine, "EXISTS b"), 0);
  assertEquals(execute(machine, `ONCE ${id} 4 SET b 1`), OK);
});

Deno.test("kept replies take memory until they are acknowledged", () => {
  const machine = new StateMachine({ memoryBytesMax: 2000 });
  const id = String(execute(machine, "SESSION OPEN"));
  execute(machine, `SET k ${"x".repeat(1800)}`);
  assertEquals(execute(machine, `ONCE ${id} 1 GETDEL k`), "x".repeat(1800));
  assert(textOf(execute(machine, "SET k 1")).startsWith("OOM "));
  assertEquals(execute(machine, `ONCE ${id} 2/1 DEL k`), 0);
  assertEquals(execute(machine, "SET k 1"), OK);
});

/** A machine with room for the given number of clients' sessions, and for one of a proxy. */
function machineWith(clientSessions: number): StateMachine {
  return new StateMachine({
    sessionLimits: {
      clients: { sessionsMax: clientSessions, repliesBytesMin: 1_000 },
      proxies: { sessionsMax: 1, repliesBytesMin: 1_000 },
      sessionsPerOwnerMax: 2,
    },
  });
}

Deno.test("the number of sessions is bounded, and the error names the limit", () => {
  const machine = machineWith(3);
  const open = (rest = "") => textOf(execute(machine, `SESSION OPEN 1000${rest}`));
  execute(machine, "SESSION OPEN");
  const id = String(execute(machine, "SESSION OPEN 1000 CLIENT a"));
  execute(machine, "SESSION OPEN 1000 CLIENT a");
  assertEquals(open(), "ERR too many sessions: clients have 3 open");
  execute(machine, `SESSION CLOSE ${id}`);
  execute(machine, "SESSION OPEN 1000 CLIENT a");
  execute(machine, `SESSION CLOSE 1-0`);
  const text = "ERR too many sessions: this connection has opened 2 that have not ended";
  assertEquals(open(" CLIENT a"), text);
  assertEquals(execute(machine, "SESSION OPEN 1000 PROXY p"), "5-0");
  assertEquals(open(" PROXY p"), "ERR too many sessions: proxies have 1 open");
  assertEquals(open(" OTHER p"), "ERR wrong number of arguments for 'session|open' command");
});

Deno.test("a session's owner is who its node says, and a fenced connection may name another", () => {
  const owned = (text: string, isFenced: boolean) => {
    const args = replyOf(() => ownedSessionOpen(text.split(" "), "n1-7", isFenced));
    return Array.isArray(args) ? args.slice(2).join(" ") : (args as ErrorReply).text;
  };
  const wrong = "ERR wrong number of arguments for 'session|open' command";
  assertEquals(owned("SESSION OPEN", false), "600000 CLIENT n1-7");
  assertEquals(owned("SESSION OPEN 5", true), "5 CLIENT n1-7");
  assertEquals(owned("SESSION OPEN 5 PROXY", true), "5 PROXY n1-7");
  assertEquals(owned("SESSION OPEN 5 CLIENT 9", true), "5 CLIENT n1-7/9");
  assertEquals(owned("SESSION OPEN 5 PROXY", false), wrong);
  assertEquals(owned("SESSION OPEN 5 CLIENT 9", false), wrong);
  assertEquals(owned("SESSION OPEN 5 PROXY other", true), wrong);
  assertEquals(sessionOpenOf(["session", "open"], 9), ["session", "open", "600000", "CLIENT", "9"]);
  assertThrows(() => sessionOpenOf(["SESSION", "OPEN", "5", "PROXY"], 9));
});

Deno.test("a serial that is executed step by step gets its first reply when it is repeated", () => {
  const machine = new StateMachine();
  const id = String(execute(machine, "SESSION OPEN"));
  const keys = Array.from({ length: 2_000 }, (_, number) => `k${number}`);
  const setAll = () => execute(machine, `MSET ${keys.map((key) => `${key} v`).join(" ")}`);
  const once = (): Reply => {
    const args = ["ONCE", id, "1", "DEL", ...keys];
    const command = rowOf(args);
    assert(command !== undefined);
    const begun = machine.begin(command, args, machine.timeMs);
    return begun instanceof Slices ? begun.finish() : begun;
  };
  setAll();
  assertEquals([once(), machine.keyspace.size], [2_000, 0]);
  setAll();
  assertEquals([once(), machine.keyspace.size], [2_000, 2_000]);
});

/** Executes the same requests, each `ONCE` either at once or in steps, whatever its length. */
class OnceMachine {
  readonly machine = new StateMachine({ keysMax: 1_500 });
  readonly id = String(execute(this.machine, "SESSION OPEN 60000"));
  readonly #isInSteps: boolean;
  /** Number of requests that took more than one step. */
  longCount = 0;

  constructor(isInSteps: boolean) {
    this.#isInSteps = isInSteps;
  }

  once(serial: string, inner: readonly string[], id = this.id): Reply {
    const { machine } = this;
    machine.advanceTime(machine.timeMs + 10);
    const command = lookup("once");
    assert(command !== undefined);
    const args = ["ONCE", id, serial, ...inner];
    if (!this.#isInSteps) return machine.execute(command, args, machine.timeMs);
    const begun = machine.begin({ ...command, isLong: true }, args, machine.timeMs);
    if (!(begun instanceof Slices)) return begun;
    this.longCount++;
    return begun.finish();
  }

  /** The state with all sessions and the replies that they keep, as bytes of a snapshot. */
  state(): (Uint8Array | number)[] {
    const chunks: Uint8Array[] = [];
    const snapshot = this.machine.beginSnapshot();
    for (let chunk = snapshot.next(4096); chunk !== null; chunk = snapshot.next(4096)) {
      chunks.push(chunk);
    }
    return [this.machine.usedBytes, ...chunks];
  }
}

Deno.test("ONCE does the same at once and in steps", () => {
  const keys = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, number) => `${prefix}${number}`);
  const pairs = (count: number, prefix: string) => keys(count, prefix).flatMap((key) => [key, "v"]);
  // Each row: a serial and an inner request, and how its reply begins.
  const rows: [string, readonly string[], unknown][] = [
    ["1", ["SET", "text", "abc"], OK],
    ["2", ["APPEND", "text", "d"], 4],
    ["2", ["APPEND", "text", "d"], 4],
    ["3", ["GETDEL", "none"], null],
    ["4", ["SET", "none", "1"], OK],
    ["3", ["GETDEL", "none"], null],
    ["5", ["INCR", "text"], "ERR value is not an integer or out of range"],
    ["5", ["SET", "text", "1"], "ERR value is not an integer or out of range"],
    ["6", ["GET", "text"], "ERR ONCE takes writes only, and 'get' is not one it takes"],
    ["7", ["NOSUCH"], "ERR unknown command 'NOSUCH'"],
    ["8", ["INCR"], "ERR wrong number of arguments for 'incr' command"],
    ["0", ["INCR", "n"], "ERR invalid serial"],
    ["9/9", ["INCR", "n"], "ERR invalid serial"],
    ["9", ["MSET", ...pairs(1_000, "a")], OK],
    ["9", ["MSET", ...pairs(1_000, "b")], OK],
    [
      "10",
      ["MSET", ...pairs(1_000, "c"), "odd"],
      "ERR wrong number of arguments for 'mset' command",
    ],
    ["10", ["MSET", ...pairs(1_000, "c")], "ERR wrong number of arguments for 'mset' command"],
    ["11", ["MSET", ...pairs(600, "d")], OK],
    ["12", ["MSET", ...pairs(600, "e")], "OOM command not allowed"],
    ["13", ["SET", "e", "v"], "OOM command not allowed"],
    ["14", ["MGET", ...keys(600, "d")], "ERR ONCE takes writes only"],
    ["15", ["DEL", ...keys(700, "a")], 700],
    ["15", ["DEL", ...keys(1_000, "a")], 700],
    ["12", ["MSET", ...pairs(600, "e")], "OOM command not allowed"],
    ["16/4", ["DEL", ...keys(1_000, "a")], 300],
    ["4", ["DEL", ...keys(600, "d")], "STALE Serial 4 is forgotten"],
    ["4", ["INCR", "n"], "STALE Serial 4 is forgotten"],
    ["6000", ["UNLINK", ...keys(300, "d")], 300],
    ["15", ["UNLINK", ...keys(600, "d")], "STALE Serial 15 is forgotten"],
  ];
  const [atOnce, inSteps] = [new OnceMachine(false), new OnceMachine(true)];
  for (const [serial, inner, expected] of rows) {
    const [reply, other] = [atOnce, inSteps].map((machine) => machine.once(serial, inner));
    assertEquals(other, reply);
    const what = `ONCE ${serial} ${inner.slice(0, 2).join(" ")}`;
    if (reply instanceof ErrorReply) assert(reply.text.startsWith(String(expected)), reply.text);
    else assertEquals(reply, expected as Reply, what);
    assertEquals(inSteps.state(), atOnce.state(), what);
  }
  for (const inner of [["INCR", "n"], ["DEL", ...keys(600, "d")]]) {
    const replies = [atOnce, inSteps].map((machine) => textOf(machine.once("1", inner, "9-9")));
    assert(replies[0]?.startsWith("NOSESSION "));
    assertEquals(replies[1], replies[0]);
    assertEquals(inSteps.state(), atOnce.state());
  }
  assertEquals([atOnce.longCount, inSteps.longCount], [0, 5]);
});
