import { assert, assertEquals } from "@std/assert";
import { type ByteString, LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { encodePieces, isString } from "../resp/encode.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { StateMachine } from "./state_machine.ts";
import { checkRequest } from "./table.ts";

function execute(machine: StateMachine, args: readonly ByteString[]): Reply {
  const command = checkRequest(args);
  assert(!(command instanceof ErrorReply), String(args[0]));
  return machine.execute(command, args, 1_000_000);
}

/** A reply as it goes over the wire, in the form of text. */
const wire = (reply: Reply) => [...encodePieces(reply, 3)].map(textOf).join("");

function chunksOf(machine: StateMachine): string[] {
  const snapshot = machine.beginSnapshot();
  const chunks: string[] = [];
  for (let chunk = snapshot.next(65_536); chunk !== null; chunk = snapshot.next(65_536)) {
    chunks.push(textOf(chunk));
  }
  return chunks;
}

function restored(machine: StateMachine): StateMachine {
  const other = new StateMachine();
  const loader = other.newLoader();
  const snapshot = machine.beginSnapshot();
  for (let chunk = snapshot.next(65_536); chunk !== null; chunk = snapshot.next(65_536)) {
    loader.push(chunk);
  }
  other.restore(loader, machine.version);
  return other;
}

Deno.test("a long value is stored as the bytes that arrived, and read without a copy", () => {
  const machine = new StateMachine();
  const value = new Uint8Array(LONG_BYTES_MIN).fill(0xf0);
  execute(machine, ["SET", "k", value]);
  const reply = execute(machine, ["GET", "k"]);
  assert(reply === value, "it was copied");
  execute(machine, ["COPY", "k", "copied"]);
  execute(machine, ["RENAME", "k", "renamed"]);
  assertEquals(execute(machine, ["GETDEL", "copied"]), value);
  const part = execute(machine, ["GETRANGE", "renamed", "0", "-1"]);
  assert(part instanceof Uint8Array && part.buffer === value.buffer);
  assertEquals(execute(machine, ["GETRANGE", "renamed", "1", "2"]), "\xf0\xf0");
});

Deno.test("changing a long value changes neither its copy nor a snapshot in progress", () => {
  const machine = new StateMachine();
  const value = new Uint8Array(2 * LONG_BYTES_MIN).fill(0x61);
  execute(machine, ["SET", "k", value]);
  execute(machine, ["COPY", "k", "copied"]);
  const before = chunksOf(machine);
  const snapshot = machine.beginSnapshot();
  execute(machine, ["SETRANGE", "k", "5", "changed"]);
  execute(machine, ["APPEND", "k", "more"]);
  assertEquals(execute(machine, ["STRLEN", "k"]), value.length + 4);
  const meanwhile: string[] = [];
  for (let chunk = snapshot.next(65_536); chunk !== null; chunk = snapshot.next(65_536)) {
    meanwhile.push(textOf(chunk));
  }
  assertEquals(meanwhile.join(""), before.join(""));
  assert(value.every((byte) => byte === 0x61));
  assertEquals(execute(machine, ["GET", "copied"]), value);
});

const COMMANDS: readonly ((value: ByteString, short: string) => ByteString[])[] = [
  (value) => ["SET", "a", value],
  (value) => ["SET", "b", value, "GET", "KEEPTTL"],
  (value) => ["SET", "b", value, "NX", "PX", "5000"],
  (value) => ["SETEX", "c", "100", value],
  (value) => ["GETSET", "a", value],
  (value) => ["SETNX", "d", value],
  (value) => ["MSET", "a", value, "e", value],
  (value) => ["MSETNX", "f", value, "g", value],
  (value) => ["APPEND", "a", value],
  (value) => ["SETRANGE", "a", "100", value],
  (value) => ["SETRANGE", "b", "0", value],
  (value) => ["ONCE", "1-0", "1", "SET", "h", value],
  (_, short) => ["APPEND", "b", short],
  (_, short) => ["SETRANGE", "a", "70000", short],
  (_, short) => ["SETRANGE", "e", "3", short],
  (_, short) => ["SET", "a", short],
  () => ["GETRANGE", "a", "2", "-3"],
  () => ["GETRANGE", "b", "10", "20"],
  () => ["MGET", "a", "b", "c", "d", "none"],
  () => ["GETDEL", "d"],
  () => ["GETEX", "a", "PX", "90000"],
  () => ["INCR", "a"],
  () => ["INCRBYFLOAT", "b", "1.5"],
  () => ["STRLEN", "a"],
  () => ["COPY", "a", "b", "REPLACE"],
  () => ["RENAME", "b", "c"],
  () => ["OBJECT", "ENCODING", "a"],
  () => ["MEMORY", "USAGE", "a"],
  () => ["DEL", "f", "g"],
];

Deno.test("text and bytes give the same replies, the same memory, and the same state", () => {
  const random = seededRandom(7);
  const [ofBytes, ofText] = [new StateMachine(), new StateMachine()];
  let longReplies = 0;
  for (let round = 0; round < 600; round++) {
    const length = LONG_BYTES_MIN + randomInteger(random, 40_000);
    const value = new Uint8Array(length).fill(randomInteger(random, 256));
    value[randomInteger(random, length)] = 0xff;
    const short = "s".repeat(1 + randomInteger(random, 300));
    const command = COMMANDS[randomInteger(random, COMMANDS.length)];
    const args = command?.(value, short) ?? [];
    const [left, right] = [execute(ofBytes, args), execute(ofText, args.map(textOf))];
    if (isString(left) && left.length >= LONG_BYTES_MIN) longReplies++;
    assert(wire(left) === wire(right), `${round}: ${args.map((arg) => textOf(arg).slice(0, 20))}`);
    assertEquals(ofBytes.usedBytes, ofText.usedBytes);
  }
  assert(longReplies > 20, `only ${longReplies} long replies`);
  const chunks = chunksOf(ofBytes);
  assert(chunks.join("") === chunksOf(ofText).join(""), "the snapshots differ");
  assert(chunksOf(restored(ofBytes)).join("") === chunks.join(""), "it is restored as another");
});
