import { DiskSnapshots } from "../../src/node/snapshots/disk_snapshots.ts";
import type {
  SnapshotMeta,
  SnapshotStore,
  StoredSnapshot,
} from "../../src/node/snapshots/snapshot.ts";
import type { Disk } from "../../src/platform/disk.ts";
import { FaultDisk } from "./fault_disk.ts";
import { configurationOf } from "./log_entries.ts";

const encoder = new TextEncoder();

export function metaOf(index: number, term: number): SnapshotMeta {
  const timeMs = 1_700_000_000_000 + index;
  return { index, term, timeMs, machineVersion: 1, configuration: configurationOf(3) };
}

/** The content of the snapshot of this entry: some chunks that identify it. */
export function chunksOf(index: number, term: number, chunkBytes = 40): Uint8Array[] {
  return [1, 2, 3].map((chunk) =>
    encoder.encode(JSON.stringify([index, term, chunk, "x".repeat(chunkBytes)]))
  );
}

export function openSnapshots(disk: Disk): DiskSnapshots {
  return DiskSnapshots.open(disk, { clusterId: "c1", nodeId: "n1" });
}

/** Writes a snapshot. The disk must finish its syncs at once. */
export function takeSnapshot(
  store: SnapshotStore,
  index: number,
  term: number,
  done: (snapshot: StoredSnapshot | null) => void,
  chunkBytes = 40,
): void {
  const writer = store.begin(metaOf(index, term));
  for (const chunk of chunksOf(index, term, chunkBytes)) writer?.write(chunk);
  if (writer === null) done(null);
  else writer.finish(done);
}

/** A snapshot that another node has taken. */
export function snapshotElsewhere(
  index: number,
  term: number,
  chunkBytes = 40,
): { readonly snapshot: StoredSnapshot; readonly bytes: Uint8Array } {
  const store = openSnapshots(new FaultDisk({ schedule: (run) => run() }));
  takeSnapshot(store, index, term, () => {}, chunkBytes);
  const source = store.openNewest();
  if (source === null) throw new Error("no snapshot was taken");
  const { snapshot } = source;
  return { snapshot, bytes: source.read(0, snapshot.sizeBytes) };
}

export const contentOfNewest = (store: SnapshotStore): string[] =>
  [...store.load()].map((chunk) => new TextDecoder().decode(chunk));

export const expectedContent = (index: number, term: number, chunkBytes = 40): string[] =>
  chunksOf(index, term, chunkBytes).map((chunk) => new TextDecoder().decode(chunk));
