import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FaultDisk, type FaultDiskOptions } from "../../../tests/support/fault_disk.ts";
import {
  chunksOf,
  contentOfNewest,
  expectedContent,
  metaOf,
  openSnapshots,
  snapshotElsewhere,
  takeSnapshot,
} from "../../../tests/support/snapshots.ts";
import { AssertionFailure, UserError } from "../../base/errors.ts";
import { silentLogger } from "../../base/logger.ts";
import { StrayFiles } from "../stray_files.ts";
import { DiskSnapshots, listSnapshots } from "./disk_snapshots.ts";
import type { SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { snapshotFileName, SnapshotScanner } from "./snapshot_format.ts";

/** Syncs end at once, unless the options say otherwise. */
const newDisk = (options: FaultDiskOptions = {}) =>
  new FaultDisk({ schedule: (run) => run(), ...options });

function taken(store: SnapshotStore, index: number, term: number): StoredSnapshot {
  let snapshot: StoredSnapshot | null = null;
  takeSnapshot(store, index, term, (stored) => snapshot = stored);
  assert(snapshot !== null);
  return snapshot;
}

Deno.test("a snapshot is read as it was written, after a restart too", () => {
  const disk = newDisk();
  const store = openSnapshots(disk);
  assertEquals([store.newest(), [...store.load()], store.openNewest()], [null, [], null]);
  const snapshot = taken(store, 100, 7);
  assertEquals(disk.list("snapshots"), ["00000000000000000100-7.snapshot"]);
  const { sizeBytes: _size, checksum: _checksum, ...meta } = snapshot;
  assertEquals(meta, metaOf(100, 7));
  for (const each of [store, openSnapshots(disk)]) {
    assertEquals(each.newest(), snapshot);
    assertEquals(contentOfNewest(each), expectedContent(100, 7));
  }
});

Deno.test("a snapshot may be without chunks, or have large ones", () => {
  const disk = newDisk();
  const store = openSnapshots(disk);
  store.begin(metaOf(1, 1))?.finish(() => {});
  assertEquals([store.newest()?.index, contentOfNewest(store)], [1, []]);
  takeSnapshot(store, 2, 1, () => {}, 3_000_000);
  assertEquals(contentOfNewest(openSnapshots(disk)), expectedContent(2, 1, 3_000_000));
});

Deno.test("a snapshot counts once it is durable, and not before", () => {
  const running: (() => void)[] = [];
  const disk = newDisk({ schedule: (run) => running.push(run) });
  const store = openSnapshots(disk);
  let stored: StoredSnapshot | null = null;
  takeSnapshot(store, 5, 1, (snapshot) => stored = snapshot);
  const endNext = () => running.shift()?.();
  while (disk.list("snapshots")[0] === "new") {
    assertEquals([store.newest(), stored, disk.unsynced().files.size], [null, null, 1]);
    endNext();
  }
  assertEquals([store.newest(), stored], [null, null], "its name is not durable");
  assertEquals(disk.unsynced().files.size, 0);
  running.shift()?.();
  assertEquals(store.newest()?.index, 5);
  assertEquals(store.newest(), stored);
});

Deno.test("the newest snapshot is kept, and those that are being sent", () => {
  const disk = newDisk();
  const store = openSnapshots(disk);
  taken(store, 1, 1);
  taken(store, 2, 1);
  const source = store.openNewest();
  const again = store.openNewest();
  assert(source !== null && again !== null);
  taken(store, 3, 2);
  store.prune();
  assertEquals(disk.list("snapshots").map((name) => Number(name.slice(0, 20))), [2, 3]);
  source.close();
  source.close();
  store.prune();
  assertEquals(disk.list("snapshots").length, 2);
  const bytes = again.read(0, 1e9);
  assertEquals(bytes, snapshotElsewhere(2, 1).bytes);
  assertEquals(again.read(10, 5), bytes.slice(10, 15));
  assertEquals(again.read(bytes.length, 5).length, 0);
  again.close();
  store.prune();
  assertEquals(disk.list("snapshots").map((name) => Number(name.slice(0, 20))), [3]);
});

Deno.test("a snapshot that is renamed and not yet durable is not pruned", () => {
  const running: (() => void)[] = [];
  const disk = newDisk({ schedule: (run) => running.push(run) });
  const store = openSnapshots(disk);
  const endAll = () => {
    for (let run = running.shift(); run !== undefined; run = running.shift()) run();
  };
  takeSnapshot(store, 5, 1, () => {});
  endAll();
  takeSnapshot(store, 6, 1, () => {});
  const name = "00000000000000000006-1.snapshot";
  while (!disk.list("snapshots").includes(name)) running.shift()?.();
  assertEquals(store.newest()?.index, 5);
  store.prune(); // the transfer of another one has ended
  endAll();
  store.prune();
  assertEquals([store.newest()?.index, disk.list("snapshots")], [6, [name]]);
});

Deno.test("a snapshot arrives in pieces of any size, and continues where it was", () => {
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  for (const pieceBytes of [1, 7, 64, 1000]) {
    const disk = newDisk();
    const store = openSnapshots(disk);
    taken(store, 8, 1);
    for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
      // Each piece may arrive over another connection.
      const incoming = store.receive({ ...snapshot });
      assertEquals(incoming?.offset, offset);
      assertEquals(incoming?.write(bytes.subarray(0, 5), offset + 1), false);
      assert(incoming?.write(bytes.subarray(offset, offset + pieceBytes), offset));
    }
    assertEquals(store.newest()?.index, 8);
    let stored: StoredSnapshot | null = null;
    store.receive(snapshot)?.finish((one) => stored = one);
    assertEquals(stored, snapshot);
    store.prune();
    assertEquals(disk.list("snapshots"), ["00000000000000000050-3.snapshot"]);
    for (const each of [store, openSnapshots(disk)]) {
      assertEquals(each.newest(), snapshot);
      assertEquals(contentOfNewest(each), expectedContent(50, 3));
    }
  }
});

