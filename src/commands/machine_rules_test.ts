import { assert, assertEquals, assertThrows } from "@std/assert";
import { ErrorReply, OK } from "../resp/reply.ts";
import { POSITIONS_MAX } from "../store/record_arena.ts";
import { MACHINE_RULES, StateMachine } from "./state_machine.ts";
import { rowOf } from "./table.ts";

Deno.test("a machine uses the rules of its version, and never goes back", () => {
  const [rule] = MACHINE_RULES;
  if (rule === undefined) throw new Error("there are no rules");
  const { clients } = rule.sessionLimits;
  const sessionLimits = { ...rule.sessionLimits, clients: { ...clients, sessionsMax: 0 } };
  const rules = [rule, { ...rule, stringBytesMax: 5, keysMax: 1, sessionLimits }];
  const machine = new StateMachine({ version: 0, versions: { oldest: 1, newest: 2 }, rules });
  const run = (...args: string[]) => {
    const command = rowOf(args);
    if (command === undefined) throw new Error(`no ${args[0]}`);
    const reply = machine.execute(command, args, 0);
    return reply instanceof ErrorReply ? reply.text.split(" ")[0] : reply;
  };
  const all = () => [run("APPEND", "k", "123"), run("SET", "l", "v"), run("SESSION", "OPEN", "9")];
  assertEquals(all().slice(0, 2), [3, OK]);
  machine.advanceVersion(1);
  assertEquals(all().slice(0, 2), [6, OK]);
  machine.advanceVersion(2);
  assertEquals(all(), ["OOM", "OOM", "ERR"]);
  assertEquals(run("DEL", "l"), 1);
  machine.advanceVersion(1);
  assertEquals([machine.version, run("SET", "l", "v")], [2, "OOM"]);
  assertThrows(() => machine.advanceVersion(3));
  const loader = machine.newLoader();
  const view = machine.beginSnapshot();
  for (let chunk = view.next(1 << 16); chunk !== null; chunk = view.next(1 << 16)) {
    loader.push(chunk);
  }
  view.end();
  machine.restore(loader, 1);
  assertEquals([machine.version, ...all().slice(0, 2)], [1, 9, OK]);
});

/** A version that was released decides for ever as it did: what changes these is a new version. */
Deno.test("the results of version 1 stay as they are", () => {
  const machine = new StateMachine({ version: 1 });
  const run = (...args: string[]) => {
    const command = rowOf(args);
    if (command === undefined) throw new Error(`no ${args[0]}`);
    machine.execute(command, args, 0);
    return machine.usedBytes;
  };
  assertEquals(MACHINE_RULES[0], {
    stringBytesMax: 67_108_864,
    keysMax: 15_728_640,
    memoryBytesMax: 2_147_483_648,
    sessionLimits: {
      clients: { sessionsMax: 16_384, repliesBytesMin: 16_384 },
      proxies: { sessionsMax: 1_024, repliesBytesMin: 524_288 },
      sessionsPerOwnerMax: 64,
    },
  });
  const used = [
    run("SET", "key", "value"),
    run("SET", "long", "v".repeat(10_000)),
    run("SET", "due", "v", "PXAT", "10"),
    run("SESSION", "OPEN", "1000"),
    run("DEL", "key"),
  ];
  assertEquals(used, [168, 10_332, 10_619, 11_119, 10_951]);
});

Deno.test("version 2 has the rules of version 1, and files whose memory is counted as it is", () => {
  assertEquals(MACHINE_RULES[1], MACHINE_RULES[0]);
  const machine = new StateMachine({ version: 2 });
  const run = (text: string) => {
    const args = ["FILE", ...text.split(" ")];
    const command = rowOf(args);
    if (command === undefined) throw new Error(`no ${text}`);
    machine.execute(command, args, 0);
    return machine.usedBytes;
  };
  const [first, second] = ["a".repeat(32), "b".repeat(32)];
  const used = [
    run("NODE n1 host:7000 1 1000 500"),
    run("NODE n2 host:7000 1 1000 500"),
    run(`COMMIT name ${first} 5 ${first}${first} 2 n1,n2 0 TYPE text/plain TAGS {"a":1}`),
    run(`COMMIT name ${second} 5 ${second}${second} 2 n1,n2 0`),
    run(`LOST n1 ${first} ${second}`),
    run(`LOST n2 ${first}`),
    run("FORGET n1"),
  ];
  assertEquals(used, [511, 1_022, 1_625, 1_942, 1_910, 1_594, 1_083]);
});

Deno.test("version 3 has the rules of version 2, and users whose memory is counted as it is", () => {
  assertEquals(MACHINE_RULES.length, 3);
  assertEquals(MACHINE_RULES[2], MACHINE_RULES[1]);
  const machine = new StateMachine({ version: 3 });
  const run = (...args: readonly string[]) => {
    const command = rowOf(args);
    if (command === undefined) throw new Error(`no ${args}`);
    machine.execute(command, args, 0);
    return machine.usedBytes;
  };
  const used = [
    run("USER-RULES", "ada", "on", "~key:*", "+get"),
    run("USER-RULES", "default", "off"),
    run("USER-RULES", "ada", "reset"),
  ];
  assertEquals(used, [1_413, 1_414, 1_389]);
});

Deno.test("the arena has a position for each key that any version lets in", () => {
  const requestKeysMax = 2 ** 20;
  for (const { keysMax } of MACHINE_RULES) {
    assert(keysMax + requestKeysMax <= POSITIONS_MAX, `${keysMax}`);
  }
});
