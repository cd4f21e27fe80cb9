import { assertEquals } from "@std/assert";
import { QuickSync } from "./deno_disk.ts";

/** How many of so many syncs of a disk are waited for on the spot. */
function waitedFor(quick: QuickSync, count: number, durationMs: number): number {
  let waited = 0;
  for (let at = 0; at < count; at++) {
    quick.written(4096);
    if (!quick.begins()) {
      quick.tookElsewhere(durationMs);
      continue;
    }
    waited++;
    quick.took(durationMs);
  }
  return waited;
}

Deno.test("a quick disk is waited for once it is known to be quick, a slow one never", () => {
  assertEquals(waitedFor(new QuickSync(), 10_000, 0.3), 10_000 - 16);
  assertEquals(waitedFor(new QuickSync(), 10_000, 4), 0);
  assertEquals(waitedFor(new QuickSync(), 10_000, 200), 0);
});

Deno.test("a disk that is neither is waited for hardly ever", () => {
  assertEquals(waitedFor(new QuickSync(), 10_000, 3) < 300, true);
});

Deno.test("one slow sync among quick ones leaves the next to the other thread", () => {
  const quick = new QuickSync();
  waitedFor(quick, 100, 0.3);
  assertEquals(waitedFor(quick, 1, 9), 1);
  assertEquals(waitedFor(quick, 256, 0.3), 0);
  assertEquals(waitedFor(quick, 100, 0.3), 100);
});

Deno.test("a disk that was slow once on the other thread has to be quick for long", () => {
  const quick = new QuickSync();
  waitedFor(quick, 15, 0.3);
  assertEquals(waitedFor(quick, 1, 50), 0);
  assertEquals(waitedFor(quick, 256, 0.3), 0);
  assertEquals(waitedFor(quick, 100, 0.3), 100);
});

Deno.test("a sync that is now and then a little slow is no reason", () => {
  const quick = new QuickSync();
  waitedFor(quick, 16, 0.3);
  for (let at = 0; at < 100; at++) {
    assertEquals([waitedFor(quick, 20, 0.3), waitedFor(quick, 1, 3)], [20, 1]);
  }
});

Deno.test("a sync of much is left to the other thread", () => {
  const quick = new QuickSync();
  waitedFor(quick, 16, 0.3);
  quick.written(200 * 1024);
  quick.written(100 * 1024);
  assertEquals(quick.begins(), false);
  quick.written(Infinity);
  assertEquals(quick.begins(), false);
  assertEquals(waitedFor(quick, 10, 0.3), 10);
});
