import { assertEquals } from "@std/assert";
import { FaultDisk } from "../../tests/support/fault_disk.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { Faults } from "./faults.ts";
import { FaultyDisk } from "./faulty_disk.ts";

function start() {
  const clock = new ManualClock();
  const faults = new Faults(clock, silentLogger);
  const failures: (Error | null)[] = [];
  const inner = new FaultDisk({
    schedule: (run) => clock.after(1, run),
    fault: ({ kind }) => {
      const error = kind === "sync" ? failures.shift() ?? null : null;
      return error === null ? null : { kind: "error", error };
    },
  });
  const blocked: number[] = [];
  const disk = new FaultyDisk(inner, faults, clock, (durationMs) => blocked.push(durationMs));
  const file = disk.open("file", "create");
  const done: [number, string | null][] = [];
  const sync = () => file.sync((error) => done.push([clock.monotonicMs(), error?.message ?? null]));
  return { clock, faults, failures, disk, blocked, file, done, sync };
}

Deno.test("slow-disk: each sync takes longer by the delay, until the fault ends", () => {
  const { clock, faults, done, sync } = start();
  sync();
  clock.advance(10);
  faults.begin({ kind: "slow-disk", delayMs: 50 }, 200);
  sync();
  clock.advance(20);
  sync();
  clock.advance(180);
  sync();
  clock.advance(10);
  assertEquals(done, [[1, null], [61, null], [81, null], [211, null]]);
});

Deno.test("slow-disk: healing ends the syncs that are being held back", () => {
  const { clock, faults, done, sync } = start();
  faults.begin({ kind: "slow-disk", delayMs: 60_000 }, null);
  sync();
  sync();
  clock.advance(100);
  assertEquals(done, []);
  faults.heal("slow-disk");
  assertEquals(done, [[100, null], [100, null]]);
});

Deno.test("slow-disk: every kind of sync takes longer, of directories and blocking ones too", () => {
  const { clock, faults, disk, blocked, file, done, sync } = start();
  file.syncNow();
  disk.syncDirectoryNow("");
  faults.begin({ kind: "slow-disk", delayMs: 50 }, null);
  file.syncNow();
  disk.syncDirectoryNow("");
  assertEquals(blocked, [50, 50]);
  disk.syncDirectory("", () => done.push([clock.monotonicMs(), "directory"]));
  sync();
  clock.advance(100);
  assertEquals(done, [[51, "directory"], [51, null]]);
});

Deno.test("slow-disk: a failed sync is reported late as well; all else is as fast as ever", () => {
  const { clock, faults, failures, file, done, sync } = start();
  faults.begin({ kind: "slow-disk", delayMs: 50 }, null);
  failures.push(new Error("no space"));
  file.write(new Uint8Array([1, 2, 3]), 0);
  const into = new Uint8Array(3);
  file.read(into, 0);
  assertEquals([file.sizeBytes(), [...into]], [3, [1, 2, 3]]);
  sync();
  clock.advance(100);
  assertEquals(done, [[51, "no space"]]);
});

Deno.test("slow-disk: all else is what the disk does", () => {
  const { clock, faults, disk, file } = start();
  faults.begin({ kind: "slow-disk", delayMs: 60_000 }, null);
  const done: (string | null)[] = [];
  const note = (error: Error | null) => done.push(error?.message ?? null);
  file.writeLater(new Uint8Array([1, 2, 3]), 0, note);
  clock.advance(1);
  const into = new Uint8Array(3);
  file.readLater(into, 0, note);
  clock.advance(1);
  assertEquals([done, [...into]], [[null, null], [1, 2, 3]]);
  file.truncate(2);
  file.close();
  disk.makeDirectory("log");
  disk.rename("file", "log/renamed");
  assertEquals(disk.read("file"), null);
  assertEquals([...disk.read("log/renamed") ?? []], [1, 2]);
  assertEquals(disk.list("log"), ["renamed"]);
  disk.remove("log/renamed");
  assertEquals(disk.list("log"), []);
});
