import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { type Command, Slices } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { MACHINE_RULES, StateMachine } from "./state_machine.ts";
import { lookup } from "./table.ts";

const START_MS = 1_700_000_000_000;

function execute(machine: StateMachine, request: string, nowMs = machine.timeMs): Reply {
  const args = request.split(" ");
  const command = lookup(args[0] ?? "");
  assert(command !== undefined);
  return machine.execute(command, args, nowMs, seededRandom(1));
}

function textOf(reply: Reply): string {
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

function machineAt(timeMs: number): StateMachine {
  const machine = new StateMachine();
  machine.advanceTime(timeMs);
  return machine;
}

Deno.test("deadlines are computed from the log's time, and expire by it alone", () => {
  const machine = machineAt(START_MS);
  execute(machine, "SET k v EX 10");
  assertEquals(machine.nextDeadlineMs(), START_MS + 10_000);
  assertEquals(execute(machine, "GET k", START_MS + 60_000), "v");
  assertEquals(execute(machine, "PTTL k", START_MS + 60_000), 0);
  machine.advanceTime(START_MS + 10_000);
  assertEquals(execute(machine, "GET k"), null);
  assertEquals(execute(machine, "PTTL k"), -2);
});

Deno.test("the next deadline is the earliest of keys and sessions, whichever comes first", () => {
  const machine = machineAt(START_MS);
  machine.sessions.open(5_000);
  assertEquals(machine.nextDeadlineMs(), START_MS + 5_000);
  execute(machine, "SET late v PX 7000");
  assertEquals(machine.nextDeadlineMs(), START_MS + 5_000);
  execute(machine, "SET early v PX 3000");
  assertEquals(machine.nextDeadlineMs(), START_MS + 3_000);
  machine.advanceTime(START_MS + 3_000);
  assertEquals(machine.nextDeadlineMs(), START_MS + 5_000);
  machine.advanceTime(START_MS + 5_000);
  assertEquals(machine.nextDeadlineMs(), START_MS + 7_000);
});

Deno.test("the remaining time is computed from the reader's clock, but never from before the log's", () => {
  const machine = machineAt(START_MS);
  execute(machine, "SET k v PX 10499");
  assertEquals(execute(machine, "PTTL k", START_MS + 4000), 6499);
  assertEquals(execute(machine, "TTL k", START_MS + 4000), 6);
  assertEquals(execute(machine, "TTL k", START_MS + 3999), 7);
  assertEquals(execute(machine, "PTTL k", START_MS - 99_999), 10_499);
});

Deno.test("a command executes the same on every machine, however late it is applied", () => {
  const [one, other] = [machineAt(START_MS), machineAt(START_MS)];
  for (const machine of [one, other]) {
    execute(machine, "SET k v EX 100");
    execute(machine, "EXPIRE k 50 LT");
  }
  assertEquals(execute(one, "PEXPIRETIME k", START_MS + 5), execute(other, "PEXPIRETIME k"));
});

Deno.test("only reads may use randomness: a write that did would make nodes differ", () => {
  const machine = machineAt(START_MS);
  execute(machine, "SET only v");
  assertEquals(execute(machine, "RANDOMKEY"), "only");
  const randomkey = lookup("randomkey");
  assert(randomkey !== undefined);
  assertThrows(() => machine.execute(randomkey, ["RANDOMKEY"], 0), AssertionFailure);
});

Deno.test("local commands do not go to the state machine", () => {
  assertThrows(() => execute(new StateMachine(), "PING"), AssertionFailure);
});

Deno.test("strings do not grow past the limit, however large the offset", () => {
  const machine = new StateMachine({ stringBytesMax: 10 });
  const tooLong = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
  execute(machine, "SET k 12345678");
  assertEquals(execute(machine, "APPEND k 90"), 10);
  assertEquals(textOf(execute(machine, "APPEND k x")), tooLong);
  assertEquals(textOf(execute(machine, "SETRANGE k 10 x")), tooLong);
  assertEquals(textOf(execute(machine, "SETRANGE new 9223372036854775807 x")), tooLong);
  assertEquals(textOf(execute(new StateMachine(), "SETRANGE new 536870888 x")), tooLong);
  assertEquals(execute(machine, "GET k"), "1234567890");
  assertEquals(execute(machine, "EXISTS new"), 0);
});

Deno.test("a full keyspace refuses commands that may need memory, and nothing else", () => {
  for (
    const machine of [new StateMachine({ keysMax: 2 }), new StateMachine({ memoryBytesMax: 300 })]
  ) {
    assertEquals(execute(machine, "SET a 1"), OK);
    assertEquals(execute(machine, "SET b 1"), OK);
    assert(textOf(execute(machine, "SET c 1")).startsWith("OOM "));
    assert(textOf(execute(machine, "APPEND a 1")).startsWith("OOM "));
    assertEquals(execute(machine, "GET a"), "1");
    assertEquals(execute(machine, "DEL a"), 1);
    assertEquals(execute(machine, "SET c 1"), OK);
  }
});

Deno.test("a key's deadline moves and is copied with it", () => {
  const machine = machineAt(START_MS);
  const deadlineMs = START_MS + 5000;
  execute(machine, `SET a v PXAT ${deadlineMs}`);
  execute(machine, "COPY a b");
  execute(machine, "RENAME a c");
  for (const key of ["b", "c"]) assertEquals(execute(machine, `PEXPIRETIME ${key}`), deadlineMs);
  execute(machine, "SET d v");
  execute(machine, "RENAME d c");
  assertEquals(execute(machine, "TTL c"), -1);
  assertEquals(execute(machine, "RENAMENX c c"), 0);
  assertEquals(execute(machine, "RENAME c c"), OK);
  assertEquals(execute(machine, "GET c"), "v");
});

Deno.test("a read whose reply would be too large is refused before it is built", () => {
  const machine = new StateMachine({ replyBytesMax: 100 });
  for (let i = 0; i < 12; i++) execute(machine, `SET key:number:${i} ${"v".repeat(60)}`);
  execute(machine, `SET long ${"v".repeat(101)}`);
  const refusal = "ERR The reply is too large, more than 100 bytes (--output-bytes-max)";
  const refused = ["KEYS *", "MGET key:number:0 key:number:1", "GET long", "GETRANGE long 0 -1"];
  for (const request of refused) assertEquals(textOf(execute(machine, request)), refusal, request);
  assertEquals(execute(machine, "GETRANGE long 0 99"), "v".repeat(100));
  assertEquals(execute(machine, "MGET key:number:0 nothing"), ["v".repeat(60), null]);
  assertEquals(execute(machine, "KEYS key:number:?0"), ["key:number:10"]);
  // A write has been executed: its reply is given, whatever its length.
  assertEquals(execute(machine, "GETDEL long"), "v".repeat(101));
});

Deno.test("the requests inside another one are executed in order, whatever the replies are", () => {
  const requests = [
    "SET n 1",
    "INCR n",
    "NOSUCH",
    "GET",
    "INCR other x",
    "KEYS *",
    "GETSET n x",
    "INCR n",
  ]
    .map((request) => request.split(" "));
  const check = ({ name }: Command) => {
    if (name === "keys") throw new CommandError("ERR not this one");
  };
  const once = lookup("once");
  assert(once !== undefined);
  const row: Command = {
    ...once,
    run: ({ executeAll }) => executeAll(requests, check),
    begin: ({ allInSteps }) => new Slices(allInSteps(requests, check)),
    isLong: true,
  };
  const summary = (reply: Reply) =>
    (reply as readonly Reply[]).map((one) => one instanceof ErrorReply ? one.text : one);
  const expected = [
    OK,
    2,
    "ERR unknown command 'NOSUCH', with args beginning with: ",
    "ERR wrong number of arguments for 'get' command",
    "ERR wrong number of arguments for 'incr' command",
    "ERR not this one",
    "2",
    "ERR value is not an integer or out of range",
  ];
  assertEquals(summary(new StateMachine().execute(row, ["BRING"], 0)), expected);
  assertEquals(summary(new StateMachine().begin(row, ["BRING"], 0) as Reply), expected);
});

Deno.test("a write in steps is refused as one at once when there is no room", () => {
  const [rule] = MACHINE_RULES;
  assert(rule !== undefined);
  const machine = new StateMachine({ version: 1, rules: [{ ...rule, keysMax: 1 }] });
  execute(machine, "SET k v");
  const args = ["MSET", ...Array.from({ length: 1_200 }, (_, at) => `${at}`)];
  const [mset, once] = [lookup("mset"), lookup("once")];
  assert(mset !== undefined && once !== undefined);
  const whole = machine.execute(mset, args, 0);
  assertEquals(textOf(whole).slice(0, 4), "OOM ");
  assertEquals(machine.begin(mset, args, 0), whole);
  const row: Command = {
    ...once,
    begin: ({ allInSteps }) => new Slices(allInSteps([args], () => {})),
    isLong: true,
  };
  assertEquals(machine.begin(row, ["BRING"], 0), [whole]);
  assertEquals(machine.keyspace.size, 1);
});
