import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskCluster } from "../../../tests/support/disk_cluster.ts";
import { MemoryClient } from "../testing/memory_cluster.ts";
import { EXPORTS_MAX, type SnapshotExport, type SnapshotExports } from "./snapshot_exports.ts";
import { SnapshotScanner } from "./snapshot_scanner.ts";

async function withNode(
  run: (cluster: DiskCluster, exports: SnapshotExports) => void,
): Promise<void> {
  const cluster = new DiskCluster(1);
  await cluster.startAll();
  cluster.untilServing();
  write(cluster, "k", 10);
  const exports = cluster.life("n1").node.snapshots?.exports;
  assert(exports !== undefined);
  try {
    run(cluster, exports);
  } finally {
    cluster.stop();
  }
}

function write(cluster: DiskCluster, key: string, count: number): void {
  const client = new MemoryClient(cluster.life("n1").node);
  for (let at = 0; at < count; at++) {
    const answer = client.send("SET", `${key}${at}`, "v".repeat(1_000));
    cluster.until(() => answer.reply !== undefined);
  }
}

function begin(cluster: DiskCluster, exports: SnapshotExports): SnapshotExport {
  let refusal: string | null | undefined;
  const held = exports.begin((reason) => refusal = reason);
  assert(held !== null);
  cluster.until(() => refusal !== undefined);
  assertEquals(refusal, null);
  return held;
}

function filesOf(cluster: DiskCluster): readonly string[] {
  return cluster.life("n1").disk.list("snapshots");
}

Deno.test("a client's snapshot covers all that is applied, and is sound", async () => {
  await withNode((cluster, exports) => {
    const { appliedIndex } = cluster.life("n1").node.report();
    const held = begin(cluster, exports);
    const snapshot = held.source?.snapshot;
    assert(snapshot !== undefined);
    assertEquals(snapshot.index, appliedIndex);
    const scanner = new SnapshotScanner(snapshot.sizeBytes);
    for (let at = 0; at < snapshot.sizeBytes; at += 1_000) scanner.push(held.read(at, 1_000));
    assertEquals(scanner.finish().checksum, snapshot.checksum);
  });
});

Deno.test("the newest snapshot is taken again only when something is newer", async () => {
  await withNode((cluster, exports) => {
    const first = begin(cluster, exports).source?.snapshot;
    const second = begin(cluster, exports).source?.snapshot;
    assertEquals(second, first);
    write(cluster, "more", 1);
    const third = begin(cluster, exports).source?.snapshot;
    assertEquals(third?.index, (first?.index ?? 0) + 1);
  });
});

Deno.test("one that begins while a snapshot is taken gets what was applied by then", async () => {
  await withNode((cluster, exports) => {
    assert(cluster.life("n1").node.snapshots?.take());
    write(cluster, "more", 1);
    const { appliedIndex } = cluster.life("n1").node.report();
    assertEquals(begin(cluster, exports).source?.snapshot.index, appliedIndex);
  });
});

Deno.test("a file stays as long as somebody reads it, and goes then", async () => {
  await withNode((cluster, exports) => {
    const held = begin(cluster, exports);
    const [name] = filesOf(cluster);
    write(cluster, "more", 1);
    begin(cluster, exports).end();
    assertEquals(filesOf(cluster).length, 2);
    assertEquals(held.read(0, 8).length, 8);
    held.end();
    cluster.until(() => filesOf(cluster).length === 1);
    assert(name !== filesOf(cluster)[0]);
    assertThrows(() => held.read(0, 8), Error, "not held any more");
  });
});

Deno.test("only so many are open at once, and idle ones end by themselves", async () => {
  await withNode((cluster, exports) => {
    const held = Array.from({ length: EXPORTS_MAX }, () => begin(cluster, exports));
    assertEquals(exports.begin(() => {}), null);
    for (let minute = 0; minute < 4; minute++) {
      cluster.clock.advance(60_000);
      held[0]?.read(0, 1);
    }
    cluster.clock.advance(60_000);
    cluster.clock.advance(1_000);
    assertEquals(held.map(({ source }) => source !== null), [true, false, false, false]);
    begin(cluster, exports);
  });
});

Deno.test("a disk that takes no snapshot refuses the client, and the next one is tried anew", async () => {
  await withNode((cluster, exports) => {
    const error = new Error("disk full");
    cluster.faults.set(
      "n1",
      ({ path }) => path.startsWith("snapshots/") ? { kind: "error", error } : null,
    );
    let refusal: string | null | undefined;
    exports.begin((reason) => refusal = reason);
    cluster.until(() => refusal !== undefined);
    assertEquals(refusal, "its disk does not take a snapshot");
    cluster.faults.delete("n1");
    begin(cluster, exports);
  });
});
