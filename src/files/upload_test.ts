import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Holders } from "../../tests/support/files/holders.ts";
import { SimBody } from "../../tests/support/files/sim_body.ts";
import { silentLogger } from "../base/logger.ts";
import { ErrorReply } from "../resp/reply.ts";
import { FileError } from "./file_error.ts";
import type { PutOptions } from "./put_options.ts";
import { UPLOAD_LIMITS, type UploadLimits } from "./upload_limits.ts";
import { Uploads } from "./uploads.ts";

const NAME = "a song.mp3";
const CONTENT = Uint8Array.from({ length: 5_000 }, (_, at) => (at * 7) % 251);
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const FULL = new FileError("insufficient-storage", "The disk is full");

class Bench {
  readonly holders = new Holders(5);
  readonly uploads: Uploads;
  #lastBlob = 0;

  constructor(limits: Partial<UploadLimits> = {}) {
    const { metadata, layout, clock } = this.holders;
    this.uploads = new Uploads({
      metadata,
      layout,
      nodeId: "n1",
      local: this.holders.local("n1"),
      peers: this.holders,
      clock,
      logger: silentLogger,
      copies: 3,
      limits: { ...UPLOAD_LIMITS, bufferBytes: 1_000, ...limits },
      newBlobId: () => String(++this.#lastBlob).padStart(32, "0"),
    });
  }

  body(content = CONTENT): SimBody {
    return new SimBody(this.holders.world, content);
  }

  put(options: Partial<PutOptions> = {}, body = this.body()) {
    return this.uploads.put(NAME, body, { size: CONTENT.length, type: "audio/mpeg", ...options });
  }

  /** The nodes in the order in which they are asked to hold the file. */
  async wanted(): Promise<string[]> {
    const layout = await this.holders.result(this.holders.layout.refresh());
    return layout.candidates(NAME).map(({ id }) => id);
  }

  /** The nodes that have anything of the file on their disks. */
  leftovers(): string[] {
    const disks = [...this.holders.disks];
    return disks.filter(([, { blobs, staging }]) => blobs.size + staging.size > 0).map(([id]) =>
      id
    );
  }

  get visible(): number {
    return this.holders.world.machine.files.size;
  }

  /** Nothing is visible, and after a while nothing is left on any disk. */
  async assertNothing(): Promise<void> {
    await this.holders.runFor(100_000);
    assertEquals(this.visible, 0);
    assertEquals(this.leftovers(), []);
    assertEquals(this.uploads.running, 0);
  }
}

Deno.test("a file goes to the first nodes after its id on the ring", async () => {
  const bench = new Bench();
  const wanted = (await bench.wanted()).slice(0, 3);
  const record = await bench.holders.result(bench.put({ tags: { artist: "Björk" }, owner: "Ana" }));
  assertEquals(record.holders, wanted.toSorted());
  assertEquals(bench.leftovers(), wanted.toSorted());
  const { name, version, size, sha256, type, tags, owner } = record;
  assertEquals([name, version, size, sha256, type], [NAME, 1, 5_000, SHA256, "audio/mpeg"]);
  assertEquals([tags, owner], [{ artist: "Björk" }, "Ana"]);
  assertEquals(bench.holders.disk(wanted[0] ?? "").blobs.get(record.blob)?.bytes, CONTENT);
});

Deno.test("an empty file is a file", async () => {
  const bench = new Bench();
  const body = bench.body(new Uint8Array());
  const record = await bench.holders.result(bench.put({ size: null }, body));
  assertEquals([record.size, record.holders.length], [0, 3]);
});

Deno.test("what waits for a slower holder is not overwritten by what comes after it", async () => {
  const bench = new Bench({ bufferBytes: 1024 * 1024 });
  for (const disk of bench.holders.disks.values()) disk.capacityBytes = 10_000_000;
  const content = Uint8Array.from({ length: 3_000_000 }, (_, at) => (at * 7 + (at >> 16)) % 251);
  const body = new SimBody(bench.holders.world, content, false, 300_000);
  const record = await bench.holders.result(bench.put({ size: content.length }, body));
  assertEquals(record.holders.length, 3);
  for (const id of record.holders) {
    assert(
      bench.holders.disk(id).blobs.get(record.blob)?.bytes.every((byte, at) => {
        return byte === content[at];
      }),
    );
  }
});

Deno.test("the next node on the ring stands in for one that is full", async () => {
  const bench = new Bench();
  const [first = "", second = "", third = "", fourth = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { refuses: FULL });
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, [second, third, fourth].toSorted());
});

