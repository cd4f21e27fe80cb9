import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { textOf } from "../../base/byte_string.ts";
import { seededRandom } from "../../base/random.ts";
import { Slices } from "../../commands/command.ts";
import { MACHINE_RULES, StateMachine } from "../../commands/state_machine.ts";
import { lookup } from "../../commands/table.ts";
import { encodeReply } from "../../resp/encode.ts";
import { ErrorReply, type Reply } from "../../resp/reply.ts";
import { Batch, encodeEntry } from "../log/entry.ts";
import type { Received } from "../snapshots/snapshot_receiver.ts";
import { LONG_STEP, TurnBudget } from "../ticker.ts";
import { Applier, applyTo } from "./applier.ts";
import { BatchPacer } from "./batch_pacer.ts";
import { Proposals } from "./proposals.ts";
import { ReadQueue } from "./reads.ts";
import { ClientOrder, LEADER_CHANGED, Request } from "./request.ts";

function request(...args: string[]) {
  const command = lookup(args[0] ?? "");
  if (command === undefined) throw new Error(`unknown command ${args[0]}`);
  const replies: Reply[] = [];
  const sink = { settle: (reply: Reply) => void replies.push(reply), isGone: false };
  return { request: new Request(command, args, new ClientOrder(), sink), replies, sink };
}

function applierOf(machine: StateMachine, clock: ManualClock, stepsMax = Infinity) {
  const pacer = new BatchPacer(clock, 1, () => {});
  const proposals = new Proposals(pacer);
  const reads = new ReadQueue(pacer);
  const start = { index: 0, term: 0 };
  const budget = new TurnBudget(clock, Infinity, stepsMax);
  const random = seededRandom(1);
  const applied: number[] = [];
  const applier = new Applier({
    machine,
    nowMs: () => clock.nowMs(),
    proposals,
    reads,
    random,
    start,
    budget,
    onApplied: ({ index }) => void applied.push(index),
  });
  return Object.assign(applier, { budget, applied, proposals, reads });
}

/** A loader of one machine with the state of another. */
function loaded(machine: StateMachine, state: StateMachine) {
  const loader = machine.newLoader();
  const view = state.beginSnapshot();
  for (let chunk = view.next(1 << 16); chunk !== null; chunk = view.next(1 << 16)) {
    loader.push(chunk);
  }
  view.end();
  return loader;
}

const KEY_COUNT = 3_000;
const MANY_KEYS = Array.from({ length: KEY_COUNT }, (_, number) => `k${number}`);

/** An entry of these commands. */
function entryOf(index: number, ...commands: string[][]) {
  return { index, term: 1, data: new Batch(index, commands), sizeBytes: 1 };
}

/** Continues turn by turn until nothing is in progress. Returns the number of turns. */
function turnsUntilDone(
  applier: ReturnType<typeof applierOf>,
  eachTurn: () => void = () => {},
): number {
  let turns = 0;
  for (; applier.hasWork; turns++) {
    eachTurn();
    applier.budget.begin(0);
    applier.continueWork();
    applier.continueConcurrentReads();
  }
  return turns;
}

Deno.test("keys expire by the log's time, not by the clock of the node that answers a read", () => {
  const machine = new StateMachine();
  const clock = new ManualClock();
  const applier = applierOf(machine, clock);
  const timeMs = clock.nowMs();
  const data = new Batch(timeMs, [["SET", "k", "v", "PX", "100"]]);
  applier.apply({ index: 1, term: 1, data, sizeBytes: 1 });
  clock.wallOffsetMs += 101;
  const read = request("GET", "k");
  applier.executeReads([read.request]);
  assertEquals(read.replies, ["v"]);
  assertEquals([machine.timeMs, machine.keyspace.storedSize], [timeMs, 1]);
  assertEquals(applier.last, { index: 1, term: 1 });
});

