import { assertEquals, assertRejects } from "@std/assert";
import { Holders } from "../../tests/support/files/holders.ts";
import { silentLogger } from "../base/logger.ts";
import { Downloads, type ReadOptions } from "./download.ts";
import { FileError } from "./file_error.ts";

const BLOB = "b".repeat(32);
const CONTENT = Uint8Array.from({ length: 2_000 }, (_, at) => (at * 7) % 251);

class Bench {
  readonly holders = new Holders(4);
  readonly lost: string[] = [];
  readonly downloads: Downloads;
  readonly source = { blob: BLOB, size: CONTENT.length, holders: ["n1", "n2", "n3"] };

  constructor(readonly nodeId: string | null = "n4", stalledMs = 1_000) {
    for (const id of this.source.holders) this.store(id);
    this.commit(this.source.holders);
    const { metadata, layout, clock } = this.holders;
    this.downloads = new Downloads({
      metadata,
      layout,
      nodeId,
      local: nodeId === null ? null : this.holders.local(nodeId),
      peers: this.holders,
      clock,
      logger: silentLogger,
      onLost: (blob) => this.lost.push(blob),
      stalledMs,
    });
  }

  store(id: string): void {
    this.holders.disk(id).blobs.set(BLOB, { written: CONTENT, bytes: CONTENT.slice() });
  }

  commit(holders: readonly string[]): void {
    const size = String(CONTENT.length);
    const args = ["a", BLOB, size, "0".repeat(64), "3", holders.join(), "0"];
    this.holders.world.execute(["FILE", "COMMIT", ...args]);
  }