Deno.test("if too few nodes have room, the upload is refused and nothing is left", async () => {
  const bench = new Bench();
  for (const id of (await bench.wanted()).slice(0, 4)) {
    bench.holders.behaviour.set(id, { refuses: FULL });
  }
  assertEquals(await bench.holders.failure(bench.put()), "insufficient-storage");
  await bench.assertNothing();
});

Deno.test("a holder that fails in the middle is left out", async () => {
  const bench = new Bench();
  const [first = "", second = "", third = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { failsAfter: 3_000 });
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, [second, third].toSorted());
});

Deno.test("a holder that takes nothing any more is left out after a while", async () => {
  const bench = new Bench({ stalledMs: 2_000 });
  const [first = "", second = "", third = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { hangsAfter: 3_000 });
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, [second, third].toSorted());
  assert(bench.holders.clock.monotonicMs() < 5_000);
});

Deno.test("if a majority fails in the middle, nothing is left", async () => {
  const bench = new Bench();
  const [first = "", second = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { failsAfter: 3_000 });
  bench.holders.behaviour.set(second, { failsAfter: 4_000 });
  assertEquals(await bench.holders.failure(bench.put()), "unavailable");
  await bench.assertNothing();
});

Deno.test("a holder that got other bytes does not count", async () => {
  const bench = new Bench();
  const [first = "", second = "", third = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { corrupts: true });
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, [second, third].toSorted());
  bench.holders.behaviour.set(second, { corrupts: true });
  assertEquals(await bench.holders.failure(bench.put()), "unavailable");
});

Deno.test("a body that breaks off leaves nothing, wherever it does", async () => {
  for (const bytes of [0, 1, 2_500, 4_999]) {
    const bench = new Bench();
    const body = new SimBody(bench.holders.world, CONTENT.subarray(0, bytes), true);
    assertEquals(await bench.holders.failure(bench.put({ size: null }, body)), "aborted");
    await bench.assertNothing();
  }
});

Deno.test("a body of another size than announced leaves nothing", async () => {
  for (const [size, code] of [[4_999, "bad-request"], [5_001, "aborted"]] as const) {
    const bench = new Bench();
    assertEquals(await bench.holders.failure(bench.put({ size })), code);
    await bench.assertNothing();
  }
});

Deno.test("a body of which nothing comes any more is given up", async () => {
  const bench = new Bench();
  const body = bench.body();
  const put = bench.put({}, body);
  bench.holders.world.scheduler.after(20, () => body.destroy());
  assertEquals(await bench.holders.failure(put), "aborted");
  await bench.assertNothing();
});

Deno.test("digests are compared before the file becomes visible", async () => {
  const md5 = createHash("md5").update(CONTENT).digest("hex");
  const bench = new Bench();
  await bench.holders.result(bench.put({ digests: { sha256: SHA256.toUpperCase(), md5 } }));
  for (const digests of [{ sha256: "0".repeat(64) }, { md5: "0".repeat(32) }]) {
    const other = new Bench();
    assertEquals(await other.holders.failure(other.put({ digests })), "checksum-mismatch");
    await other.assertNothing();
  }
});

Deno.test("digests may follow the body", async () => {
  const bench = new Bench();
  const body = bench.body();
  const digests = {
    get sha256() {
      return body.sentBytes < CONTENT.length ? "too early" : SHA256;
    },
  };
  assertEquals((await bench.holders.result(bench.put({ digests }, body))).version, 1);
});