Deno.test("only the bytes of an applied batch are kept", () => {
  const applier = applierOf(new StateMachine(), new ManualClock());
  const commands = [["SET", "k", "v"]];
  const entry = { index: 1, term: 1, data: new Batch(1, commands), sizeBytes: 1 };
  encodeEntry(entry);
  assertStrictEquals(entry.data.commands, commands);
  applier.apply(entry);
  assert(entry.data.commands !== commands);
  assertEquals(entry.data.commands, commands);
});

const FILL = entryOf(1, ["MSET", ...MANY_KEYS.flatMap((key) => [key, "v"])]);

Deno.test("a long entry is in the state when its last part is done, and not before", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), LONG_STEP);
  applier.apply(FILL);
  assertEquals([applier.isBusy, applier.last.index, applier.applied], [true, 0, []]);
  const turns = turnsUntilDone(applier, () => assertEquals(applier.last.index, 0));
  assert(turns > KEY_COUNT / 512, `${turns} turns`);
  assertEquals([applier.last.index, applier.applied], [1, [1]]);
  assertEquals(machine.keyspace.size, KEY_COUNT);
  applier.budget.begin(0);
  const left = machine.keyspace.size;
  applier.apply(entryOf(2, ["SET", "a", "1"], ["UNLINK", ...MANY_KEYS], ["SET", "b", "2"]));
  assertEquals(machine.keyspace.find("a")?.value, "1");
  assert(machine.keyspace.size > left - 1_000 && machine.keyspace.find("b") === undefined);
  turnsUntilDone(applier);
  assertEquals([machine.keyspace.size, applier.last.index], [2, 2]);
});

Deno.test("in parts or at once, entries lead to the same state and the same replies", () => {
  const sessions = ["SESSION", "OPEN", "1000"];
  const once = ["ONCE", "1-1", "1", "MSETNX", ...MANY_KEYS.flatMap((key) => [key, "w"])];
  const entries = [
    entryOf(1, sessions),
    entryOf(2, once, ["SET", "x", "1"]),
    entryOf(3, once, ["DEL", ...MANY_KEYS.slice(0, 2_500), "x"]),
  ];
  const [whole, parts] = [new StateMachine(), new StateMachine()];
  const atOnce = applierOf(whole, new ManualClock());
  for (const entry of entries) atOnce.apply(entry);
  const inParts = applierOf(parts, new ManualClock(), 1);
  for (const entry of entries) {
    inParts.budget.begin(0);
    inParts.apply(entry);
    turnsUntilDone(inParts);
  }
  const chunks = (machine: StateMachine) => {
    const snapshot = machine.beginSnapshot();
    return Array.from({ length: 1_000 }, () => snapshot.next(2 ** 16)?.join() ?? "");
  };
  assertEquals(chunks(parts), chunks(whole));
  assertEquals(parts.keyspace.size, KEY_COUNT - 2_500);
});

Deno.test("the time of an entry advances once, in however many parts its first command is done", () => {
  const due = 2_500; // more than one step of time removes
  const states = [Infinity, 3].map((stepsMax) => {
    const machine = new StateMachine();
    const applier = applierOf(machine, new ManualClock(), stepsMax);
    const keys = Array.from(
      { length: due },
      (_, number) => ["SET", `d${number}`, "v", "PXAT", "5"],
    );
    applier.budget.begin(0);
    applier.apply(entryOf(1, ...keys, ["MSET", ...MANY_KEYS.flatMap((key) => [key, "v"])]));
    turnsUntilDone(applier);
    applier.budget.begin(0);
    applier.apply(entryOf(2, ["DEL", ...MANY_KEYS.slice(0, 2_000)]));
    turnsUntilDone(applier);
    const data = new Batch(10, [["DEL", ...MANY_KEYS]]);
    applier.budget.begin(0);
    applier.apply({ index: 3, term: 1, data, sizeBytes: 1 });
    turnsUntilDone(applier);
    return [machine.keyspace.storedSize, machine.keyspace.expiredCount];
  });
  assertEquals(states[1], states[0]);
});