Deno.test("another snapshot replaces the one that is arriving", () => {
  const first = snapshotElsewhere(50, 3);
  const second = snapshotElsewhere(50, 3, 80);
  const store = openSnapshots(newDisk());
  const incoming = store.receive(first.snapshot);
  assert(incoming !== null && incoming.write(first.bytes.subarray(0, 100), 0));
  const other = store.receive(second.snapshot);
  assert(incoming.isAbandoned && !incoming.write(first.bytes.subarray(100), 100));
  assert(other !== null && other.offset === 0 && other.write(second.bytes, 0));
  let stored: StoredSnapshot | null = null;
  incoming.finish((one) => assertEquals(one, null));
  other.finish((one) => stored = one);
  assertEquals(stored, second.snapshot);
  assertEquals(contentOfNewest(store), expectedContent(50, 3, 80));
});

Deno.test("a snapshot that arrives damaged, or differs from the announced one, is abandoned", () => {
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (message: string) => warnings.push(message) };
  const disk = newDisk();
  const store = DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n1", logger });
  const arrive = (announced: StoredSnapshot, content: Uint8Array) => {
    const incoming = store.receive(announced);
    if (incoming?.write(content, 0) === true && incoming.offset === announced.sizeBytes) {
      incoming.finish((stored) => assertEquals(stored, null));
    }
    assert(incoming?.isAbandoned, `${content.length} bytes as ${JSON.stringify(announced)}`);
    assertEquals([store.newest(), disk.list("snapshots")], [null, []]);
  };
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    arrive(snapshot, damaged);
  }
  arrive({ ...snapshot, index: 51 }, bytes);
  arrive({ ...snapshot, term: 2 }, bytes);
  arrive({ ...snapshot, timeMs: 5 }, bytes);
  arrive({ ...snapshot, checksum: 5 }, bytes);
  arrive({ ...snapshot, configuration: { members: [], removed: [] } }, bytes);
  arrive({ ...snapshot, sizeBytes: bytes.length - 1 }, bytes);
  arrive({ ...snapshot, sizeBytes: bytes.length - 1 }, bytes.slice(0, -1));
  assertEquals(warnings.length, bytes.length + 7);
  assertStringIncludes(warnings[20] ?? "", "cannot receive the snapshot of entry 50: at byte 0 is");
  const incoming = store.receive({ ...snapshot, sizeBytes: bytes.length + 1 });
  assert(!incoming?.write(bytes, 0) || incoming.offset < incoming.snapshot.sizeBytes);
  assertThrows(() => store.receive(snapshot)?.finish(() => {}), AssertionFailure);
  const foreign = DiskSnapshots.open(newDisk(), { clusterId: "c2", nodeId: "n1", logger });
  const other = foreign.receive(snapshot);
  other?.write(bytes, 0);
  other?.finish((stored) => assertEquals(stored, null));
  assertStringIncludes(warnings.at(-1) ?? "", "it belongs to cluster c1");
});

Deno.test("a snapshot that is not newer is not accepted", () => {
  const running: (() => void)[] = [];
  const disk = newDisk({ schedule: (run) => running.push(run) });
  const store = openSnapshots(disk);
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  const ended: (StoredSnapshot | null)[] = [];
  // The node's own snapshot is being written while the other arrives.
  const incoming = store.receive(snapshot);
  incoming?.write(bytes, 0);
  incoming?.finish((stored) => ended.push(stored));
  takeSnapshot(store, 40, 3, (stored) => ended.push(stored));
  while (running.length > 0) running.shift()?.();
  assertEquals(ended, [snapshot, null]);
  assertEquals(store.newest(), snapshot);
  store.prune();
  assertEquals(disk.list("snapshots").length, 1);
});

