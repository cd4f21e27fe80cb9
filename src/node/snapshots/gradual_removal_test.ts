import { assertEquals } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { GradualRemoval } from "./gradual_removal.ts";

const MIB = 1024 * 1024;

function fixture(failing = "") {
  const running: (() => void)[] = [];
  const failures: string[] = [];
  const disk = new FaultDisk({
    schedule: (run) => running.push(run),
    fault: ({ kind }) => kind === failing ? { kind: "error", error: new Error("no") } : null,
  });
  disk.plant("large", new Uint8Array(40 * MIB));
  disk.plant("small", new Uint8Array(10));
  const removal = new GradualRemoval(disk, (message) => failures.push(message));
  return { disk, running, failures, removal };
}

Deno.test("a large file is removed in steps, a small one at once", () => {
  const { disk, running, removal, failures } = fixture();
  removal.remove("large");
  removal.remove("large");
  removal.remove("small");
  assertEquals(disk.list(""), ["large"]);
  assertEquals([disk.open("large", "existing").sizeBytes(), running.length], [24 * MIB, 1]);
  running.shift()?.();
  assertEquals([disk.open("large", "existing").sizeBytes(), running.length], [8 * MIB, 1]);
  running.shift()?.();
  assertEquals([disk.list(""), failures], [[], []]);
});

Deno.test("a removal that is stopped or fails is left for another time", () => {
  const stopped = fixture();
  stopped.removal.remove("large");
  stopped.removal.stop();
  stopped.running.shift()?.();
  assertEquals([stopped.disk.list(""), stopped.failures], [["large", "small"], []]);
  for (const kind of ["truncate", "sync", "remove"]) {
    const { disk, running, removal, failures } = fixture(kind);
    removal.remove("large");
    while (running.length > 0) running.shift()?.();
    assertEquals([disk.list(""), failures], [["large", "small"], ["no"]], kind);
    removal.remove("gone");
    assertEquals(failures.length, 2);
  }
});
