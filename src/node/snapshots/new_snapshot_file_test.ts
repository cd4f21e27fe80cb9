import { assert, assertEquals } from "@std/assert";
import {
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { SlowDisk } from "../../../tests/support/slow_disk.ts";
import { UnfinishedFile } from "./new_snapshot_file.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A file on a disk that takes 50 ms per write and per sync. */
function start(fault: (operation: DiskOperation) => DiskFault | null = () => null) {
  const clock = new ManualClock();
  const inner = new FaultDisk({ schedule: (run) => run(), fault });
  inner.makeDirectory("s");
  const disk = new SlowDisk(inner, clock, 50);
  const failures: string[] = [];
  const file = new UnfinishedFile(disk, "s/new", (message) => void failures.push(message));
  return { clock, inner, disk, file, failures };
}

/** Bytes that depend on their offset. */
function content(bytes: number): Uint8Array {
  const content = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) content[at] = at * 7 + (at >> 8) * 13 + (at >> 16);
  return content;
}

/** Faster than `assertEquals` for megabytes. */
function isEqual(left: Uint8Array | null | undefined, right: Uint8Array): boolean {
  return left?.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Writes all of it in pieces, from one reused buffer. */
function give(file: UnfinishedFile, bytes: Uint8Array, pieceBytes: number): void {
  const buffer = new Uint8Array(pieceBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    buffer.set(piece);
    assert(file.write(buffer.subarray(0, piece.length)));
  }
}

Deno.test("pieces reach a slow disk in order, one write at a time, and few at that", () => {
  const { clock, inner, disk, file, failures } = start();
  const bytes = content(9 * MIB + 5);
  give(file, bytes, 32 * KIB);
  assertEquals([file.sizeBytes, file.unsyncedBytes], [bytes.length, bytes.length]);
  clock.advance(60);
  give(file, content(3), 3);
  let isThere: boolean | null = null;
  file.publish("s/whole", () => true, (is) => isThere = is);
  const all = new Uint8Array(bytes.length + 3);
  all.set(bytes);
  all.set(content(3), bytes.length);
  for (let step = 0; step < 100 && isThere === null; step++) {
    assert(disk.list("s").includes("new") || inner.read("s/whole")?.length === all.length);
    clock.advance(10);
  }
  assertEquals([isThere, file.unsyncedBytes, failures], [true, 0, []]);
  assert(isEqual(inner.read("s/whole"), all));
  assert(isEqual(inner.durableFile("s/whole")?.content(), all));
  const writes = disk.asked.filter(({ kind }) => kind === "write");
  assert(writes.length <= 12, `${writes.length} writes`);
  assert(writes.every((write) => write.bytes <= MIB));
});

Deno.test("a file is synced while it grows, so that the last sync is short", () => {
  const { clock, disk, file } = start();
  const mostAtOnce = () => {
    let most = 0;
    let since = 0;
    for (const { kind, bytes } of disk.asked) {
      since = kind === "sync" ? 0 : since + bytes;
      most = Math.max(most, since);
    }
    return most;
  };
  give(file, content(12 * MIB), 128 * KIB);
  clock.advance(2_000);
  assert(mostAtOnce() < 5 * MIB, `${mostAtOnce()} bytes without a sync`);
  assert(file.unsyncedBytes < 5 * MIB);
});

for (const kind of ["write", "sync"] as const) {
  for (const number of [1, 2]) {
    Deno.test(`${kind} ${number} fails later: it is reported once, and nothing is left or published`, () => {
      let count = 0;
      const error = new Error("disk full");
      const { clock, inner, file, failures } = start((operation) =>
        operation.kind === kind && ++count === number ? { kind: "error", error } : null
      );
      give(file, content(5 * MIB), 128 * KIB);
      const told: boolean[] = [];
      const isAsked = number === 2;
      if (isAsked) file.publish("s/whole", () => true, (isThere) => void told.push(isThere));
      clock.advance(5_000);
      if (!isAsked) file.publish("s/whole", () => true, (isThere) => void told.push(isThere));
      clock.advance(5_000);
      assertEquals([failures, told, file.isAbandoned], [["disk full"], [false], true]);
      assertEquals(inner.list("s"), []);
    });
  }
}

Deno.test("a file that is abandoned while the disk is busy with it is gone at once, and reported later", () => {
  const { clock, inner, disk, file, failures } = start();
  give(file, content(MIB), 128 * KIB);
  const told: boolean[] = [];
  file.publish("s/whole", () => true, (isThere) => void told.push(isThere));
  file.abandon();
  assertEquals(inner.list("s"), []);
  const next = new UnfinishedFile(disk, "s/new", (message) => void failures.push(message));
  assert(next.write(content(10)));
  clock.advance(1_000);
  assertEquals([told, failures], [[false], []]);
  assertEquals(inner.read("s/new"), content(10));
});

Deno.test("an abandoned file takes nothing any more", () => {
  const { clock, inner, file } = start();
  assertEquals(file.write(content(10)), true);
  file.abandon();
  assertEquals(file.write(content(10)), false);
  clock.advance(1_000);
  assertEquals(inner.list("s"), []);
});
