import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { entriesOf } from "../../../tests/support/log_entries.ts";
import {
  contentOfNewest,
  expectedContent,
  openSnapshots,
  takeSnapshot,
} from "../../../tests/support/snapshots.ts";
import { UserError } from "../../base/errors.ts";
import { openDataDirectory } from "../log/data_directory.ts";
import { RecordWriter } from "../log/record.ts";
import { encodeSnapshotEnd } from "./snapshot_format.ts";

const OLDER = "snapshots/00000000000000000010-1.snapshot";
const NEWER = "snapshots/00000000000000000020-1.snapshot";

/** Entries 1 to 30 and two snapshots. The log may start after either of them. */
function written(compactedTo: number): FaultDisk {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const { log, snapshots } = open(disk);
  log.append({ term: 1, vote: "n1" }, [], () => {});
  for (let index = 1; index <= 30; index++) log.append(null, entriesOf(index, index, 1), () => {});
  takeSnapshot(snapshots, 10, 1, () => {});
  takeSnapshot(snapshots, 20, 1, () => {});
  log.compact(compactedTo);
  assertEquals(log.firstIndex(), compactedTo + 1);
  log.close();
  return disk;
}

function open(disk: FaultDisk) {
  return openDataDirectory(disk, {
    nodeId: "n1",
    nonce: "nonce",
    clusterId: "c1",
    members: new Map([["n1", "127.0.0.1:17001"]]),
    // One entry in each segment.
    segmentBytesMax: 600,
    onFailure: (error) => {
      throw error;
    },
  });
}

const refusal = (disk: FaultDisk) => assertThrows(() => open(disk), UserError).message;

function bytesOf(disk: FaultDisk, path: string): Uint8Array {
  const bytes = disk.read(path);
  assert(bytes !== null, path);
  return bytes;
}

/** Each byte flipped, each length cut to, and extra bytes after the end. */
function* damagedVersions(bytes: Uint8Array): Generator<[string, Uint8Array]> {
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      yield [`byte ${at} ^ ${flip}`, damaged];
    }
    yield [`cut to ${at}`, bytes.slice(0, at)];
  }
  yield ["one byte more", new Uint8Array([...bytes, 0])];
  yield ["twice", new Uint8Array([...bytes, ...bytes])];
}

Deno.test("a damaged snapshot is never used: the start uses an older one and the log, or is refused", () => {
  const reaching = written(10);
  const short = written(20);
  for (const [hint, damaged] of damagedVersions(bytesOf(reaching, NEWER))) {
    const first = reaching.afterCrash(null);
    first.plant(NEWER, damaged);
    const { log, snapshots } = open(first);
    assertEquals(snapshots.newest()?.index, 10, hint);
    assertEquals(contentOfNewest(snapshots), expectedContent(10, 1), hint);
    assertEquals([log.firstIndex(), log.lastIndex()], [11, 30], hint);
    assertStringIncludes(snapshots.damage.join(), `Cannot read data/n1/${NEWER}: `, hint);

    const second = short.afterCrash(null);
    second.plant(NEWER, damaged);
    const message = refusal(second);
    assertStringIncludes(message, `Cannot read data/n1/${NEWER}: `, hint);
    assertStringIncludes(message, "entries 11 to 20 are missing", hint);
  }
});

Deno.test("a missing snapshot is refused, unless the log has its entries", () => {
  const without = (compactedTo: number, ...paths: string[]) => {
    const disk = written(compactedTo);
    for (const path of paths) disk.remove(path);
    return disk;
  };
  assertEquals(open(without(10, NEWER)).snapshots.newest()?.index, 10);
  assertEquals(open(without(0, OLDER, NEWER)).log.lastIndex(), 30);
  assertStringIncludes(refusal(without(20, NEWER)), "entries 11 to 20 are missing");
  assertStringIncludes(
    refusal(without(10, OLDER, NEWER)),
    "segment 11 is missing, and there is no snapshot in its place",
  );
  const renamed = written(20);
  renamed.plant(NEWER.replace("-1", "-2"), bytesOf(renamed, NEWER));
  renamed.remove(NEWER);
  assertStringIncludes(refusal(renamed), "it ends with entry 20 of term 1");
});

Deno.test("a log that lost a segment is refused even if a snapshot covers others", () => {
  const disk = written(20);
  const segments = disk.list("log").filter((name) => name.endsWith(".log"));
  assertEquals(segments.length, 10);
  for (const name of segments.slice(0, -1)) {
    const copy = disk.afterCrash(null);
    copy.remove(`log/${name}`);
    assertStringIncludes(refusal(copy), "are missing: the snapshot ends before them");
  }
});

Deno.test("segments that a loss of power brought back do not count, whole or in part", () => {
  const whole = written(0);
  const names = whole.list("log").filter((name) => name.endsWith(".log"));
  for (let choice = 0; choice < 64; choice++) {
    const disk = whole.afterCrash(null);
    for (const [at, name] of names.slice(0, 20).entries()) {
      if ((choice >>> (at % 6)) % 2 === 0) disk.remove(`log/${name}`);
    }
    const { log, snapshots } = open(disk);
    const sequences = disk.list("log").slice(0, -1).map((name) => parseInt(name));
    assertEquals(sequences.at(-1), (sequences[0] ?? 0) + sequences.length - 1, "there is no gap");
    assert(log.firstIndex() <= 21 && log.lastIndex() === 30);
    log.compact(snapshots.newest()?.index ?? 0);
    assertEquals([log.firstIndex(), disk.list("log").length], [21, 11]);
  }
});

Deno.test("a snapshot that does not fit the log's beginning is refused", () => {
  const disk = written(20);
  disk.remove(NEWER);
  takeSnapshot(openSnapshots(disk), 20, 2, () => {});
  assertStringIncludes(refusal(disk), "it follows an entry 20 of term 1");
});

Deno.test("a snapshot ahead of the log sets the term", () => {
  const disk = written(20);
  takeSnapshot(openSnapshots(disk), 25, 4, () => {});
  const { log } = open(disk);
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(25)], [26, 25, 4]);
  assertEquals(log.hardState(), { term: 4, vote: null });
  const ahead = written(20);
  takeSnapshot(openSnapshots(ahead), 45, 1, () => {});
  assertEquals(open(ahead).log.hardState(), { term: 1, vote: "n1" });
  assertEquals(open(ahead.afterCrash(null)).log.firstIndex(), 46);
});

Deno.test("a snapshot of another version is refused, not taken for damaged", () => {
  const disk = written(0);
  const record = new RecordWriter();
  record.add(new TextEncoder().encode('{"format":1}'));
  record.add(encodeSnapshotEnd({ chunks: 0, bytes: 0, checksum: 0 }));
  disk.plant(NEWER, record.bytes());
  assertStringIncludes(refusal(disk), "its format is 1 and this version reads 3; use the version");
});

Deno.test("a snapshot that is damaged after the start is noticed when it is loaded", () => {
  const disk = written(20);
  const { snapshots } = open(disk);
  const bytes = bytesOf(disk, NEWER);
  for (const damaged of [bytes.slice(0, -1), bytes.map((byte, at) => at === 300 ? 7 : byte)]) {
    disk.plant(NEWER, damaged);
    assertThrows(() => [...snapshots.load()], UserError, `Cannot read data/n1/${NEWER}`);
  }
});

Deno.test("snapshots without an identity are refused", () => {
  const disk = written(20);
  for (const name of disk.list("log")) disk.remove(`log/${name}`);
  disk.remove("identity.json");
  assertStringIncludes(refusal(disk), "no identity.json");
});
