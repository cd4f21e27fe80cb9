import { assertEquals } from "@std/assert";
import { DiskCluster } from "../../tests/support/disk_cluster.ts";
import { MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { StateMachine } from "../commands/state_machine.ts";
import type { Node } from "../node/node.ts";
import type { Clock } from "../platform/clock.ts";
import { type ListenerCounts, nodeInfo } from "./info.ts";
import { Rates, type RespListener } from "./listener.ts";
import { NodeFrontend } from "./node_frontend.ts";

/** A field of a node's `INFO`, of `raft` unless said otherwise. */
function fieldOf(
  cluster: { readonly clock: Clock },
  node: Node,
  name: string,
  section = "raft",
): string | undefined {
  const totals = { connections: 0, requests: 0, rejected: 0, inputBytes: 0, outputBytes: 0 };
  const listener: ListenerCounts = {
    totals,
    rates: new Rates(totals, 0),
    clock: cluster.clock,
    address: { host: "127.0.0.1", port: 7001 },
    connections: { size: 0 },
    limits: { clientsMax: 10_000 },
  };
  const text = nodeInfo({
    node,
    machine: new StateMachine(),
    facts: PROCESS_FACTS,
    clock: cluster.clock,
    listener: () => listener,
  }, [section]);
  return text.split("\r\n").find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1);
}

Deno.test("INFO reports how far a node's clock is from the others', ahead and behind", async () => {
  const cluster = await MemoryCluster.start(3, {}, [0, 2_500, -700]);
  try {
    const offsets = () => cluster.nodes.map((node) => fieldOf(cluster, node, "clock_offset_ms"));
    assertEquals(offsets(), ["", "", ""], "no node has heard of another's clock");
    cluster.untilServing();
    cluster.clock.advance(3_000);
    assertEquals(offsets().map((text) => Math.round(Number(text) / 100) * 100), [0, 2_500, -700]);
  } finally {
    cluster.stop();
  }
});

Deno.test("INFO persistence is of nodes that keep snapshots, and shows whether one is taken", async () => {
  const cluster = new DiskCluster(1);
  await cluster.startAll();
  try {
    cluster.untilServing();
    const { node } = cluster.life("n1");
    const isSaving = () => fieldOf(cluster, node, "rdb_bgsave_in_progress", "persistence");
    assertEquals(isSaving(), "0");
    node.snapshots?.take();
    assertEquals(isSaving(), "1");
  } finally {
    cluster.stop();
  }
  const without = await MemoryCluster.start(1);
  const field = fieldOf(without, without.nodes[0] as Node, "rdb_bgsave_in_progress", "persistence");
  assertEquals(field, undefined);
  without.stop();
});

Deno.test("CONFIG RESETSTAT sets the number of snapshots in INFO to zero", async () => {
  const cluster = new DiskCluster(1);
  await cluster.startAll();
  try {
    cluster.untilServing();
    const { node, machine } = cluster.life("n1");
    const totals = { connections: 0, requests: 0, rejected: 0, inputBytes: 0, outputBytes: 0 };
    const listener = {
      totals,
      rates: new Rates(totals, 0),
      clock: cluster.clock,
      address: { host: "127.0.0.1", port: 7001 },
      connections: new Map(),
      limits: { clientsMax: 10_000 },
      resetTotals() {},
    } as unknown as RespListener;
    const frontend = new NodeFrontend({
      ...{ node, machine, clock: cluster.clock, facts: PROCESS_FACTS, config: new Map() },
      listener: () => listener,
    });
    const saves = () => /^rdb_saves:.*$/m.exec(frontend.info(["persistence"]))?.[0].trim();
    node.snapshots?.take();
    cluster.until(() => saves() === "rdb_saves:1");
    frontend.resetStatistics();
    assertEquals(saves(), "rdb_saves:0");
  } finally {
    cluster.stop();
  }
});