Deno.test("a condition that does not hold is refused before the body is read", async () => {
  const bench = new Bench();
  await bench.holders.result(bench.put());
  for (const condition of ["absent", { ifVersion: 7 }] as const) {
    const body = bench.body();
    const put = bench.put({ condition }, body);
    assertEquals(await bench.holders.failure(put), "precondition-failed");
    assertEquals(body.sentBytes, 0);
  }
  const other = new Bench();
  const put = other.put({ condition: "present" });
  assertEquals(await other.holders.failure(put), "precondition-failed");
});

Deno.test("of two writers that both want to create a file, one wins", async () => {
  const bench = new Bench();
  const puts = [bench.put({ condition: "absent" }), bench.put({ condition: "absent" })];
  const codes = puts.map((put) => put.then(() => "none", ({ code }: FileError) => code));
  const results = await bench.holders.result(Promise.all(codes));
  assertEquals(results.toSorted(), ["none", "precondition-failed"]);
  await bench.holders.runFor(1_000);
  const blobs = [...bench.holders.disks.values()].flatMap(({ blobs }) => [...blobs.keys()]);
  assertEquals(new Set(blobs).size, 1, "the loser has taken everything back");
});

Deno.test("who replaces a file learns it without asking again", async () => {
  const bench = new Bench();
  const first = await bench.holders.result(bench.put());
  assertEquals([first.version, first.createdVersion], [1, 1]);
  const second = await bench.holders.result(bench.put());
  assertEquals([second.version, second.createdVersion], [2, 1]);
  assertEquals(second.createdMs, first.createdMs);
  const record = await bench.holders.result(bench.holders.metadata.stat(NAME));
  assertEquals(second, record);
  assertEquals(bench.holders.commands.filter((word) => word === "STAT").length, 1);
});

Deno.test("invalid uploads are refused before the body is read", async () => {
  const bench = new Bench();
  const invalid: Partial<PutOptions>[] = [
    { type: "ä/b" },
    { owner: "a\n" },
    { copies: 17 },
    { tags: { title: "x".repeat(5_000) } },
    { attempt: "abc" },
  ];
  for (const options of invalid) {
    const body = bench.body();
    assertEquals(await bench.holders.failure(bench.put(options, body)), "bad-request");
    assertEquals(body.sentBytes, 0);
  }
});

Deno.test("a commit whose outcome is unknown is sent again", async () => {
  const bench = new Bench();
  let commits = 0;
  bench.holders.intercept = (args) => {
    if (args[1] !== "COMMIT" || ++commits > 1) return undefined;
    bench.holders.world.execute(args);
    return new ErrorReply("UNKNOWN The leader was lost");
  };
  assertEquals((await bench.holders.result(bench.put())).version, 1);
  assertEquals([commits, bench.visible], [2, 1]);
});

Deno.test("a commit that is sent again has a shorter deadline", async () => {
  const bench = new Bench();
  const deadlines: number[] = [];
  bench.holders.intercept = (args) => {
    if (args[1] !== "COMMIT") return undefined;
    deadlines.push(Number(args[8]));
    return deadlines.length > 2 ? undefined : new ErrorReply("UNKNOWN The leader was lost");
  };
  const startMs = bench.holders.world.nowMs;
  await bench.holders.result(bench.put());
  const [first = 0, second = 0, third = 0] = deadlines;
  assert(first - startMs > 600_000 && first - startMs < 610_000);
  assert(second - startMs > 45_000 && second - startMs < 55_000);
  assertEquals(second, third, "it does not move");
});

Deno.test("while the outcome is unknown, no content is removed", async () => {
  const bench = new Bench();
  let commit: readonly unknown[] = [];
  bench.holders.intercept = (args) => {
    if (args[1] !== "COMMIT") return undefined;
    if (commit.length === 0) commit = args;
    return new ErrorReply("UNKNOWN The leader was lost");
  };
  assertEquals(await bench.holders.failure(bench.put()), "outcome-unknown");
  await bench.holders.runFor(60_000);
  bench.holders.world.execute(commit as string[]); // it was on its way all the time
  assertEquals([bench.visible, bench.leftovers().length], [1, 3]);
});

