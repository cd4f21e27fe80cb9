import { assert, assertEquals } from "@std/assert";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { type BenchClient, ProxyBench } from "./testing/proxy_bench.ts";

const SEEDS = 30;
const KEYS_PER_CLIENT = 2;

/** A client that writes growing numbers to keys of its own, and reads them, pipelined at random. */
class Worker {
  readonly requests: { readonly key: string; readonly number: number | null }[] = [];
  readonly #name: string;
  #number = 0;

  constructor(readonly client: BenchClient, name: string) {
    this.#name = name;
  }

  act(random: Random): void {
    if (this.client.openCount > 30) return;
    const batch: string[] = [];
    for (let left = randomInteger(random, 8); left > 0; left--) {
      const key = `${this.#name}.${randomInteger(random, KEYS_PER_CLIENT)}`;
      const number = random() < 0.5 ? ++this.#number : null;
      this.requests.push({ key, number });
      batch.push(number === null ? `GET ${key}` : `SET ${key} ${this.#name}:${number}`);
    }
    this.client.send(...batch);
  }

  /** What its replies and the cluster's history must agree upon. */
  check(executed: readonly string[]): void {
    const done = new Set(executed);
    const { replies } = this.client;
    const last = new Map<string, number>();
    this.requests.forEach(({ key, number }, i) => {
      const reply = replies[i] ?? "…";
      if (number !== null) {
        const write = `SET ${key} ${this.#name}:${number}`;
        assertEquals(reply, "OK", write);
        assert(done.has(write), `${write} was acknowledged, not executed`);
        last.set(key, number);
        return;
      }
      const read = reply === "nil" ? 0 : Number(reply.slice(this.#name.length + 1));
      assert(reply === "nil" || reply.startsWith(`${this.#name}:`), `GET ${key} got ${reply}`);
      assertEquals(read, last.get(key) ?? 0, `GET ${key}`);
    });
  }
}

function hurt(bench: ProxyBench, random: Random): void {
  const { cluster } = bench;
  const node = cluster.node(randomInteger(random, cluster.nodes.length));
  switch (randomInteger(random, 8)) {
    case 0:
      return node.kill();
    case 1:
      return node.stop();
    case 2:
      node.isHolding = true;
      return void (node.isMute = random() < 0.5);
    case 3:
      node.isHolding = node.isMute = false;
      return node.release();
    case 4:
      node.delayMs = randomInteger(random, 10);
      return;
    case 5:
      for (const { connection } of node.held) connection.stream.close();
      return void node.held.splice(0);
    case 6:
      if (node.isStopped) node.resume();
      if (!node.isDown) return;
      node.listen();
      return node.become({
        role: "follower",
        term: cluster.term,
        leaderId: null,
        isServing: false,
      });
    default:
      if (!node.isDown && !node.isStopped) {
        cluster.elect(cluster.nodes.indexOf(node), cluster.term + 1);
      }
  }
}

function heal(bench: ProxyBench): void {
  const { cluster } = bench;
  for (const node of cluster.nodes) {
    node.isHolding = node.isMute = false;
    node.delayMs = 0;
    if (node.isStopped) node.resume();
    if (node.isDown) node.listen();
    node.release();
  }
  cluster.elect(0, cluster.term + 1);
}

/** Each write was executed once, and a client's writes to a key in the order of their numbers. */
function checkOrder(executed: readonly string[]): void {
  const last = new Map<string, number>();
  for (const write of executed) {
    const [, key = "", value = ""] = write.split(" ");
    const number = Number(value.split(":")[1]);
    assert(number > (last.get(key) ?? 0), `${write} was executed after ${last.get(key)}`);
    last.set(key, number);
  }
}

function run(seed: number): number {
  const random = seededRandom(seed);
  const limits = { holdMsMax: 60_000, windowRequestsMax: 20, replyMsMax: 3_000 };
  const bench = ProxyBench.ready({ limits, delayMs: 0.5 });
  const workers = Array.from({ length: 5 }, (_, i) => {
    return new Worker(bench.client(i % 2 === 0 ? 2 : 3), `w${i}`);
  });
  for (let round = 0; round < 400; round++) {
    for (const worker of workers) if (random() < 0.5) worker.act(random);
    if (random() < 0.1) hurt(bench, random);
    bench.advance(random() * 20);
  }
  heal(bench);
  bench.advance(5_000);
  const { executed } = bench.cluster;
  checkOrder(executed);
  for (const worker of workers) {
    assertEquals(worker.client.openCount, 0, "a request was never answered");
    worker.check(executed);
  }
  const status = bench.core.status();
  assertEquals([status.inFlight, status.waiting.requests, status.waiting.bytes], [0, 0, 0]);
  bench.core.stop();
  return executed.length;
}

Deno.test("whatever happens to the nodes: one right reply each, no error, in order, each write once", () => {
  let executed = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      executed += run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert(executed > SEEDS * 300, `only ${executed} writes were executed`);
});
