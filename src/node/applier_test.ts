import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { seededRandom } from "../base/random.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { lookup } from "../commands/table.ts";
import type { Reply } from "../resp/reply.ts";
import { Applier } from "./applier.ts";
import { Batch } from "./entry.ts";
import { Gathering } from "./gathering.ts";
import { encodeEntry } from "./log/entry_codec.ts";
import { Proposals } from "./proposals.ts";
import { ReadQueue } from "./read_queue.ts";
import { ClientOrder, Request } from "./request.ts";
import { ManualClock } from "./testing/manual_clock.ts";

function request(...args: string[]): { request: Request; replies: Reply[] } {
  const command = lookup(args[0] ?? "");
  if (command === undefined) throw new Error(`unknown command ${args[0]}`);
  const replies: Reply[] = [];
  const sink = { settle: (reply: Reply) => void replies.push(reply) };
  return { request: new Request(command, args, new ClientOrder(), sink), replies };
}

function applierOf(machine: StateMachine, clock: ManualClock) {
  const gathering = new Gathering(clock, 1, () => {});
  const proposals = new Proposals(gathering);
  const reads = new ReadQueue(gathering);
  const start = { index: 0, term: 0 };
  return new Applier({ machine, clock, proposals, reads, random: seededRandom(1), start });
}

Deno.test("keys end by the log's time, not by the clock of the node that answers a read", () => {
  const machine = new StateMachine();
  const clock = new ManualClock();
  const applier = applierOf(machine, clock);
  const timeMs = clock.nowMs();
  const data = new Batch(timeMs, [["SET", "k", "v", "PX", "100"]]);
  applier.apply({ index: 1, term: 1, data, sizeBytes: 1 });
  clock.wallOffsetMs += 101;
  const read = request("GET", "k");
  applier.answer(read.request);
  assertEquals(read.replies, ["v"]);
  assertEquals([machine.timeMs, machine.keyspace.storedSize], [timeMs, 1]);
  assertEquals(applier.last, { index: 1, term: 1 });
});

Deno.test("of a batch that was carried out only the bytes are kept", () => {
  const applier = applierOf(new StateMachine(), new ManualClock());
  const commands = [["SET", "k", "v"]];
  const entry = { index: 1, term: 1, data: new Batch(1, commands), sizeBytes: 1 };
  encodeEntry(entry);
  assertStrictEquals(entry.data.commands, commands);
  applier.apply(entry);
  assert(entry.data.commands !== commands);
  assertEquals(entry.data.commands, commands);
});
