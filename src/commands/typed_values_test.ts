import { assert, assertEquals, assertThrows, fail } from "@std/assert";
import { replyOf } from "../../tests/support/reply_of.ts";
import { itemsOf, listType } from "../../tests/support/store/list_value.ts";
import { encodeReply } from "../resp/encode.ts";
import { SnapshotFormatError } from "../store/snapshot_items.ts";
import { StateMachine } from "./state_machine.ts";
import { checkRequest, COMMANDS } from "./table.ts";
import { editValue, valueOf } from "./typed_values.ts";

const WRONG_TYPE = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

/** A machine with the list `a`, `b` at `list` and a string at `string`. */
function someMachine(): StateMachine {
  const machine = new StateMachine({ types: [listType] });
  machine.advanceTime(1000);
  editValue(machine.keyspace, "list", listType, (list) => ["a", "b"].forEach((x) => list.push(x)));
  machine.keyspace.set("string", "text");
  return machine;
}

function send(machine: StateMachine, request: string): string {
  const args = request.split(" ");
  return encodeReply(replyOf(() => machine.execute(checkRequest(args), args, machine.timeMs)), 2);
}

function itemsAt(machine: StateMachine, key: string): unknown {
  return itemsOf(valueOf(machine.keyspace.find(key) ?? fail(), listType));
}

/** Each command on strings with what it answers when the key holds a list. */
const ON_A_LIST: Readonly<Record<string, string>> = {
  "GET list": WRONG_TYPE,
  "GETDEL list": WRONG_TYPE,
  "GETEX list PERSIST": WRONG_TYPE,
  "GETSET list x": WRONG_TYPE,
  "SET list x GET": WRONG_TYPE,
  "STRLEN list": WRONG_TYPE,
  "APPEND list x": WRONG_TYPE,
  "SETRANGE list 0 x": WRONG_TYPE,
  "GETRANGE list 0 1": WRONG_TYPE,
  "SUBSTR list 0 1": WRONG_TYPE,
  "INCR list": WRONG_TYPE,
  "DECR list": WRONG_TYPE,
  "INCRBY list 2": WRONG_TYPE,
  "DECRBY list 2": WRONG_TYPE,
  "INCRBYFLOAT list 2": WRONG_TYPE,
  "MGET string list": "*2\r\n$4\r\ntext\r\n$-1\r\n",
  "SETNX list x": ":0\r\n",
  "MSETNX list x": ":0\r\n",
  "SET list x NX": "$-1\r\n",
};

const REPLACING = ["SET list x", "SETEX list 10 x", "PSETEX list 10 x", "MSET list x"];

Deno.test("a string command on a list is refused, or replaces it", () => {
  for (const [request, reply] of Object.entries(ON_A_LIST)) {
    const machine = someMachine();
    const before = machine.usedBytes;
    assertEquals(send(machine, request), reply, request);
    assertEquals(itemsAt(machine, "list"), ["a", "b"], request);
    assertEquals(machine.usedBytes, before, request);
  }
  for (const request of REPLACING) {
    const machine = someMachine();
    assertEquals(send(machine, request), "+OK\r\n", request);
    assertEquals(send(machine, "GET list"), "$1\r\nx\r\n", request);
  }
  const tried = [...Object.keys(ON_A_LIST), ...REPLACING].map((request) => request.split(" ")[0]);
  for (const { name, group } of COMMANDS) {
    if (group === "string") assert(tried.includes(name.toUpperCase()), `${name} is not tried`);
  }
});

Deno.test("a command on another type is refused where a string is, and nothing is changed", () => {
  const { keyspace } = someMachine();
  const edit = () => editValue(keyspace, "string", listType, (list) => list.push("c"));
  assertEquals(encodeReply(replyOf(() => edit() ?? null), 2), WRONG_TYPE);
  const found = keyspace.find("string") ?? fail();
  assertEquals(found.value, "text");
  assertEquals(encodeReply(replyOf(() => valueOf(found, listType).length), 2), WRONG_TYPE);
});

Deno.test("commands on keys ask the type of the value", () => {
  const machine = someMachine();
  const cost = Number(send(machine, "MEMORY USAGE list").slice(1));
  const { bytes } = valueOf(machine.keyspace.find("list") ?? fail(), listType);
  assertEquals(cost - Number(send(machine, "MEMORY USAGE string").slice(1)), bytes - 4 - 2);
  assertEquals(send(machine, "TYPE list"), "+testlist\r\n");
  assertEquals(send(machine, "OBJECT ENCODING list"), "$8\r\nlistpack\r\n");
  assertEquals(send(machine, "OBJECT REFCOUNT list"), ":1\r\n");
  const none = "*2\r\n$1\r\n0\r\n*0\r\n";
  const one = (key: string) => `*2\r\n$1\r\n0\r\n*1\r\n$${key.length}\r\n${key}\r\n`;
  assertEquals(send(machine, "SCAN 0 TYPE TestList"), one("list"));
  assertEquals(send(machine, "SCAN 0 TYPE string"), one("string"));
  assertEquals(send(machine, "SCAN 0 TYPE hash"), none);
});

Deno.test("keys that hold a list are copied, renamed, expire and are deleted as any", () => {
  const machine = someMachine();
  const push = (key: string) =>
    editValue(machine.keyspace, key, listType, (list) => list.push("c"));
  assertEquals(send(machine, "EXPIRE list 100"), ":1\r\n");
  assertEquals(send(machine, "COPY list string"), ":0\r\n");
  assertEquals(send(machine, "COPY list string REPLACE"), ":1\r\n");
  push("string");
  assertEquals([itemsAt(machine, "list"), itemsAt(machine, "string")], [["a", "b"], [..."abc"]]);
  assertEquals(send(machine, "TTL string"), ":100\r\n");
  assertEquals(send(machine, "RENAME string other"), "+OK\r\n");
  assertEquals(send(machine, "RENAMENX other list"), ":0\r\n");
  push("other");
  assertEquals(itemsAt(machine, "other"), [..."abcc"]);
  assertEquals(send(machine, "DEL other"), ":1\r\n");
  machine.advanceTime(101_001);
  assertEquals([machine.keyspace.storedSize, machine.usedBytes], [0, 0]);
});

Deno.test("a machine restores the types that it knows, and says which it does not know", () => {
  const machine = someMachine();
  const snapshot = machine.beginSnapshot();
  const chunk = snapshot.next(100_000) ?? fail();
  const loader = machine.newLoader();
  loader.push(chunk);
  const other = new StateMachine({ types: [listType] });
  other.restore(loader, 1);
  assertEquals(itemsAt(other, "list"), ["a", "b"]);
  assertEquals(other.usedBytes, machine.usedBytes);
  assertThrows(
    () => new StateMachine().newLoader().push(chunk),
    SnapshotFormatError,
    "does not know the type testlist",
  );
});
