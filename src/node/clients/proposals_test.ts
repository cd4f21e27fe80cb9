import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { usedHeapBytes } from "../../../tests/support/used_heap.ts";
import { lookup } from "../../commands/table.ts";
import { OK, type Reply } from "../../resp/reply.ts";
import { BatchPacer } from "./batch_pacer.ts";
import { type OpenBatch, Proposals } from "./proposals.ts";
import { ClientOrder, LEADER_CHANGED, OUTCOME_UNKNOWN, Request } from "./request.ts";

const MIB = 1024 * 1024;

function proposals(): Proposals {
  return new Proposals(new BatchPacer(new ManualClock(), 4, () => {}));
}

function request(client: ClientOrder, ...args: string[]): Request {
  const command = lookup(args[0] ?? "");
  if (command === undefined) throw new Error(`Cannot find ${args[0]}`);
  return new Request(command, args, client, { settle: (_reply: Reply) => {} });
}

const keysOf = ({ requests }: OpenBatch) => requests.map(({ args }) => args[1]);

Deno.test("small requests go into one batch, reads at their place among the writes", () => {
  const open = proposals();
  const client = new ClientOrder();
  for (let at = 0; at < 100; at++) {
    open.addWrite(request(client, "SET", `k${at}`, "v"));
    open.addReadAfterWrite(request(client, "GET", `k${at}`));
  }
  const batch = open.sealOpen(5);
  assertEquals([batch.batch.timeMs, batch.batch.commands.length], [5, 100]);
  assertEquals(keysOf(batch), Array.from({ length: 200 }, (_, at) => `k${at >> 1}`));
  assertEquals([open.openWriteCount, open.openBytes], [0, 0]);
});

Deno.test("large requests are cut into entries of a good size, and keep their order", () => {
  const open = proposals();
  const client = new ClientOrder();
  const value = "x".repeat(MIB / 2);
  for (let at = 0; at < 5; at++) {
    open.addWrite(request(client, "SET", `k${at}`, value));
    open.addReadAfterWrite(request(client, "GET", `k${at}`));
  }
  const { bytes } = open;
  const cut: ReturnType<typeof keysOf>[] = [];
  for (let index = 1; open.openWriteCount > 0; index++) {
    const batch = open.sealOpen(index);
    cut.push(keysOf(batch));
    open.noteProposed(index, 1, batch, 0);
  }
  assertEquals(cut, [["k0", "k0", "k1", "k1"], ["k2", "k2", "k3", "k3"], ["k4", "k4"]]);
  assertEquals([open.openBytes, open.bytes], [0, bytes]);
  assertEquals(open.batchesInFlight, 3);
});

Deno.test("a value larger than an entry of a good size has one to itself", () => {
  const open = proposals();
  const client = new ClientOrder();
  for (const key of ["a", "b"]) {
    open.addWrite(request(client, "SET", key, "x".repeat(3 * MIB)));
  }
  assertEquals([keysOf(open.sealOpen(1)), keysOf(open.sealOpen(1))], [["a"], ["b"]]);
});

Deno.test("bytes count from the arrival to the decision", () => {
  const open = proposals();
  const client = new ClientOrder();
  open.addWrite(request(client, "SET", "k", "v"));
  assertEquals(open.bytes > 0, true);
  const batch = open.sealOpen(1);
  open.noteProposed(1, 1, batch, 0);
  assertEquals(open.bytes > 0, true);
  const decided = open.takeFor({ index: 1, term: 1, data: batch.batch, sizeBytes: 1 });
  for (const one of decided?.requests ?? []) one.settle(OK);
  assertEquals([open.bytes, client.openWrites], [0, 0]);
});

Deno.test("writes that waited too long to be proposed free their space", () => {
  const open = proposals();
  const client = new ClientOrder();
  for (let at = 0; at < 3; at++) {
    open.addWrite(request(client, "SET", `k${at}`, "x".repeat(MIB)));
    open.addReadAfterWrite(request(client, "GET", `k${at}`));
  }
  assertEquals(open.takeOpenOlderThan(Infinity).length, 6);
  assertEquals([open.openBytes, open.bytes, open.openWriteCount, open.isFull], [0, 0, 0, false]);
});

