import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { lookup } from "../../commands/table.ts";
import { BatchPacer } from "./batch_pacer.ts";
import { ReadQueue } from "./reads.ts";
import { ClientOrder, Request } from "./request.ts";

function read(key: string): Request {
  const command = lookup("GET");
  if (command === undefined) throw new Error("Cannot find GET");
  return new Request(command, ["GET", key], new ClientOrder(), { settle() {} });
}

/** A queue with batches of one read each, for keys `a`, `b` …, with read ids 1, 2 … */
function queueOf(count: number, batch: { indexMin?: number; afterProposal?: number } = {}) {
  const queue = new ReadQueue(new BatchPacer(new ManualClock(), 4, () => {}));
  for (let readId = 1; readId <= count; readId++) {
    const requests = [read(String.fromCharCode(0x60 + readId))];
    const { indexMin = 0, afterProposal = 0 } = batch;
    queue.wait({ readId, requests, indexMin, afterProposal, sinceMs: readId });
  }
  return queue;
}

const keysOf = (requests: readonly Request[]) => requests.map(({ args }) => args[1]);

Deno.test("a confirmation counts for reads requested before it, and not for later ones", () => {
  const queue = queueOf(3);
  queue.confirm({ readId: 2, index: 7 });
  assertEquals(queue.batchesInFlight, 1);
  assertEquals(keysOf(queue.takeReady(6)), []);
  assertEquals(keysOf(queue.takeReady(7)), ["a", "b"]);
  queue.confirm({ readId: 3, index: 5 });
  assertEquals(keysOf(queue.takeReady(7)), ["c"]);
});

Deno.test("a read waits for the writes before it, whatever the leader says", () => {
  const queue = queueOf(1, { indexMin: 9 });
  queue.confirm({ readId: 1, index: 7 });
  assertEquals(keysOf(queue.takeReady(8)), []);
  assertEquals(keysOf(queue.takeReady(9)), ["a"]);
});

Deno.test("reads are answered before the proposals that come after them, not before their own", () => {
  const queue = queueOf(1, { afterProposal: 4 });
  assertEquals(keysOf(queue.takeBefore(4)), []);
  assertEquals(keysOf(queue.takeBefore(5)), ["a"]);
});

Deno.test("reads that waited too long are returned, requested or not, and the others stay", () => {
  const queue = queueOf(0);
  for (const [at, key] of ["a", "b", "c", "d"].entries()) {
    const request = read(key);
    request.sinceMs = at + 1;
    queue.add(request);
    const batch = { readId: 1, indexMin: 0, afterProposal: 0, sinceMs: 9 };
    if (at === 2) queue.wait({ ...batch, requests: queue.takeOpen() });
  }
  assertEquals(keysOf(queue.takeOlderThan(2)), ["a", "b"]);
  assertEquals([queue.batchesInFlight, queue.openCount], [1, 1]);
  assertEquals(keysOf(queue.takeOlderThan(4)), ["c", "d"]);
  assertEquals(queue.isEmpty, true);
});
