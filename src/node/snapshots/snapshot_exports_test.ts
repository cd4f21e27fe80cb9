import { assert, assertEquals, assertThrows } from "@std/assert";
import { DiskCluster } from "../../../tests/support/disk_cluster.ts";
import { MemoryClient } from "../../../tests/support/node/memory_cluster.ts";
import { EXPORTS_MAX, type SnapshotExport, type SnapshotExports } from "./snapshot_exports.ts";
import { SnapshotScanner } from "./snapshot_format.ts";

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

function read(cluster: DiskCluster, held: SnapshotExport, offset: number, bytes: number) {
  let answer: Uint8Array | Error | undefined;
  held.read(offset, bytes, (read) => answer = read);
  cluster.until(() => answer !== undefined);
  if (answer instanceof Error) throw answer;
  return answer ?? new Uint8Array(0);
}

function filesOf(cluster: DiskCluster): readonly string[] {
  return cluster.life("n1").disk.list("snapshots");
}

Deno.test("a client's snapshot covers everything applied, and is sound", async () => {
  await withNode((cluster, exports) => {
    const { appliedIndex } = cluster.life("n1").node.report();
    const held = begin(cluster, exports);
    const snapshot = held.source?.snapshot;
    assert(snapshot !== undefined);
    assertEquals(snapshot.index, appliedIndex);
    const scanner = new SnapshotScanner(snapshot.sizeBytes);
    for (let at = 0; at < snapshot.sizeBytes; at += 1_000) {
      scanner.push(read(cluster, held, at, 1_000));
    }
    assertEquals(scanner.finish().checksum, snapshot.checksum);
  });
});

Deno.test("a file that is damaged, truncated or missing costs one backup: the next has another file", async () => {
  for (const harm of ["damaged", "cut short", "gone"] as const) {
    await withNode((cluster, exports) => {
      begin(cluster, exports).end();
      const { disk } = cluster.life("n1");
      const path = `snapshots/${filesOf(cluster).at(-1)}`;
      const bytes = disk.read(path) ?? new Uint8Array(0);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      if (harm === "gone") disk.remove(path);
      else disk.plant(path, harm === "damaged" ? bytes : bytes.slice(0, bytes.length >> 1));
      const whole = (): Uint8Array => {
        let refusal: string | null | undefined;
        const held = exports.begin((reason) => refusal = reason);
        assert(held !== null);
        cluster.until(() => refusal !== undefined);
        if (typeof refusal === "string") throw new Error(refusal);
        const sizeBytes = held.source?.snapshot.sizeBytes ?? 0;
        const scanner = new SnapshotScanner(sizeBytes);
        for (let at = 0; at < sizeBytes; at += 1_000) {
          scanner.push(read(cluster, held, at, 1_000));
        }
        scanner.finish();
        held.end();
        return bytes;
      };
      assertThrows(whole, Error, harm === "damaged" ? "a new one is taken" : "");
      whole();
    });
  }
});

Deno.test("a new snapshot is taken only if something is newer than the newest one", async () => {
  await withNode((cluster, exports) => {
    const first = begin(cluster, exports).source?.snapshot;
    const second = begin(cluster, exports).source?.snapshot;
    assertEquals(second, first);
    write(cluster, "more", 1);
    const third = begin(cluster, exports).source?.snapshot;
    assertEquals(third?.index, (first?.index ?? 0) + 1);
  });
});

Deno.test("a backup that begins while a snapshot is taken contains what was applied by then", async () => {
  await withNode((cluster, exports) => {
    assert(cluster.life("n1").node.snapshots?.take());
    write(cluster, "more", 1);
    const { appliedIndex } = cluster.life("n1").node.report();
    assertEquals(begin(cluster, exports).source?.snapshot.index, appliedIndex);
  });
});