/** A disk whose operations end when the test says so. */
function slowly() {
  const ends: (() => void)[] = [];
  const disk = newDisk({ schedule: (run) => ends.push(run) });
  const isThere = (name: string) => disk.list("snapshots").includes(name);
  return { ends, disk, store: openSnapshots(disk), isThere };
}

const NAME_40 = "00000000000000000040-3.snapshot";
const NAME_50 = "00000000000000000050-3.snapshot";

Deno.test("an older snapshot whose name becomes durable after a newer one's is not the newest", () => {
  const { ends, disk, store, isThere } = slowly();
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  const ended: (StoredSnapshot | null)[] = [];
  takeSnapshot(store, 40, 3, (stored) => ended.push(stored));
  while (!isThere(NAME_40)) ends.shift()?.();
  const nameIsDurable = ends.splice(0);
  const incoming = store.receive(snapshot);
  incoming?.write(bytes, 0);
  incoming?.finish((stored) => ended.push(stored));
  while (ends.length > 0) ends.shift()?.();
  assertEquals([ended, store.newest()], [[snapshot], snapshot]);
  for (const end of nameIsDurable) end();
  assertEquals([ended, store.newest()], [[snapshot, null], snapshot]);
  store.prune();
  assertEquals(disk.list("snapshots"), [NAME_50]);
});

Deno.test("of two snapshots of one entry that end together, the one in the file counts", () => {
  for (const isOwnFirst of [true, false]) {
    const { ends, disk, store, isThere } = slowly();
    const { snapshot, bytes } = snapshotElsewhere(50, 3, 80);
    const ended: (StoredSnapshot | null)[] = [];
    const takeOwn = () => takeSnapshot(store, 50, 3, (stored) => ended.push(stored));
    const receiveOther = () => {
      const incoming = store.receive(snapshot);
      incoming?.write(bytes, 0);
      incoming?.finish((stored) => ended.push(stored));
    };
    const [first, second] = isOwnFirst ? [takeOwn, receiveOther] : [receiveOther, takeOwn];
    first();
    while (!isThere(NAME_50)) ends.shift()?.();
    const nameIsDurable = ends.splice(0);
    second();
    while (ends.length > 0 && disk.list("snapshots").length > 1) ends.shift()?.();
    for (const end of [...nameIsDurable, ...ends.splice(0)]) end();
    const newest = store.newest();
    assert(newest !== null);
    assertEquals(ended.filter((one) => one !== null), [newest], `own first: ${isOwnFirst}`);
    const source = store.openNewest();
    assertEquals(disk.read(`snapshots/${NAME_50}`)?.length, newest.sizeBytes);
    const scanner = new SnapshotScanner(newest.sizeBytes);
    scanner.push(source?.read(0, newest.sizeBytes) ?? new Uint8Array(0));
    assertEquals(scanner.finish().checksum, newest.checksum);
  }
});

Deno.test("an abandoned snapshot leaves nothing behind, and the remains of a crash are removed", () => {
  const running: (() => void)[] = [];
  const disk = newDisk({ schedule: (run) => running.push(run) });
  const store = openSnapshots(disk);
  const writer = store.begin(metaOf(5, 1));
  assertThrows(() => store.begin(metaOf(6, 1)), AssertionFailure);
  writer?.finish((stored) => assertEquals(stored, null));
  writer?.abandon();
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  store.receive(snapshot)?.write(bytes.subarray(0, 9), 0);
  store.begin(metaOf(6, 1))?.write(chunksOf(6, 1)[0] ?? new Uint8Array(1));
  const crashed = disk.afterCrash(null);
  assertEquals(crashed.list("snapshots"), ["incoming", "new"]);
  assertEquals(openSnapshots(crashed).newest(), null);
  assertEquals(crashed.list("snapshots"), []);
  store.close();
  while (running.length > 0) running.shift()?.();
  assertEquals(disk.list("snapshots"), []);
});

