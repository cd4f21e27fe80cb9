import { assertEquals, fail } from "@std/assert";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { randomInteger, seededRandom } from "../../../src/base/random.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { findRow, keysOf, lookup } from "../../../src/commands/table.ts";
import { encodeReply } from "../../../src/resp/encode.ts";
import { decodeReply } from "../../../src/resp/reply_scanner.ts";
import { DEADLINE_BYTES } from "../../../src/store/deadlines.ts";
import { encodeFiles } from "../../../src/store/file_snapshot.ts";
import { KEY_OVERHEAD_BYTES } from "../../../src/store/keyspace.ts";
import { OnceSession } from "../../../src/store/once_sessions.ts";
import { valueBytes } from "../../../src/store/values/value.ts";
import { RandomFiles } from "../../support/random_files.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { decodeAll, requestText } from "./requests.ts";

const LIMITS = { stringBytesMax: 4096, keysMax: 64, memoryBytesMax: 64 * 1024 };
const START_MS = 1_700_000_000_000;

/** The whole content of a keyspace, in order of position, and all files. */
export function describeKeyspace({ keyspace, files }: StateMachine): string[] {
  const keys = keyspace.scan(0, keyspace.storedSize).keys.reverse().map((key) => {
    const { value, deadlineMs } = keyspace.find(key) ?? fail();
    return `${key}\0${value}\0${deadlineMs}`;
  });
  return [...keys, ...encodeFiles(files.view())];
}

/**
 * The handlers, with any requests that have the right number of arguments. They throw only errors
 * meant for clients, two machines stay equal, reads and repeated serials change nothing, and the
 * memory in use is counted right.
 */
export const commands: FuzzTarget = {
  name: "commands",
  words: [
    "NX",
    "XX",
    "GET",
    "EX",
    "PXAT",
    "KEEPTTL",
    "COUNT",
    "MATCH",
    "TYPE",
    "*",
    "ONCE",
    "SESSION",
    "OPEN",
    "FILE",
    "COMMIT",
    "\r\n",
    "-1",
  ],
  sample(random) {
    const files = new RandomFiles(random);
    const requests = Array.from({ length: 3 }, () => requestText(random));
    for (let left = 0; left < 10; left++) {
      const encoded = files.next().map((arg) => `$${arg.length}\r\n${arg}\r\n`);
      requests.push(`*${encoded.length}\r\n${encoded.join("")}`);
    }
    return (random() < 0.5 ? requests.slice(0, 3) : requests).join("");
  },
  run(input) {
    const seed = choiceSeed(input);
    const random = seededRandom(seed);
    const machines = [new StateMachine(LIMITS), new StateMachine(LIMITS)] as const;
    let nowMs = START_MS;
    let serial = 0;
    for (const machine of machines) machine.advanceTime(nowMs);
    const [id] = machines.map((machine) => {
      const session = machine.sessions.open(1000);
      return session instanceof OnceSession ? session.key : undefined;
    });
    for (const args of decodeAll([latin1Bytes(input)]).requests) {
      nowMs += randomInteger(random, 3) * randomInteger(random, 2000);
      for (const machine of machines) machine.advanceTime(nowMs);
      executeOnBoth(machines, args, nowMs, seed);
      const once = ["ONCE", String(id), String(++serial), ...args];
      executeOnBoth(machines, once, nowMs, seed);
      const after = describeKeyspace(machines[0]);
      executeOnBoth(machines, once, nowMs, seed);
      assertEquals(describeKeyspace(machines[0]), after, "a serial is executed twice");
    }
    const [first, second] = machines;
    assertEquals(describeKeyspace(second), describeKeyspace(first), "equal logs, other states");
    assertEquals(first.keyspace.usedBytes, countedBytes(first), "memory is counted wrong");
  },
};

function executeOnBoth(
  machines: readonly [StateMachine, StateMachine],
  args: readonly string[],
  nowMs: number,
  seed: number,
): void {
  const command = findRow(args);
  keysOf(lookup("ONCE") ?? fail(), args);
  if (command?.run === undefined) return;
  const isRead = command.kind === "read";
  const before = isRead ? describeKeyspace(machines[0]) : [];
  const [first, second] = machines.map((machine) =>
    encodeReply(machine.execute(command, args, nowMs, isRead ? seededRandom(seed) : undefined), 3)
  );
  assertEquals(second, first, "equal states, other replies");
  decodeReply(first ?? "");
  if (isRead) {
    assertEquals(describeKeyspace(machines[0]), before, `${command.name} changed a state`);
  }
}

function countedBytes({ keyspace }: StateMachine): number {
  let bytes = 0;
  for (const key of keyspace.scan(0, keyspace.storedSize).keys) {
    const { value, deadlineMs } = keyspace.find(key) ?? fail();
    bytes += KEY_OVERHEAD_BYTES + key.length + valueBytes(value);
    if (deadlineMs !== null) bytes += DEADLINE_BYTES + key.length;
  }
  return bytes;
}