/**
 * A leader of a newer term proposes where a former leader has an entry that it did not see, and that
 * one leads again before the proposal reaches anybody: the older entry is committed in its place.
 */
Deno.test("a proposal is lost when an entry of an older term is committed in its place", () => {
  const open = proposals();
  const client = new ClientOrder();
  const replies: Reply[] = [];
  const command = lookup("SET");
  if (command === undefined) throw new Error("Cannot find SET");
  const sink = { settle: (reply: Reply) => void replies.push(reply) };
  const propose = (index: number, term: number) => {
    open.addWrite(new Request(command, ["SET", "k", "v"], client, sink));
    open.noteProposed(index, term, open.sealOpen(1), 0);
  };
  propose(184, 17);
  propose(185, 17);
  const entryAt = (index: number, term: number) => ({ index, term, data: null, sizeBytes: 1 });
  assertEquals(open.takeFor(entryAt(184, 15)), null);
  assertEquals([replies, open.batchesInFlight], [[LEADER_CHANGED], 1]);
  assertEquals(open.takeFor(entryAt(185, 19)), null);
  assertEquals([replies, open.batchesInFlight], [[LEADER_CHANGED, LEADER_CHANGED], 0]);
  assertEquals([open.bytes, client.openWrites], [0, 0]);
});

Deno.test("thousands of proposals in flight are decided one after the other, and none is skipped", () => {
  const open = proposals();
  const client = new ClientOrder();
  const count = 2_500;
  for (let index = 1; index <= count; index++) {
    open.addWrite(request(client, "SET", `k${index}`, "v"));
    open.noteProposed(index, 1, open.sealOpen(index), 0);
  }
  for (let index = 1; index <= count; index++) {
    assertEquals([open.batchesInFlight, open.lastIndexIn(1)], [count + 1 - index, count]);
    const decided = open.takeFor({ index, term: 1, data: null, sizeBytes: 1 });
    assertEquals([decided?.index, decided?.sequence], [index, index]);
    assertEquals(decided?.requests.map(({ args }) => args[1]), [`k${index}`]);
    for (const one of decided?.requests ?? []) one.settle(OK);
    assertEquals(client.openWrites, count - index);
  }
  assertEquals([open.batchesInFlight, open.lastIndexIn(1), open.bytes], [0, 0, 0]);
});

Deno.test("what is decided takes no memory, although there is always a proposal in flight", () => {
  const open = proposals();
  const client = new ClientOrder();
  const propose = (index: number) => {
    const value = Buffer.alloc(100 * 1024, index).toString("latin1");
    open.addWrite(request(client, "SET", "k", value));
    open.noteProposed(index, 1, open.sealOpen(index), 0);
  };
  propose(1);
  const before = usedHeapBytes();
  for (let index = 2; index <= 500; index++) {
    propose(index);
    open.takeFor({ index: index - 1, term: 1, data: null, sizeBytes: 1 })?.requests[0]?.settle(OK);
  }
  assert(usedHeapBytes() - before < 5 * MIB, "decided proposals are kept");
  assertEquals(open.batchesInFlight, 1);
});

Deno.test("a snapshot decides thousands of proposals, and later ones stay in flight", () => {
  const open = proposals();
  const client = new ClientOrder();
  const replies: Reply[] = [];
  const command = lookup("SET");
  if (command === undefined) throw new Error("Cannot find SET");
  for (let index = 1; index <= 1_500; index++) {
    const sink = { settle: (reply: Reply) => void replies.push(reply) };
    open.addWrite(new Request(command, ["SET", "k", "v"], client, sink));
    open.noteProposed(index, 1, open.sealOpen(index), 0);
  }
  assertEquals(open.settleCovered(1_200), 1_200);
  assertEquals([open.batchesInFlight, replies.length, client.openWrites], [300, 1_200, 300]);
  assertEquals(open.settleCovered(1_200), 0);
  open.giveUp(0, OUTCOME_UNKNOWN);
  assertEquals([replies.length, client.openWrites, open.batchesInFlight], [1_500, 0, 300]);
  assertEquals(open.takeFor({ index: 1_201, term: 1, data: null, sizeBytes: 1 })?.requests, []);
});