Deno.test("after an unknown outcome, a refusal does not mean that nothing happened", async () => {
  const bench = new Bench();
  let commits = 0;
  bench.holders.intercept = (args) => {
    if (args[1] !== "COMMIT") return undefined;
    return new ErrorReply(++commits === 1 ? "UNKNOWN lost" : "FILEEXPIRED late");
  };
  assertEquals(await bench.holders.failure(bench.put()), "outcome-unknown");
  await bench.holders.runFor(60_000);
  assertEquals(bench.leftovers().length, 3);
});

Deno.test("a commit that is refused for good leaves nothing", async () => {
  const bench = new Bench();
  bench.holders.intercept = ([, word]) =>
    word === "COMMIT" ? new ErrorReply("OOM full") : undefined;
  assertEquals(await bench.holders.failure(bench.put()), "insufficient-storage");
  await bench.assertNothing();
});

Deno.test("a slow copy is recorded after the file has become visible", async () => {
  const bench = new Bench();
  const wanted = (await bench.wanted()).slice(0, 3);
  bench.holders.behaviour.set(wanted[2] ?? "", { finishMs: 3_000 });
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, wanted.slice(0, 2).toSorted());
  assert(bench.holders.clock.monotonicMs() < 1_000);
  await bench.holders.runFor(4_000);
  const blob = bench.holders.world.machine.files.findBlob(record.blob);
  assertEquals(blob?.holders, wanted.toSorted());
});

Deno.test("a holder that went out meanwhile is left out", async () => {
  const bench = new Bench();
  const [first = "", second = "", third = ""] = await bench.wanted();
  let isOut = false;
  bench.holders.intercept = ([, word]) => {
    if (word === "COMMIT" && !isOut) bench.holders.world.execute(["FILE", "OUT", first]);
    if (word === "COMMIT") isOut = true;
    return undefined;
  };
  const record = await bench.holders.result(bench.put());
  assertEquals(record.holders, [second, third].toSorted());
});

Deno.test("the body waits for the slowest holder", async () => {
  const bench = new Bench({ bufferBytes: 64 * 1024 });
  const [first = ""] = await bench.wanted();
  bench.holders.behaviour.set(first, { hangsAfter: 0 });
  const content = new Uint8Array(2 * 1024 * 1024);
  for (const disk of bench.holders.disks.values()) disk.capacityBytes = 2 ** 30;
  const body = new SimBody(bench.holders.world, content, false, 16 * 1024);
  const put = bench.put({ size: content.length }, body);
  await bench.holders.runFor(5_000);
  assert(body.sentBytes >= 64 * 1024 && body.sentBytes < 512 * 1024, String(body.sentBytes));
  assertEquals((await bench.holders.result(put)).size, content.length);
});

Deno.test("the same attempt again finds the file", async () => {
  const bench = new Bench();
  const attempt = "a".repeat(32);
  const record = await bench.holders.result(bench.put({ attempt, condition: "absent" }));
  const body = bench.body();
  const again = await bench.holders.result(bench.put({ attempt, condition: "absent" }, body));
  assertEquals([again, body.sentBytes], [record, 0]);
});

Deno.test("the same attempt again goes over what the first try has left", async () => {
  const bench = new Bench();
  const attempt = "a".repeat(32);
  let isRefused = true;
  bench.holders.intercept = ([, word]) =>
    word === "COMMIT" && isRefused ? new ErrorReply("CLUSTERDOWN There is no leader") : undefined;
  assertEquals(await bench.holders.failure(bench.put({ attempt })), "unavailable");
  assertEquals(bench.leftovers().length, 3, "the commit might have been on its way");
  isRefused = false;
  assertEquals((await bench.holders.result(bench.put({ attempt }))).holders.length, 3);
  await bench.holders.result(bench.put());
  assertEquals(await bench.holders.failure(bench.put({ attempt })), "conflict");
});

