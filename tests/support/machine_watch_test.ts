import { assertGreater, assertLess } from "@std/assert";
import { MachineWatch, workedMs } from "./machine_watch.ts";

const SPAN_MS = 300;

/** The kernel of Linux counts what a thread did. */
const ignore = Deno.build.os !== "linux";

Deno.test({
  name: "this process's own work does not count as lateness of the machine",
  ignore,
  fn: works,
});

function works(): void {
  const watch = new MachineWatch();
  const beginMs = performance.now();
  const wasBusyMs = spin(SPAN_MS);
  watch.stop();
  const endMs = performance.now();
  // It spins by its own processor time: the rest of the time was taken from it.
  const takenMs = endMs - beginMs - wasBusyMs;
  assertLess(watch.waitedMs(beginMs, endMs), takenMs + 50);
}

Deno.test("time in which this process was ready and not running counts as lateness", () => {
  const watch = new MachineWatch();
  const beginMs = performance.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SPAN_MS);
  watch.stop();
  assertGreater(watch.waitedMs(beginMs, performance.now()), SPAN_MS - 100);
  assertGreater(watch.worstWaitMs(150), SPAN_MS - 100);
});

/** Works for `forMs`. @returns the time for which this thread ran, in ms */
function spin(forMs: number): number {
  const startMs = workedMs();
  while (workedMs() - startMs < forMs) { /* nothing else gets its turn */ }
  return workedMs() - startMs;
}