Deno.test("a long read sees one state: entries wait for it", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), 1);
  applier.apply(FILL);
  turnsUntilDone(applier);
  applier.budget.begin(0);
  const read = request("MGET", ...MANY_KEYS);
  applier.executeReads([read.request]);
  assertEquals([read.replies.length, applier.isBusy], [0, true]);
  turnsUntilDone(applier);
  assertEquals(read.replies, [MANY_KEYS.map(() => "v")]);
});

Deno.test("KEYS returns the keys of one moment while others are added, removed and expire", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), LONG_STEP);
  applier.apply(FILL);
  turnsUntilDone(applier);
  const asked = ["k1*", "*", "k2?9?"].map((pattern) => request("KEYS", pattern));
  applier.budget.begin(0);
  for (const { request } of asked) applier.executeReads([request]);
  assertEquals([applier.isBusy, applier.hasWork], [false, true]);
  let index = 1;
  turnsUntilDone(applier, () => {
    applier.budget.begin(0);
    const key = MANY_KEYS[(index * 37) % KEY_COUNT] ?? "";
    const other = MANY_KEYS[(index * 91) % KEY_COUNT] ?? "";
    applier.apply(entryOf(++index, ["DEL", key], ["SET", `new${index}`, "v"]));
    if (index === 6) applier.apply(entryOf(++index, ["FLUSHALL"]));
    applier.apply(entryOf(++index, ["SET", other, "w", "PX", "1"], ["SET", "k1x", "v"]));
  });
  const matching = [/^k1/, /^/, /^k2.9.$/];
  asked.forEach(({ replies }, at) => {
    const expected = MANY_KEYS.filter((key) => matching[at]?.test(key));
    assertEquals(replies.map((reply) => encodeReply(reply, 2)), [encodeReply(expected, 2)]);
  });
});

Deno.test("more KEYS than the limit of views are answered one after the other, while the state waits", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), LONG_STEP);
  applier.apply(FILL);
  turnsUntilDone(applier);
  const asked = Array.from({ length: 7 }, () => request("KEYS", "k77*"));
  applier.budget.begin(0);
  applier.executeReads(asked.map(({ request }) => request));
  assert(applier.isBusy);
  turnsUntilDone(applier);
  const expected = encodeReply(MANY_KEYS.filter((key) => key.startsWith("k77")), 2);
  for (const { replies } of asked) {
    assertEquals(replies.map((reply) => encodeReply(reply, 2)), [expected]);
  }
  const again = request("KEYS", "k77*");
  applier.budget.begin(0);
  applier.executeReads([again.request]);
  assert(!applier.isBusy, "the views have ended");
});

Deno.test("a snapshot that replaces the state leaves no request unanswered", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), 1);
  applier.apply(FILL);
  turnsUntilDone(applier);
  applier.budget.begin(0);
  const keys = request("KEYS", "*");
  applier.executeReads([keys.request]);
  applier.budget.begin(0);
  const gets = [request("MGET", ...MANY_KEYS), request("GET", "k1")];
  applier.executeReads(gets.map(({ request }) => request));
  applier.giveUp();
  assertEquals([applier.isBusy, applier.hasWork], [false, false]);
  for (const { replies } of [keys, ...gets]) {
    assertEquals(replies.map((reply) => encodeReply(reply, 2).slice(0, 9)), ["-TRYAGAIN"]);
  }
});

Deno.test("a read that throws is answered with an error, and nothing else happens", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock());
  const read = request("GET", "k");
  const failures: unknown[] = [];
  const sink = { settle() {}, failed: (error: unknown) => void failures.push(error) };
  const other = new Request(read.request.command, ["GET", "k"], new ClientOrder(), sink);
  const failure = new RangeError("Invalid string length");
  Object.defineProperty(machine, "begin", {
    value: () => {
      throw failure;
    },
  });
  applier.executeReads([read.request, other]);
  assertEquals(read.replies, [new ErrorReply("ERR The read failed: Invalid string length")]);
  assertEquals(failures, [failure]);
  assertEquals(applier.isBusy, false);
});

