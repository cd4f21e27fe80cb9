import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Holders } from "../../tests/support/files/holders.ts";
import { silentLogger } from "../base/logger.ts";
import { Downloads } from "./download.ts";
import { Healer } from "./healer.ts";
import { HEALER_LIMITS, type HealerLimits } from "./healer_limits.ts";
import { Reports } from "./reports.ts";

const SIZE = 1_000;
const LIMITS: HealerLimits = {
  ...HEALER_LIMITS,
  repairBytesPerSecond: 100_000,
  scrubBytesPerSecond: 1_000_000,
  scrubRoundMs: 5_000,
  deadGraceMs: 10_000,
  orphanGraceMs: 30_000,
  unrecordedGraceMs: 10_000,
  pullGraceMs: 2_000,
  scanMs: 5_000,
};

/** The healer of node n1, beside nodes that repair nothing. */
class Bench {
  readonly holders: Holders;
  healer: Healer;
  place = "";
  members: string[] | null = null;
  readonly limits: HealerLimits;
  /** What was logged as a warning. */
  readonly warnings: string[] = [];
  #version = 0;

  constructor(nodes = 3, limits: Partial<HealerLimits> = {}) {
    this.holders = new Holders(nodes);
    this.limits = { ...LIMITS, ...limits };
    this.healer = this.#newHealer();
  }

  #newHealer(): Healer {
    const { metadata, layout, clock } = this.holders;
    const local = this.holders.local("n1");
    const reports = new Reports("n1", metadata, silentLogger);
    const logger = { ...silentLogger, warn: (line: string) => void this.warnings.push(line) };
    const shared = { metadata, layout, local, peers: this.holders, clock, logger };
    return new Healer({
      ...shared,
      node: { id: "n1", address: "10.0.0.1:7001", weight: 1 },
      downloads: new Downloads({
        ...shared,
        nodeId: "n1",
        onLost: (blob) => reports.addLost(blob),
        stalledMs: 1_000,
      }),
      reports,
      isLeader: () => false,
      members: () => this.members,
      scrubPlace: {
        load: () => Promise.resolve(this.place),
        save: (blob) => Promise.resolve(void (this.place = blob)),
      },
      limits: this.limits,
    });
  }

  async restart(): Promise<void> {
    await this.holders.result(this.healer.stop());
    this.healer = this.#newHealer();
    this.healer.start();
  }

  content(blob: string): Uint8Array {
    return Uint8Array.from({ length: SIZE }, (_, at) => blob.charCodeAt(at % 32));
  }

  store(node: string, blob: string): void {
    const bytes = this.content(blob);
    this.holders.disk(node).blobs.set(blob, { written: bytes, bytes: bytes.slice() });
  }

  /** A visible file with contents on these nodes. */
  commit(blob: string, holders: readonly string[], copies = 3): void {
    for (const node of holders) this.store(node, blob);
    const sha256 = createHash("sha256").update(this.content(blob)).digest("hex");
    const args = [`name of ${blob}`, blob, String(SIZE), sha256, String(copies), holders.join()];
    this.run("COMMIT", ...args, "0");
  }

  run(...args: string[]) {
    return this.holders.world.execute(["FILE", ...args]);
  }

  blob(): string {
    return (++this.#version).toString(16).padStart(32, "0");
  }

  holdersOf(blob: string): readonly string[] | undefined {
    return this.holders.world.machine.files.findBlob(blob)?.holders;
  }

  has(blob: string): boolean {
    return this.holders.disk("n1").blobs.has(blob);
  }

  runFor(ms: number): Promise<void> {
    return this.holders.runFor(ms);
  }
}

Deno.test("a missing copy is fetched, verified and recorded", async () => {
  const bench = new Bench();
  const blob = bench.blob();
  bench.commit(blob, ["n2", "n3"]);
  bench.healer.start();
  await bench.runFor(1_500);
  assertEquals(bench.has(blob), false, "the upload may still be under way");
  await bench.runFor(3_000);
  assertEquals([bench.has(blob), bench.holdersOf(blob)], [true, ["n1", "n2", "n3"]]);
  assertEquals(bench.healer.status.pulls.bytesDone, SIZE);
});