Deno.test("a reply to a commit that makes no sense is an unknown outcome", async () => {
  const bench = new Bench();
  bench.holders.intercept = ([, word]) => word === "COMMIT" ? ["what?"] : undefined;
  assertNotEquals(await bench.holders.failure(bench.put()), "none");
  await bench.holders.runFor(60_000);
  assertEquals(bench.leftovers().length, 3);
});

Deno.test("a body that no node has room for is not asked for", async () => {
  const bench = new Bench();
  for (const id of await bench.wanted()) bench.holders.behaviour.set(id, { refuses: FULL });
  const body = bench.body();
  assertEquals(await bench.holders.failure(bench.put({}, body)), "insufficient-storage");
  assertEquals(body.isAskedFor, false);
});

Deno.test("a body is not waited for when too many holders have failed meanwhile", async () => {
  const bench = new Bench();
  for (const id of await bench.wanted()) bench.holders.behaviour.set(id, { failsAfter: 0 });
  const body = bench.body(CONTENT.subarray(0, 1));
  body.isStuck = true;
  assertEquals(await bench.holders.failure(bench.put({}, body)), "unavailable");
  assert(body.sentBytes > 0 && bench.holders.clock.monotonicMs() < 1_000);
});

Deno.test("uploads wait for their turn, the first one first", async () => {
  const bench = new Bench({ uploadsMax: 2 });
  const order: number[] = [];
  const bodies = Array.from({ length: 6 }, () => bench.body());
  const puts = bodies.map((body, at) => bench.put({}, body).then(() => order.push(at)));
  await bench.holders.runFor(10);
  assertEquals(bodies.map(({ isAskedFor }) => isAskedFor), [true, true, ...Array(4).fill(false)]);
  assertEquals(bench.uploads.running, 2);
  await bench.holders.result(Promise.all(puts));
  assertEquals(order.length, 6);
  assert(Math.max(...order.slice(0, 2)) < 2 && Math.min(...order.slice(4)) > 1, `${order}`);
});

Deno.test("who leaves while it waits for its turn takes no place, nor does a closed node", async () => {
  const bench = new Bench({ uploadsMax: 1 });
  const first = bench.put();
  const gone = bench.body();
  const left = bench.put({}, gone);
  gone.breakOff();
  assertEquals(await bench.holders.failure(left), "aborted");
  assertEquals((await bench.holders.result(first)).version, 1);
  const codes = [bench.put(), bench.put()].map((put) =>
    put.then(() => "none", ({ code }: FileError) => code)
  );
  await bench.holders.runFor(20);
  await bench.holders.result(bench.uploads.close());
  assertEquals(await Promise.all(codes), ["aborted", "unavailable"]);
});

Deno.test("who has waited too long for its turn is sent away", async () => {
  const bench = new Bench({ uploadsMax: 2, turnMs: 1 });
  const puts = [bench.put(), bench.put(), bench.put()];
  const codes = puts.map((put) => put.then(() => "none", ({ code }: FileError) => code));
  assertEquals(await bench.holders.result(Promise.all(codes)), ["none", "none", "busy"]);
  assertEquals(await bench.holders.failure(bench.put()), "none");
});

Deno.test("closing ends uploads, and takes back what they have written", async () => {
  const bench = new Bench();
  const put = bench.put();
  const code = put.then(() => "none", ({ code }: FileError) => code);
  await bench.holders.runFor(20);
  assertNotEquals(bench.leftovers(), []);
  await bench.holders.result(bench.uploads.close());
  assertEquals(await code, "aborted");
  await bench.assertNothing();
  assertEquals(await bench.holders.failure(bench.put()), "unavailable");
});

Deno.test("without any node that takes files, there is no upload", async () => {
  const bench = new Bench();
  for (const id of bench.holders.disks.keys()) bench.holders.world.execute(["FILE", "OUT", id]);
  assertEquals(await bench.holders.failure(bench.put()), "unavailable");
});