Deno.test("a read is refused if it precedes a write that a snapshot may contain", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock());
  const { proposals, reads } = applier;
  const [before, behind] = [request("GET", "k"), request("GET", "k")];
  const wait = (read: Request, afterProposal: number) =>
    reads.wait({ readId: 1, requests: [read], indexMin: 0, afterProposal, sinceMs: 0 });
  wait(before.request, 0);
  proposals.addWrite(request("SET", "k", "v").request);
  proposals.noteProposed(1, 1, proposals.sealOpen(1), 0);
  proposals.giveUp(Infinity, new ErrorReply("UNKNOWN It may or may not be executed"));
  wait(behind.request, 1);
  const loader = loaded(machine, machine);
  const snapshot = { index: 1, term: 1, machineVersion: machine.version };
  applier.restore({ snapshot: snapshot as Received["snapshot"], loader });
  assertEquals([before.replies, behind.replies], [[LEADER_CHANGED], []]);
});

Deno.test("a read keeps its place before a write that was given up and is executed after all", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock());
  const { proposals, reads } = applier;
  const read = request("GET", "k");
  reads.wait({ readId: 1, requests: [read.request], indexMin: 0, afterProposal: 0, sinceMs: 0 });
  const write = request("SET", "k", "v");
  proposals.addWrite(write.request);
  proposals.noteProposed(1, 1, proposals.sealOpen(1), 0);
  const unknown = new ErrorReply("UNKNOWN It may or may not be executed");
  proposals.giveUp(Infinity, unknown);
  applier.apply(entryOf(1, ["SET", "k", "v"]));
  assertEquals([read.replies, write.replies], [[null], [unknown]]);
  assertEquals(machine.keyspace.find("k")?.value, "v");
});

for (const stepsBefore of [0, 1]) {
  Deno.test(`KEYS of clients that disconnect after ${stepsBefore} steps end, and their views with them`, () => {
    const machine = new StateMachine();
    const applier = applierOf(machine, new ManualClock(), LONG_STEP);
    applier.apply(FILL);
    turnsUntilDone(applier);
    for (let round = 0; round < 10; round++) {
      const asked = [request("KEYS", "k77*"), request("KEYS", "*")];
      applier.budget.begin(0);
      applier.executeReads(asked.map(({ request }) => request));
      assertEquals([applier.isBusy, applier.hasWork], [false, true], `round ${round}`);
      for (let step = 0; step < 2 * stepsBefore; step++) {
        applier.budget.begin(0);
        applier.continueConcurrentReads();
      }
      for (const { sink } of asked) sink.isGone = true;
      applier.budget.begin(0);
      applier.continueConcurrentReads();
      assertEquals(applier.hasWork, false);
      assertEquals(asked.map(({ replies }) => replies), [[], []]);
    }
  });
}

Deno.test("abandoned KEYS leave no view open", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), LONG_STEP);
  applier.apply(FILL);
  turnsUntilDone(applier);
  for (let round = 0; round < 10; round++) {
    const keys = request("KEYS", "k77*");
    applier.budget.begin(0);
    applier.executeReads([keys.request]);
    assertEquals(applier.isBusy, false, `round ${round}`);
    applier.giveUp();
    assertEquals(keys.replies, [LEADER_CHANGED]);
  }
});