Deno.test("a file is kept as long as somebody reads it, and then removed", async () => {
  await withNode((cluster, exports) => {
    const held = begin(cluster, exports);
    const [name] = filesOf(cluster);
    write(cluster, "more", 1);
    begin(cluster, exports).end();
    assertEquals(filesOf(cluster).length, 2);
    assertEquals(read(cluster, held, 0, 8).length, 8);
    held.end();
    cluster.until(() => filesOf(cluster).length === 1);
    assert(name !== filesOf(cluster)[0]);
    assertThrows(() => read(cluster, held, 0, 8), Error, "not held any more");
  });
});

Deno.test("no read waits for the disk on the event loop, and each is answered once, in order", async () => {
  await withNode((cluster, exports) => {
    const held = begin(cluster, exports);
    const whole = read(cluster, held, 0, 1e6);
    const answers: (Uint8Array | Error)[] = [];
    for (const offset of [0, 100, 200]) held.read(offset, 50, (answer) => answers.push(answer));
    assertEquals(answers, []);
    cluster.until(() => answers.length === 3);
    assertEquals(answers, [0, 100, 200].map((offset) => whole.slice(offset, offset + 50)));
    for (const offset of [0, 100]) held.read(offset, 50, (answer) => answers.push(answer));
    held.end();
    cluster.clock.advance(1_000);
    assertEquals(answers.slice(3).map((answer) => answer instanceof Error), [true, true]);
  });
});

Deno.test("the number of open backups is bounded, and idle ones end by themselves", async () => {
  await withNode((cluster, exports) => {
    const held = Array.from({ length: EXPORTS_MAX }, () => begin(cluster, exports));
    assertEquals(exports.begin(() => {}), null);
    for (let minute = 0; minute < 4; minute++) {
      cluster.clock.advance(60_000);
      held[0]?.read(0, 1, () => {});
    }
    cluster.clock.advance(60_000);
    cluster.clock.advance(1_000);
    assertEquals(held.map(({ source }) => source !== null), [true, false, false, false]);
    begin(cluster, exports);
  });
});

Deno.test("a disk that cannot store a snapshot makes the backup fail, and the next one tries again", async () => {
  await withNode((cluster, exports) => {
    const error = new Error("disk full");
    cluster.faults.set(
      "n1",
      ({ path }) => path.startsWith("snapshots/") ? { kind: "error", error } : null,
    );
    let refusal: string | null | undefined;
    exports.begin((reason) => refusal = reason);
    cluster.until(() => refusal !== undefined);
    assertEquals(refusal, "its disk cannot store a snapshot");
    cluster.faults.delete("n1");
    begin(cluster, exports);
  });
});

Deno.test("clients that wait for a snapshot get an error when the node stops", async () => {
  await withNode((cluster, exports) => {
    const held = begin(cluster, exports);
    write(cluster, "later", 1);
    const refusals: (string | null)[] = [];
    exports.begin((reason) => refusals.push(reason));
    exports.begin((reason) => refusals.push(reason))?.end(); // its client is gone
    assertEquals(refusals, []);
    exports.stop();
    assertEquals([refusals, held.source], [["it is stopping"], null]);
    cluster.clock.advance(1_000);
    assertEquals(refusals.length, 1);
  });
});

Deno.test("a backup that begins while a snapshot of the same state is taken waits for that one", async () => {
  await withNode((cluster, exports) => {
    const { node } = cluster.life("n1");
    const before = node.snapshots?.report().count ?? NaN;
    assert(node.snapshots?.take());
    let refusal: string | null | undefined;
    const held = exports.begin((reason) => refusal = reason);
    node.snapshots?.exports.tick();
    cluster.until(() => refusal !== undefined);
    assertEquals([refusal, held?.source?.snapshot.index], [null, node.report().appliedIndex]);
    assertEquals(node.snapshots?.report().count, before + 1);
  });
});

Deno.test("a backup that is ended twice frees its place once", async () => {
  await withNode((cluster, exports) => {
    const held = Array.from({ length: EXPORTS_MAX }, () => begin(cluster, exports));
    assertEquals(exports.begin(() => {}), null);
    for (let count = 0; count < 2; count++) held[0]?.end();
    begin(cluster, exports);
    assertEquals(exports.begin(() => {}), null);
  });
});