Deno.test("a copy with other bytes is not kept, and fetched elsewhere", async () => {
  const bench = new Bench();
  const blob = bench.blob();
  bench.commit(blob, ["n2", "n3"]);
  bench.holders.behaviour.set("n2", { corrupts: true });
  bench.healer.start();
  await bench.runFor(20_000);
  assertEquals(bench.holders.disk("n1").isIntact(blob), true);
  assertEquals(bench.holders.disk("n1").blobs.get(blob)?.bytes, bench.content(blob));
  assertEquals(bench.holdersOf(blob), ["n1", "n2", "n3"]);
});

Deno.test("a disk that refuses every blob is told of once a minute", async () => {
  const bench = new Bench();
  const { capacityBytes } = bench.holders.disk("n1");
  bench.holders.disk("n1").capacityBytes = 0;
  const blobs = Array.from({ length: 30 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n2", "n3"]);
  bench.healer.start();
  await bench.runFor(50_000);
  const { failures } = bench.healer.status.pulls;
  assert(failures > 60, String(failures));
  assertEquals(bench.warnings.filter((line) => line.startsWith("fetching")).length, 1);
  await bench.runFor(60_000);
  const lines = bench.warnings.filter((line) => line.startsWith("fetching"));
  assertEquals([lines.length, /and \d+ times more/.test(lines[1] ?? "")], [2, true]);
  bench.holders.disk("n1").capacityBytes = capacityBytes;
  await bench.runFor(120_000);
  assertEquals(bench.healer.status.pulls.blobsDone, 30);
});

Deno.test("a transfer that breaks goes on with another holder", async () => {
  const bench = new Bench();
  const blob = bench.blob();
  bench.commit(blob, ["n2", "n3"]);
  for (const id of ["n2", "n3"]) bench.holders.behaviour.set(id, { failsAfter: 600 });
  bench.healer.start();
  await bench.runFor(6_000);
  assertEquals(bench.holdersOf(blob), ["n1", "n2", "n3"]);
});

Deno.test("repair is limited in rate and in number", async () => {
  const bench = new Bench();
  const blobs = Array.from({ length: 40 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n2", "n3"]);
  const slow = new Bench(3, { repairBytesPerSecond: 2_000 });
  for (let at = 0; at < 10; at++) slow.commit(slow.blob(), ["n2", "n3"]);
  slow.healer.start();
  await slow.runFor(5_000);
  const { pulls } = slow.healer.status;
  assert(pulls.blobs.length <= 2 && pulls.bytesDone >= 3_000 && pulls.bytesDone <= 7_500);
  assertEquals(pulls.bytesLeft + pulls.bytesDone, 10 * SIZE);
  assertEquals(pulls.left + pulls.blobsDone, 10);
  assert(pulls.bytesPerSecond > 1_000 && pulls.bytesPerSecond <= 3_000, `${pulls.bytesPerSecond}`);
  bench.healer.start();
  await bench.runFor(5_000);
  assertEquals(bench.healer.status.pulls.blobsDone, 40);
});

Deno.test("stopping in the middle of a transfer leaves nothing, and a restart goes on", async () => {
  const bench = new Bench(3, { repairBytesPerSecond: 500 });
  const blob = bench.blob();
  bench.commit(blob, ["n2", "n3"]);
  bench.healer.start();
  await bench.runFor(3_500);
  assertEquals(bench.healer.status.pulls.blobs.length, 1);
  const before = bench.holders.clock.monotonicMs();
  await bench.holders.result(bench.healer.stop());
  assert(bench.holders.clock.monotonicMs() - before < 10);
  assertEquals([bench.has(blob), bench.holders.disk("n1").staging.size], [false, 0]);
  const { length } = bench.holders.commands;
  await bench.runFor(60_000);
  assertEquals(bench.holders.commands.length, length, "nothing goes on");
  await bench.restart();
  await bench.runFor(10_000);
  assertEquals(bench.has(blob), true);
});

Deno.test("stopping while a holder hangs takes no time", async () => {
  const bench = new Bench();
  bench.commit(bench.blob(), ["n2", "n3"]);
  for (const id of ["n2", "n3"]) bench.holders.behaviour.set(id, { hangsAfter: 0 });
  bench.healer.start();
  await bench.runFor(3_000);
  const before = bench.holders.clock.monotonicMs();
  await bench.holders.result(bench.healer.stop());
  assert(bench.holders.clock.monotonicMs() - before < 10);
  assertEquals(bench.holders.disk("n1").staging.size, 0);
});

Deno.test("a dead copy goes after the grace time, and its node says so", async () => {
  const bench = new Bench();
  const blob = bench.blob();
  bench.commit(blob, ["n1", "n2", "n3"]);
  bench.healer.start();
  await bench.runFor(1_000);
  bench.run("DELETE", `name of ${blob}`);
  await bench.runFor(9_000);
  assertEquals(bench.has(blob), true, "somebody may still read it");
  await bench.runFor(4_000);
  assertEquals([bench.has(blob), bench.holdersOf(blob)], [false, ["n2", "n3"]]);
});

Deno.test("a superfluous copy goes when the log allows it", async () => {
  const bench = new Bench(4);
  const blobs = Array.from({ length: 8 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2", "n3", "n4"]);
  bench.healer.start();
  await bench.runFor(3_000);
  for (const blob of blobs) {
    const wanted = bench.holders.world.machine.files.layout.placement
      .wanted(bench.holders.world.machine.files.findBlob(blob)?.file ?? { ringId: 0, copies: 0 });
    assertEquals(bench.has(blob), wanted.includes("n1"));
    assertEquals(bench.holdersOf(blob)?.includes("n1"), wanted.includes("n1"));
  }
});

Deno.test("no copy goes while another one is missing", async () => {
  const bench = new Bench(4);
  const blobs = Array.from({ length: 8 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2"]);
  bench.healer.start();
  await bench.runFor(30_000);
  assertEquals(blobs.every((blob) => bench.has(blob)), true);
});

Deno.test("an orphan goes after a long time, and not if the log has come to know it", async () => {
  const bench = new Bench();
  const [orphan, late] = [bench.blob(), bench.blob()];
  bench.store("n1", orphan);
  bench.store("n1", late);
  bench.healer.start();
  await bench.runFor(28_000);
  assertEquals(bench.has(orphan), true);
  bench.commit(late, ["n1", "n2", "n3"]);
  await bench.runFor(12_000);
  assertEquals([bench.has(orphan), bench.has(late)], [false, true]);
});

Deno.test("an orphan of before a restart is given its whole time again", async () => {
  const bench = new Bench();
  const orphan = bench.blob();
  bench.store("n1", orphan);
  bench.healer.start();
  await bench.runFor(28_000);
  await bench.restart();
  await bench.runFor(28_000);
  assertEquals(bench.has(orphan), true);
});

Deno.test("a copy on the disk that the log does not know of is verified and recorded", async () => {
  const bench = new Bench();
  const [good, bad] = [bench.blob(), bench.blob()];
  for (const blob of [good, bad]) bench.commit(blob, ["n2", "n3"]);
  bench.store("n1", good);
  const other = new Uint8Array(SIZE);
  bench.holders.disk("n1").blobs.set(bad, { written: other, bytes: other });
  bench.healer.start();
  await bench.runFor(8_000);
  for (const blob of [good, bad]) {
    assertEquals(bench.holdersOf(blob), ["n1", "n2", "n3"]);
    assertEquals(bench.holders.disk("n1").blobs.get(blob)?.bytes, bench.content(blob));
  }
  assertEquals(bench.healer.status.pulls.bytesDone, SIZE, "the good one is not fetched");
});

Deno.test("copies that the disk has lost are reported, and fetched again", async () => {
  const bench = new Bench();
  const blobs = Array.from({ length: 5 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2", "n3"]);
  bench.holders.disk("n1").wipe();
  bench.healer.start();
  await bench.runFor(1_000);
  for (const blob of blobs) assertEquals(bench.holdersOf(blob), ["n2", "n3"]);
  await bench.runFor(4_000);
  for (const blob of blobs) assertEquals(bench.holders.disk("n1").isIntact(blob), true);
});

Deno.test("a node that comes back does not count before it has said what it lost", async () => {
  const bench = new Bench();
  const blobs = Array.from({ length: 5 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2", "n3"]);
  bench.run("OUT", "n1");
  bench.holders.disk("n1").wipe();
  let lostBefore = -1;
  bench.holders.intercept = ([, word]) => {
    if (word === "NODE") lostBefore = bench.holders.commands.filter((w) => w === "LOST").length;
    return undefined;
  };
  bench.healer.start();
  await bench.runFor(2_000);
  assertEquals(lostBefore, 1);
});

Deno.test("a node announces itself again when it is out, forgotten, or has other space", async () => {
  const bench = new Bench();
  const stateOf = () => bench.holders.world.machine.files.layout.find("n1");
  const announcements = () => bench.holders.commands.filter((word) => word === "NODE").length;
  bench.healer.start();
  await bench.runFor(2_000);
  assertEquals(announcements(), 1);
  bench.run("OUT", "n1");
  await bench.runFor(2_000);
  assertEquals([stateOf()?.isOut, announcements()], [false, 2]);
  bench.run("FORGET", "n1");
  await bench.runFor(2_000);
  assertEquals([stateOf()?.isOut, announcements()], [false, 3]);
  bench.holders.disk("n1").capacityBytes = 950_000;
  await bench.runFor(30_000);
  assertEquals(announcements(), 3);
  bench.holders.disk("n1").capacityBytes = 800_000;
  await bench.runFor(12_000);
  assertEquals([stateOf()?.capacityBytes, announcements()], [800_000, 4]);
});

Deno.test("a node that is no member does not announce itself", async () => {
  const bench = new Bench();
  bench.run("FORGET", "n1");
  bench.members = ["n2", "n3"];
  bench.healer.start();
  await bench.runFor(10_000);
  assertEquals(bench.holders.world.machine.files.layout.find("n1"), undefined);
  bench.members = ["n1", "n2", "n3"];
  await bench.runFor(2_000);
  assert(bench.holders.world.machine.files.layout.find("n1") !== undefined);
});

Deno.test("the scrub finds a flipped byte, and the copy is fetched again", async () => {
  const bench = new Bench();
  const blobs = Array.from({ length: 5 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2", "n3"]);
  bench.healer.start();
  await bench.runFor(2_000);
  bench.holders.disk("n1").flip(blobs[3] ?? "", 500);
  await bench.runFor(10_000);
  for (const blob of blobs) assertEquals(bench.holders.disk("n1").isIntact(blob), true);
  assertEquals(bench.healer.status.scrub.corrupt, 1);
  assertEquals(bench.holdersOf(blobs[3] ?? ""), ["n1", "n2", "n3"]);
});

Deno.test("the scrub goes on after a restart where it was", async () => {
  const bench = new Bench(3, { scrubBytesPerSecond: 20_000, scrubRoundMs: 1e9 });
  const blobs = Array.from({ length: 6 }, () => bench.blob());
  for (const blob of blobs) bench.commit(blob, ["n1", "n2", "n3"]);
  bench.healer.start();
  await bench.runFor(2_000);
  await bench.restart();
  assert(blobs.slice(1, 4).includes(bench.place), bench.place);
  bench.holders.disk("n1").flip(blobs[0] ?? "", 1);
  await bench.runFor(10_000);
  assertEquals(bench.healer.status.scrub.rounds, 1);
  assertEquals(bench.healer.status.scrub.corrupt, 0, "the first one was verified before");
});

Deno.test("an idle node asks little", async () => {
  const bench = new Bench();
  for (let at = 0; at < 5; at++) bench.commit(bench.blob(), ["n1", "n2", "n3"]);
  bench.healer.start();
  await bench.runFor(10_000);
  const before = bench.holders.commands.length;
  await bench.runFor(60_000);
  const asked = bench.holders.commands.slice(before);
  assert(asked.filter((word) => word === "WORK").length <= 3);
  assert(asked.length < 200, `${asked.length} commands in a minute`);
});

Deno.test("commands that fail are repeated", async () => {
  const bench = new Bench();
  const blob = bench.blob();
  bench.commit(blob, ["n2", "n3"]);
  let failures = 0;
  bench.holders.intercept = () => {
    if (bench.holders.world.random() < 0.6) return undefined;
    failures++;
    throw new Error("The connection is broken");
  };
  bench.healer.start();
  await bench.runFor(60_000);
  assertEquals(bench.holdersOf(blob), ["n1", "n2", "n3"]);
  assert(failures > 10);
});