Deno.test("a read in progress that throws gets an error, and the others continue", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), LONG_STEP);
  applier.apply(FILL);
  turnsUntilDone(applier);
  const [broken, sound] = [request("KEYS", "k77*"), request("KEYS", "k77*")];
  const begin = machine.begin.bind(machine);
  machine.begin = (...asked) => {
    const slices = begin(...asked);
    if (asked[1] === broken.request.args) {
      assert(slices instanceof Slices);
      Object.assign(slices, {
        next: () => {
          throw new RangeError("Invalid string length");
        },
      });
    }
    return slices;
  };
  applier.budget.begin(0);
  applier.executeReads([broken.request, sound.request]);
  turnsUntilDone(applier);
  assertEquals(broken.replies, [new ErrorReply("ERR The read failed: Invalid string length")]);
  const expected = encodeReply(MANY_KEYS.filter((key) => key.startsWith("k77")), 2);
  assertEquals(sound.replies.map((reply) => encodeReply(reply, 2)), [expected]);
});

Deno.test("a read of many keys ends when its client has disconnected, and the next request is executed", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), 1);
  applier.apply(FILL);
  turnsUntilDone(applier);
  const [gone, next] = [request("MGET", ...MANY_KEYS), request("GET", "k1")];
  applier.budget.begin(0);
  applier.executeReads([gone.request, next.request]);
  assert(applier.isBusy);
  gone.sink.isGone = true;
  assertEquals(turnsUntilDone(applier), 2, "a turn for the end of each, and none for what is left");
  assertEquals([gone.replies, next.replies], [[], ["v"]]);
});

Deno.test("a long write is executed to its end though its client has disconnected", () => {
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), 1);
  const write = request("MSET", ...MANY_KEYS.flatMap((key) => [key, "w"]));
  applier.proposals.addWrite(write.request);
  applier.proposals.noteProposed(1, 1, applier.proposals.sealOpen(1), 0);
  applier.apply(entryOf(1, write.request.args.map(textOf)));
  assert(applier.isBusy);
  write.sink.isGone = true;
  turnsUntilDone(applier);
  assertEquals([machine.keyspace.size, applier.last.index], [KEY_COUNT, 1]);
  assertEquals(write.request.client.openWrites, 0);
});

Deno.test("a snapshot replaces an entry that is half executed", () => {
  const other = new StateMachine();
  other.keyspace.set("k", "from the snapshot");
  const machine = new StateMachine();
  const applier = applierOf(machine, new ManualClock(), 1);
  applier.apply(FILL);
  assert(applier.isBusy);
  const loader = loaded(machine, other);
  const snapshot = { index: 7, term: 2, machineVersion: machine.version };
  applier.restore({ snapshot: snapshot as Received["snapshot"], loader });
  assertEquals([applier.isBusy, applier.applied, applier.last], [false, [], { index: 7, term: 2 }]);
  assertEquals([machine.keyspace.size, machine.keyspace.find("k")?.value], [
    1,
    "from the snapshot",
  ]);
  applier.budget.begin(0);
  applier.apply({ ...entryOf(8, ["SET", "k", "later"]), term: 2 });
  turnsUntilDone(applier);
  assertEquals(machine.keyspace.find("k")?.value, "later");
});

Deno.test("whole entries are applied without anybody who waits, versions and no-ops among them", () => {
  const versions = { oldest: 1, newest: 2 };
  const [rule] = MACHINE_RULES;
  assert(rule !== undefined);
  const machine = new StateMachine({ version: 0, versions, rules: [rule, rule] });
  const apply = (data: Batch | null) => applyTo(machine, { index: 1, term: 1, data, sizeBytes: 0 });
  apply(null);
  assertEquals([machine.timeMs, machine.version], [0, 0]);
  apply(new Batch(1_000, [], null, 2));
  assertEquals([machine.timeMs, machine.version], [1_000, 2]);
  apply(new Batch(2_000, [["SET", "k", "v", "PX", "500"]]));
  assertEquals([machine.timeMs, machine.keyspace.size], [2_000, 1]);
  apply(new Batch(2_500, []));
  assertEquals([machine.timeMs, machine.keyspace.size], [2_500, 0]);
});
