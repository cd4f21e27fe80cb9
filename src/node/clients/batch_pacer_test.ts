import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { BatchPacer, type BatchStatus, type PacedClient } from "./batch_pacer.ts";

/** N clients, each with one request at a time. */
class Bench {
  readonly clock = new ManualClock();
  wakes = 0;
  readonly pacer = new BatchPacer(this.clock, 4, () => this.wakes++);
  readonly clients: PacedClient[];

  constructor(count: number) {
    this.clients = Array.from({ length: count }, () => ({ answeredWith: null }));
  }

  /** Answers the first N. */
  answer(count: number): void {
    this.pacer.noteAnswers(this.clients.slice(0, count).map((client) => ({ client })));
  }

  /** Makes these clients ask. */
  ask(from: number, to: number): void {
    for (const client of this.clients.slice(from, to)) this.pacer.noteRequest(client);
  }

  isDue(more: Partial<BatchStatus> = {}): boolean {
    return this.pacer.isDue({ isFull: false, batchesInFlight: 0, newestSentMs: 0, ...more });
  }

  mayBeDue(more: Partial<BatchStatus> = {}): boolean {
    return this.pacer.mayBeDue({ isFull: false, batchesInFlight: 0, newestSentMs: 0, ...more });
  }
}

Deno.test("the first request is sent at once, and so is that of a lone client", () => {
  const bench = new Bench(1);
  for (let i = 0; i < 10; i++) {
    bench.ask(0, 1);
    assertEquals(bench.isDue(), true);
    bench.answer(1);
  }
});

Deno.test("two groups of clients become one batch: it waits for those just answered", () => {
  const bench = new Bench(64);
  bench.ask(32, 64);
  bench.answer(32);
  assertEquals(bench.isDue(), false);
  bench.ask(0, 29);
  assertEquals(bench.isDue(), false);
  bench.ask(29, 30);
  assertEquals(bench.isDue(), true);
  assertEquals(bench.isDue(), true, "it waits once for each answer");
});

Deno.test("a few clients become one batch: it waits for all of them", () => {
  for (const count of [2, 4, 15]) {
    const bench = new Bench(count);
    bench.answer(count);
    bench.ask(0, count - 1);
    assertEquals(bench.isDue(), false, `${count} clients`);
    bench.ask(count - 1, count);
    assertEquals(bench.isDue(), true, `${count} clients`);
  }
});

Deno.test("a client that sends again, or was not answered, is not taken for another", () => {
  const bench = new Bench(64);
  bench.answer(32);
  bench.ask(0, 16);
  bench.ask(0, 16);
  bench.ask(32, 64);
  assertEquals(bench.isDue(), false);
});

Deno.test("a client with many requests counts once", () => {
  const bench = new Bench(4);
  const client = bench.clients[0] ?? { answeredWith: null };
  bench.pacer.noteAnswers(Array.from({ length: 100 }, () => ({ client })));
  assertEquals(bench.isDue(), false);
  bench.ask(0, 1);
  assertEquals(bench.isDue(), true);
});

Deno.test("a client that sends a request of another kind meanwhile is not waited for", () => {
  const writes = new Bench(32);
  const reads = new Bench(0);
  writes.answer(32);
  for (const client of writes.clients.slice(0, 30)) reads.pacer.noteRequest(client);
  assertEquals(writes.isDue(), true);
});

Deno.test("a client that was answered in two batches is waited for with the last", () => {
  const writes = new Bench(32);
  const reads = new Bench(0);
  const requests = writes.clients.map((client) => ({ client }));
  writes.pacer.noteAnswers(requests);
  reads.pacer.noteAnswers(requests);
  assertEquals([writes.isDue(), reads.isDue()], [true, false]);
  for (const { client } of requests) writes.pacer.noteRequest(client);
  assertEquals(reads.isDue(), true);
});

Deno.test("while it waits, it checks only whether the batch is complete", () => {
  const bench = new Bench(64);
  bench.answer(32);
  assertEquals(bench.mayBeDue(), true, "nobody has asked yet");
  bench.isDue();
  bench.ask(0, 29);
  assertEquals(bench.mayBeDue(), false);
  bench.ask(29, 30);
  assertEquals(bench.mayBeDue(), true);
});

Deno.test("it does not wait for long, and says until when", () => {
  const bench = new Bench(32);
  bench.answer(32);
  bench.ask(0, 20);
  bench.isDue();
  bench.clock.advance(1);
  assertEquals([bench.wakes, bench.isDue()], [0, false]);
  bench.clock.advance(1);
  assertEquals([bench.wakes, bench.isDue()], [1, true]);
});

Deno.test("unsuccessful waits are avoided for longer and longer, until one succeeds", () => {
  const bench = new Bench(32);
  const waitsBetween = () => {
    for (let without = 0;; without++) {
      bench.answer(32);
      bench.ask(0, 10);
      if (bench.isDue()) continue;
      bench.clock.advance(2);
      assertEquals(bench.isDue(), true);
      return without;
    }
  };
  assertEquals(Array.from({ length: 9 }, waitsBetween), [0, 1, 2, 4, 8, 16, 32, 64, 64]);
  for (let without = 0; without < 64; without++) {
    bench.answer(32);
    assertEquals(bench.isDue(), true);
  }
  bench.answer(32);
  assertEquals(bench.isDue(), false);
  bench.ask(0, 32);
  assertEquals(bench.isDue(), true);
  assertEquals(waitsBetween(), 0);
});

Deno.test("nothing overtakes a batch in flight, unless that takes long", () => {
  const bench = new Bench(1);
  const inFlight = { batchesInFlight: 1, newestSentMs: bench.clock.monotonicMs() };
  assertEquals(bench.isDue(inFlight), false);
  assertEquals(bench.mayBeDue(inFlight), false);
  bench.clock.advance(4);
  assertEquals([bench.wakes, bench.isDue(inFlight)], [1, true]);
  assertEquals(bench.isDue({ ...inFlight, batchesInFlight: 4 }), false, "four at most");
});

Deno.test("a full batch does not wait", () => {
  const bench = new Bench(32);
  bench.answer(32);
  const large = { isFull: true, batchesInFlight: 1, newestSentMs: 0 };
  assertEquals([bench.isDue(large), bench.mayBeDue(large)], [true, true]);
  assertEquals(bench.isDue({ ...large, batchesInFlight: 4 }), false);
});
