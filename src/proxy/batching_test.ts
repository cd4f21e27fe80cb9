import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import type { PacedClient } from "../node/clients/batch_pacer.ts";
import { Batching, type BatchSender } from "./upstream.ts";

/** A connection that only counts. */
class Sender implements BatchSender {
  readonly #batching: Batching;
  readonly #clock: ManualClock;
  openCount = 0;
  openBytes = 0;
  isReady = true;
  newestSentMs = -Infinity;
  /** The batches in flight, each with its clients. */
  readonly inFlight: PacedClient[][] = [];
  #open: PacedClient[] = [];

  constructor(batching: Batching, clock: ManualClock) {
    this.#batching = batching;
    this.#clock = clock;
  }

  get batchesInFlight(): number {
    return this.inFlight.length;
  }

  /** So many requests of these clients, one each; what may leave then leaves. */
  ask(clients: readonly PacedClient[], bytes = 1): void {
    for (const client of clients) {
      this.openCount++;
      this.openBytes += bytes;
      this.#open.push(client);
      this.#batching.add(this, client);
    }
    this.#batching.flush();
  }

  sendOpen(): void {
    this.inFlight.push(this.#open);
    this.#open = [];
    this.openCount = this.openBytes = 0;
    this.newestSentMs = this.#clock.monotonicMs();
  }

  answer(): void {
    this.#batching.noteAnswers((this.inFlight.shift() ?? []).map((client) => ({ client })));
  }
}

function fixture(requestsMax?: number) {
  const clock = new ManualClock();
  const batching = new Batching(clock, requestsMax);
  const clients = Array.from({ length: 50 }, (): PacedClient => ({ answeredWith: null }));
  const [one, other] = [new Sender(batching, clock), new Sender(batching, clock)];
  return { clock, batching, clients, one, other };
}

Deno.test("the same clients' requests go to one node after the other, not to both at once", () => {
  const { clients, one, other } = fixture();
  one.ask(clients);
  assertEquals(one.inFlight.length, 1);
  one.answer();
  other.ask(clients.slice(0, 40));
  assertEquals(other.inFlight.length, 0, "those of the last batch are waited for");
  other.ask(clients.slice(40));
  assertEquals(other.inFlight.map((batch) => batch.length), [50]);
  one.ask(clients.slice(0, 1));
  assertEquals(one.inFlight.length, 0, "one batch at a time");
  other.answer();
  assertEquals([one.openCount, one.inFlight.length], [1, 0]);
});

Deno.test("a full batch does not wait", () => {
  const { clients, one, other } = fixture(20);
  one.ask(clients.slice(0, 20));
  other.ask(clients.slice(20, 40));
  other.ask(clients.slice(40));
  assertEquals([one.inFlight.length, other.inFlight.length, other.openCount], [1, 1, 10]);
  one.ask(clients.slice(0, 1), 256 * 1024);
  assertEquals(one.inFlight.length, 2);
});

Deno.test("a node that holds back its answers delays only its own connection", () => {
  const { clock, clients, one, other } = fixture();
  one.ask(clients.slice(0, 1));
  other.ask(clients.slice(1, 2));
  assertEquals(other.inFlight.length, 0);
  clock.advance(4);
  assertEquals(other.inFlight.length, 1, "it went by itself");
  other.answer();
  other.ask(clients.slice(1, 2));
  assertEquals(other.inFlight.length, 1);
  for (let i = 0; i < 100; i++) {
    one.ask(clients.slice(2, 3));
    clock.advance(5);
  }
  assertEquals(one.inFlight.length, 16);
  other.answer();
  other.ask(clients.slice(1, 2));
  assertEquals(other.inFlight.length, 1);
});

Deno.test("requests that wait for a connection are retried elsewhere when it has ended; one that is not ready waits", () => {
  const { batching, clients, one, other } = fixture();
  one.ask(clients.slice(0, 1));
  other.isReady = false;
  other.ask(clients.slice(1, 2));
  batching.remove(one);
  assertEquals(other.inFlight.length, 0);
  other.isReady = true;
  batching.flush();
  assertEquals(other.inFlight.length, 1);
});