Deno.test("a full disk costs the snapshot, at any step of it", () => {
  for (let number = 1;; number++) {
    let writes = 0;
    const warnings: string[] = [];
    const disk = newDisk({
      fault: ({ kind, path }) => {
        if (path === "snapshots" || !path.startsWith("snapshots")) return null;
        if (kind !== "write" && kind !== "create" && kind !== "sync") return null;
        return ++writes === number ? { kind: "error", error: new Error("disk full") } : null;
      },
    });
    const logger = { info() {}, error() {}, warn: (message: string) => warnings.push(message) };
    const store = DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n1", logger });
    let failures = 0;
    takeSnapshot(store, 5, 1, (stored) => failures += stored === null ? 1 : 0);
    const { snapshot, bytes } = snapshotElsewhere(50, 3);
    for (let attempt = 0; attempt < 2 && store.newest()?.index !== 50; attempt++) {
      const incoming = store.receive(snapshot);
      incoming?.write(bytes.subarray(0, 100), 0);
      incoming?.write(bytes.subarray(100), 100);
      if (incoming !== null && incoming.offset === bytes.length) incoming.finish(() => {});
    }
    assertEquals(store.newest()?.index, 50, `write ${number}`);
    if (number > writes) {
      assert(number > 10);
      assertEquals([warnings, failures], [[], 0]);
      break;
    }
    assertEquals(warnings.length, 1, `write ${number}`);
    assertStringIncludes(warnings[0] ?? "", "disk full");
    takeSnapshot(store, 60, 3, () => {});
    store.prune();
    assertEquals(openSnapshots(disk.afterCrash(null)).newest()?.index, 60);
    assertEquals(disk.list("snapshots").length, 1);
  }
});

Deno.test("a failure to remove an old snapshot is reported and does no harm", () => {
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (message: string) => warnings.push(message) };
  const disk = newDisk({
    fault: ({ kind }) => kind === "remove" ? { kind: "error", error: new Error("no") } : null,
  });
  const store = DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n1", logger });
  taken(store, 1, 1);
  taken(store, 2, 1);
  store.prune();
  store.prune();
  const path = "data/n1/snapshots/00000000000000000001-1.snapshot";
  assertEquals(warnings, [`cannot remove ${path}: no`]);
  assertEquals(store.newest()?.index, 2);
});

Deno.test("a stray file beside the snapshots is reported once and does no harm, whatever it is", () => {
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (message: string) => warnings.push(message) };
  const disk = newDisk();
  taken(openSnapshots(disk), 5, 1);
  disk.plant("snapshots/thesis.tex", new Uint8Array(5));
  disk.makeDirectory("snapshots/00000000000000000009-1.snapshot");
  disk.makeDirectory("snapshots/incoming");
  const store = DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n1", logger });
  assertEquals(store.newest()?.index, 5);
  taken(store, 6, 1);
  store.prune();
  store.prune();
  assertEquals(store.newest()?.index, 6);
  assert(!disk.list("snapshots").includes("00000000000000000005-1.snapshot"));
  assertEquals(warnings.map((line) => line.replaceAll("data/n1/snapshots/", "")), [
    "ignores thesis.tex, which is not a file of Regent",
    "cannot remove incoming: Cannot open snapshots/incoming: there is no such file",
    "cannot read 00000000000000000009-1.snapshot: Cannot open " +
    "snapshots/00000000000000000009-1.snapshot: there is no such file",
    "cannot remove 00000000000000000009-1.snapshot: Cannot open " +
    "snapshots/00000000000000000009-1.snapshot: there is no such file",
  ]);
});

Deno.test("snapshots of another cluster are refused", () => {
  const disk = newDisk();
  taken(openSnapshots(disk), 5, 1);
  const other = () => DiskSnapshots.open(disk, { clusterId: "c2", nodeId: "n1" });
  assertThrows(other, UserError, "it belongs to cluster c1, and this is a node of cluster c2");
});

Deno.test("snapshots are listed newest first: by entry, and of one entry by term", () => {
  const disk = newDisk();
  disk.makeDirectory("snapshots");
  const names = [[9, 12], [10, 2], [10, 11], [2, 40]].map(([index = 0, term = 0]) =>
    snapshotFileName({ index, term })
  );
  for (const name of names) disk.open(`snapshots/${name}`, "create").close();
  const listed = listSnapshots(new StrayFiles(disk, silentLogger));
  assertEquals(listed, [names[2], names[1], names[0], names[3]]);
});

Deno.test("files that are being sent are closed with the store", () => {
  let openCount = 0;
  const disk = newDisk();
  const counting = new Proxy(disk, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "open") return typeof value === "function" ? value.bind(target) : value;
      return (...args: Parameters<typeof disk.open>) => {
        const file = disk.open(...args);
        openCount++;
        return { ...file, close: () => (openCount--, file.close()) };
      };
    },
  });
  const store = openSnapshots(counting);
  taken(store, 100, 7);
  const before = openCount;
  assert(store.openNewest() !== null && store.openNewest() !== null);
  assertEquals(openCount, before + 2);
  store.close();
  assertEquals(openCount, before);
});

Deno.test("a snapshot that is whole takes no more bytes", () => {
  const { snapshot, bytes } = snapshotElsewhere(50, 3);
  const store = openSnapshots(newDisk());
  const incoming = store.receive(snapshot);
  assertEquals(incoming?.write(bytes, 0), true);
  assertEquals(incoming?.write(bytes.subarray(0, 1), bytes.length), false);
  assertEquals(incoming?.write(new Uint8Array(0), bytes.length), true);
  assertEquals(incoming?.offset, bytes.length);
});
