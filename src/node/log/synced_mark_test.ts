import { assertEquals } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { RecordWriter } from "./record.ts";
import { readSyncedPosition, SYNCED_MARK_PATH, SyncedMark } from "./synced_mark.ts";

function newDisk(): FaultDisk {
  const disk = new FaultDisk();
  disk.makeDirectory("log");
  return disk;
}

const positionOn = (disk: FaultDisk) =>
  readSyncedPosition(disk.read(SYNCED_MARK_PATH) ?? new Uint8Array(0));

Deno.test("the mark has the last position, over restarts too", () => {
  const disk = newDisk();
  const mark = SyncedMark.create(disk);
  assertEquals(positionOn(disk), { segment: 0, offset: 0 });
  for (let offset = 100; offset < 105; offset++) {
    mark.write({ segment: 1, offset });
    assertEquals(positionOn(disk), { segment: 1, offset });
  }
  SyncedMark.open(disk).write({ segment: 2, offset: 1 });
  assertEquals(positionOn(disk), { segment: 2, offset: 1 });
  SyncedMark.open(disk).write({ segment: 2, offset: 20_000_000 });
  assertEquals(positionOn(disk), { segment: 2, offset: 20_000_000 });
});

Deno.test("a torn write of the mark leaves the position before", () => {
  const positions = [7, 1234, 56, 789_000].map((offset, i) => ({ segment: i + 1, offset }));
  for (let torn = 0; torn < positions.length; torn++) {
    for (let bytesWritten = 0; bytesWritten < 30; bytesWritten++) {
      let writes = 0;
      const disk = new FaultDisk({
        fault: ({ kind }) =>
          kind === "write" && writes++ === torn + 1 ? { kind: "crash", bytesWritten } : null,
      });
      disk.makeDirectory("log");
      const mark = SyncedMark.create(disk);
      try {
        for (const position of positions) mark.write(position);
      } catch {
        // The process died.
      }
      const before = torn === 0 ? { segment: 0, offset: 0 } : positions[torn - 1];
      assertEquals(positionOn(disk.afterCrash(null)), before ?? null);
    }
  }
});

Deno.test("bytes that are not a mark mean nothing", () => {
  assertEquals(readSyncedPosition(new Uint8Array(0)), null);
  assertEquals(readSyncedPosition(new Uint8Array(2000).fill(0x7b)), null);
  for (const payload of ["null", "{", "[1]", '{"segment":-1,"synced":1}', '{"segment":1}']) {
    const record = new RecordWriter();
    record.add(new TextEncoder().encode(payload));
    assertEquals(readSyncedPosition(record.bytes()), null, payload);
  }
});
