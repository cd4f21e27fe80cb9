import { assertEquals } from "@std/assert";
import { replyOf } from "../../tests/support/reply_of.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { StateMachine } from "./state_machine.ts";
import { checkRequest } from "./table.ts";

const LIMIT = 2_147_483_648;

function run(machine: StateMachine, ...args: string[]): Reply {
  const reply = replyOf(() => machine.execute(checkRequest(args), args, 0));
  return reply instanceof ErrorReply ? reply.text : reply;
}

function set(machine: StateMachine, ...pairs: string[]): Reply {
  return run(machine, "CONFIG", "SET", ...pairs);
}

/** The texts are those of Redis 7, beside which the tests of clients hold them. */
Deno.test("maxmemory is set in Redis's units, and nothing else can be set", () => {
  const machine = new StateMachine();
  const units: [string, number][] = [
    ["100", 100],
    ["10b", 10],
    ["10k", 10_000],
    ["10Kb", 10_240],
    ["10m", 10_000_000],
    ["10mb", 10_485_760],
    ["1g", 1_000_000_000],
    ["1GB", 1_073_741_824],
    ["2gb", LIMIT],
    ["1", 1],
    ["0", LIMIT],
  ];
  for (const [text, bytes] of units) {
    assertEquals([text, set(machine, "MaxMemory", text)], [text, OK]);
    assertEquals([text, machine.memoryBytesMax], [text, bytes]);
  }
  set(machine, "maxmemory", "123");
  const failed = (name: string, why: string) =>
    `ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`;
  for (const text of ["-1", "+5", "1.5gb", "0x10", "10xb", " 5", "5 ", "nan", "1e3", "9b9"]) {
    const why = "argument must be a memory value";
    assertEquals(set(machine, "MAXMEMORY", text), failed("maxmemory", why), text);
  }
  for (
    const text of [String(LIMIT + 1), "3g", "9".repeat(30), "9".repeat(400), "9007199254740993g"]
  ) {
    const why = `argument must be between 0 and ${LIMIT} inclusive`;
    assertEquals(set(machine, "maxmemory", text), failed("maxmemory", why), text);
  }
  const unknown = "ERR Unknown option or number of arguments for CONFIG SET - ";
  assertEquals(set(machine, "maxmemory", "5", "x\r\ny", "1"), `${unknown}'x  y'`);
  assertEquals(set(machine, "maxmemory", "5", "__proto__", "1"), `${unknown}'__proto__'`);
  assertEquals(set(machine, "Save", ""), failed("Save", "can't set immutable config"));
  assertEquals(
    set(machine, "maxmemory", "5", "Maxmemory", "6"),
    failed("Maxmemory", "duplicate parameter"),
  );
  assertEquals(set(machine, "maxmemory", "5", "x"), "ERR syntax error");
  assertEquals(machine.memoryBytesMax, 123, "what is refused changes nothing");
});

Deno.test("a limit below what is stored refuses new data, until enough is deleted or it is raised", () => {
  const machine = new StateMachine();
  for (let at = 0; at < 10; at++) assertEquals(run(machine, "SET", `k${at}`, "v".repeat(90)), OK);
  assertEquals(set(machine, "maxmemory", "500"), OK);
  assertEquals(
    run(machine, "SET", "new", "1"),
    "OOM command not allowed: the keyspace is full, with " +
      `10 of 15728640 keys and ${machine.usedBytes} of 500 bytes (maxmemory)`,
  );
  const session = String(run(machine, "SESSION", "OPEN", "1000"));
  assertEquals(
    String(run(machine, "ONCE", session, "1", "APPEND", "k1", "x")).slice(0, 4),
    "OOM ",
  );
  assertEquals(run(machine, "GET", "k9"), "v".repeat(90));
  assertEquals(run(machine, "ONCE", session, "2", "DEL", "k1"), 1);
  assertEquals(run(machine, "ONCE", session, "3", "CONFIG", "SET", "maxmemory", "10kb"), OK);
  assertEquals(run(machine, "SET", "new", "1"), OK);
  assertEquals(set(machine, "maxmemory", "0"), OK);
  assertEquals([machine.memoryBytesMax, machine.memoryBytesLimit], [LIMIT, LIMIT]);
});

Deno.test("the limit is a part of the state: a snapshot contains it, or that there is none", () => {
  for (const bytes of [0, 5_000]) {
    const machine = new StateMachine();
    set(machine, "maxmemory", String(bytes));
    const view = machine.beginSnapshot();
    set(machine, "maxmemory", "77");
    const other = new StateMachine();
    set(other, "maxmemory", "66");
    const loader = other.newLoader();
    for (let chunk = view.next(1 << 16); chunk !== null; chunk = view.next(1 << 16)) {
      loader.push(chunk);
    }
    other.restore(loader, 1);
    assertEquals(other.memoryBytesMax, bytes === 0 ? LIMIT : bytes);
    assertEquals(machine.memoryBytesMax, 77);
  }
});

Deno.test("a version with a lower maximum lowers a limit that was allowed", () => {
  const { stringBytesMax, keysMax } = { stringBytesMax: 100, keysMax: 100 };
  const limits = { sessionsMax: 1, repliesBytesMin: 1 };
  const sessionLimits = { clients: limits, proxies: limits, sessionsPerOwnerMax: 1 };
  const rules = [1_000, 400].map((memoryBytesMax) => (
    { stringBytesMax, keysMax, memoryBytesMax, sessionLimits }
  ));
  const machine = new StateMachine({ version: 1, versions: { oldest: 1, newest: 2 }, rules });
  assertEquals([set(machine, "maxmemory", "900"), machine.memoryBytesMax], [OK, 900]);
  machine.advanceVersion(2);
  assertEquals(machine.memoryBytesMax, 400);
  assertEquals(set(machine, "maxmemory", "401") === OK, false);
  assertEquals([set(machine, "maxmemory", "300"), machine.memoryBytesMax], [OK, 300]);
});