  async #collect(from: number, to: number, options: ReadOptions): Promise<Uint8Array> {
    const bytes: number[] = [];
    for await (const chunk of this.downloads.read(this.source, from, to, options)) {
      bytes.push(...chunk);
    }
    return Uint8Array.from(bytes);
  }

  read(from = 0, to = CONTENT.length, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.holders.result(this.#collect(from, to, options));
  }

  failure(options: ReadOptions = {}): Promise<string> {
    return this.holders.failure(this.#collect(0, CONTENT.length, options));
  }
}

Deno.test("any range can be read", async () => {
  const bench = new Bench();
  const ranges = [[0, 2_000], [0, 1], [1_999, 2_000], [255, 257], [300, 300]] as const;
  for (const [from, to] of ranges) {
    assertEquals(await bench.read(from, to), CONTENT.subarray(from, to));
  }
  assertEquals([bench.downloads.running, bench.holders.openPulls], [0, 0]);
});

Deno.test("the own copy is read first", async () => {
  const bench = new Bench("n2");
  assertEquals(await bench.read(), CONTENT);
  assertEquals(bench.holders.pulls, []);
  assertEquals(await bench.read(0, 2_000, { avoidsOwn: true }), CONTENT);
  assertEquals(bench.holders.pulls.includes("n2"), false);
});

Deno.test("reads are spread over the holders", async () => {
  const bench = new Bench(null);
  for (let at = 0; at < 9; at++) await bench.read(0, 10);
  for (const id of bench.source.holders) {
    assertEquals(bench.holders.pulls.filter((one) => one === id).length, 3);
  }
  const before = bench.holders.pulls.length;
  const reads = [0, 1, 2].map(() => bench.downloads.read(bench.source, 0, 2_000));
  await bench.holders.result(Promise.all(reads.map((read) => read.next())));
  assertEquals(bench.holders.pulls.slice(before).toSorted(), ["n1", "n2", "n3"]);
  await bench.holders.result(Promise.all(reads.map((read) => read.return())));
  assertEquals([bench.downloads.running, bench.holders.openPulls], [0, 0]);
});

Deno.test("when a holder fails, reading goes on at the same byte with another", async () => {
  const bench = new Bench();
  bench.holders.behaviour.set("n1", { failsAfter: 600 });
  bench.holders.behaviour.set("n2", { failsAfter: 300 });
  for (let at = 0; at < 3; at++) {
    assertEquals(await bench.read(100, 1_900), CONTENT.subarray(100, 1_900));
  }
});

Deno.test("a holder that sends nothing any more is left", async () => {
  const bench = new Bench();
  for (const id of ["n1", "n2"]) bench.holders.behaviour.set(id, { hangsAfter: 600 });
  assertEquals(await bench.read(), CONTENT);
});

Deno.test("a corrupt copy of the own is reported, and read elsewhere", async () => {
  const bench = new Bench("n2");
  bench.holders.disk("n2").flip(BLOB, 1_000);
  assertEquals(await bench.read(), CONTENT);
  assertEquals(bench.lost, [BLOB]);
});

Deno.test("a copy that is not on the own disk is reported", async () => {
  const bench = new Bench("n2");
  bench.holders.disk("n2").wipe();
  assertEquals(await bench.read(), CONTENT);
  assertEquals(bench.lost, [BLOB]);
});

Deno.test("what others lack is not reported", async () => {
  const bench = new Bench("n2");
  bench.holders.disk("n1").wipe();
  bench.holders.disk("n2").wipe();
  assertEquals(await bench.read(), CONTENT);
  assertEquals(bench.lost, [BLOB]);
});

Deno.test("when all holders fail, it looks where the content is now", async () => {
  const bench = new Bench(null);
  for (const id of bench.source.holders) bench.holders.disk(id).wipe();
  bench.store("n4");
  bench.holders.world.execute(["FILE", "HELD", "n4", BLOB]);
  assertEquals(await bench.read(), CONTENT);
});

Deno.test("when nobody has the content, it fails after a second look", async () => {
  const bench = new Bench(null);
  for (const id of bench.source.holders) bench.holders.disk(id).wipe();
  assertEquals(await bench.failure(), "unavailable");
  assertEquals(bench.holders.commands.filter((word) => word === "BLOBS").length, 1);
  bench.holders.world.execute(["FILE", "DELETE", "a"]);
  for (const id of bench.source.holders) bench.holders.world.execute(["FILE", "LOST", id, BLOB]);
  assertEquals(await bench.failure(), "not-found");
});

Deno.test("a holder that sends too much or too little is left", async () => {
  for (const end of [1_000, 3_000]) {
    const bench = new Bench(null);
    bench.holders.disk("n4").blobs.clear();
    const { peers } = { peers: bench.holders };
    const pull = peers.pull.bind(peers);
    let calls = 0;
    peers.pull = (address, id, from, to) =>
      calls++ === 0
        ? (async function* () {
          await bench.holders.step();
          yield end < to ? CONTENT.slice(from, end) : new Uint8Array(end - from);
        })()
        : pull(address, id, from, to);
    assertEquals(await bench.read(), CONTENT);
    assertEquals(calls, 2);
  }
});

Deno.test("a signal ends it at once, also while a holder hangs", async () => {
  const bench = new Bench(null, 100_000);
  for (const id of bench.source.holders) bench.holders.behaviour.set(id, { hangsAfter: 600 });
  const ending = new AbortController();
  bench.holders.world.scheduler.after(5_000, () => ending.abort());
  assertEquals(await bench.failure({ signal: ending.signal }), "aborted");
  assertEquals([bench.holders.clock.monotonicMs() < 5_010, bench.downloads.running], [true, 0]);
  assertEquals(await bench.failure({ signal: ending.signal }), "aborted");
});

Deno.test("ending early releases everything", async () => {
  const bench = new Bench();
  const reading = bench.downloads.read(bench.source, 0, 2_000);
  await bench.holders.result(reading.next());
  assertEquals([bench.downloads.running, bench.holders.openPulls], [1, 1]);
  await bench.holders.result(reading.return());
  await bench.holders.runFor(10);
  assertEquals([bench.downloads.running, bench.holders.openPulls], [0, 0]);
});

Deno.test("an error of the reader's own is not a holder's", async () => {
  const bench = new Bench();
  const reading = bench.downloads.read(bench.source, 0, 2_000);
  await bench.holders.result(reading.next());
  await assertRejects(() => bench.holders.result(reading.throw(new FileError("busy", "Mine"))));
  assertEquals(bench.holders.pulls.length, 1);
});
