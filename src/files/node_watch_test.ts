import { assertEquals } from "@std/assert";
import { Holders } from "../../tests/support/files/holders.ts";
import { silentLogger } from "../base/logger.ts";
import { HEALER_LIMITS } from "./healer_limits.ts";
import { NodeWatch } from "./node_watch.ts";

class Bench {
  readonly holders = new Holders(4);
  readonly silent = new Set<string>();
  readonly hanging = new Set<string>();
  isLeader = true;
  members: string[] | null = ["n1", "n2", "n3", "n4"];
  readonly watch: NodeWatch;

  constructor() {
    const { metadata, layout, clock } = this.holders;
    this.holders.ping = ((address: string) => {
      const id = `n${Number(address.split(":")[1]) - 7000}`;
      if (this.hanging.has(id)) return new Promise(() => {});
      return this.silent.has(id) ? Promise.reject(new Error("refused")) : Promise.resolve(true);
    }) as never;
    this.watch = new NodeWatch({
      node: "n1",
      metadata,
      layout,
      peers: this.holders,
      isLeader: () => this.isLeader,
      members: () => this.members,
      clock,
      logger: silentLogger,
      limits: { ...HEALER_LIMITS, outGraceMs: 10_000, forgetMs: 5_000 },
    });
    this.watch.start();
  }

  get out(): string[] {
    const { nodes } = this.holders.world.machine.files.layout;
    return nodes.filter(({ isOut }) => isOut).map(({ id }) => id);
  }

  get layout(): string[] {
    return this.holders.world.machine.files.layout.nodes.map(({ id }) => id);
  }
}

Deno.test("a node that is silent for the grace time is out, and not before", async () => {
  const bench = new Bench();
  await bench.holders.runFor(3_000);
  bench.silent.add("n2");
  await bench.holders.runFor(8_000);
  assertEquals(bench.out, []);
  bench.silent.clear();
  await bench.holders.runFor(3_000);
  bench.silent.add("n2");
  await bench.holders.runFor(9_000);
  assertEquals(bench.out, []);
  await bench.holders.runFor(4_000);
  assertEquals(bench.out, ["n2"]);
});

Deno.test("a node whose answer never comes is silent too, until one comes", async () => {
  const bench = new Bench();
  bench.hanging.add("n3");
  await bench.holders.runFor(4_000);
  bench.hanging.clear();
  await bench.holders.runFor(10_000);
  assertEquals(bench.out, []);
  bench.hanging.add("n3");
  await bench.holders.runFor(18_000);
  assertEquals(bench.out, ["n3"]);
});

Deno.test("a leader that hears nobody blames itself", async () => {
  const bench = new Bench();
  for (const id of ["n2", "n3", "n4"]) bench.silent.add(id);
  await bench.holders.runFor(60_000);
  assertEquals(bench.out, []);
});

Deno.test("who does not lead puts nobody out, and a new leader begins from the start", async () => {
  const bench = new Bench();
  bench.isLeader = false;
  bench.silent.add("n2");
  await bench.holders.runFor(30_000);
  assertEquals(bench.out, []);
  bench.isLeader = true;
  await bench.holders.runFor(9_000);
  bench.isLeader = false;
  await bench.holders.runFor(3_000);
  bench.isLeader = true;
  await bench.holders.runFor(9_000);
  assertEquals(bench.out, []);
});

Deno.test("a node that is no member any more leaves the layout after a while", async () => {
  const bench = new Bench();
  bench.members = ["n1", "n2", "n3"];
  await bench.holders.runFor(4_000);
  assertEquals(bench.layout.length, 4);
  bench.members = ["n1", "n2", "n3", "n4"];
  await bench.holders.runFor(2_000);
  bench.members = ["n1", "n2", "n3"];
  await bench.holders.runFor(4_500);
  assertEquals(bench.layout.length, 4);
  await bench.holders.runFor(3_000);
  assertEquals(bench.layout, ["n1", "n2", "n3"]);
});

Deno.test("a configuration that is unknown or lacks the leader itself proves nothing", async () => {
  const bench = new Bench();
  bench.members = null;
  await bench.holders.runFor(20_000);
  bench.members = ["n2"];
  await bench.holders.runFor(20_000);
  assertEquals(bench.layout.length, 4);
});

Deno.test("stopping ends the watch at once", async () => {
  const bench = new Bench();
  await bench.holders.runFor(3_500);
  const before = bench.holders.clock.monotonicMs();
  await bench.holders.result(bench.watch.stop());
  assertEquals(bench.holders.clock.monotonicMs() - before < 10, true);
  const { length } = bench.holders.commands;
  await bench.holders.runFor(10_000);
  assertEquals(bench.holders.commands.length, length);
});
