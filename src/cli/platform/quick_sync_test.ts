import { assertEquals } from "@std/assert";
import { QuickSync } from "./quick_sync.ts";

/** How many of so many syncs of a disk are waited for on the spot. */
function waitedFor(quick: QuickSync, count: number, durationMs: number): number {
  let waited = 0;
  for (let at = 0; at < count; at++) {
    quick.written(4096);
    if (!quick.begins()) continue;
    waited++;
    quick.took(durationMs);
  }
  return waited;
}

Deno.test("a quick disk is waited for, a slow one hardly ever", () => {
  assertEquals(waitedFor(new QuickSync(), 10_000, 0.3), 10_000);
  assertEquals(waitedFor(new QuickSync(), 10_000, 20), 40);
  assertEquals(waitedFor(new QuickSync(), 10_000, 3) < 60, true);
});

Deno.test("one slow sync among quick ones leaves the next to the other thread", () => {
  const quick = new QuickSync();
  waitedFor(quick, 100, 0.3);
  assertEquals(waitedFor(quick, 1, 9), 1);
  assertEquals(waitedFor(quick, 255, 0.3), 0);
  assertEquals(waitedFor(quick, 100, 0.3), 100);
});

Deno.test("a sync that is now and then a little slow is no reason", () => {
  const quick = new QuickSync();
  for (let at = 0; at < 100; at++) {
    assertEquals([waitedFor(quick, 20, 0.3), waitedFor(quick, 1, 3)], [20, 1]);
  }
});

Deno.test("a sync of much is left to the other thread", () => {
  const quick = new QuickSync();
  quick.written(200 * 1024);
  quick.written(100 * 1024);
  assertEquals(quick.begins(), false);
  quick.written(Infinity);
  assertEquals(quick.begins(), false);
  assertEquals(waitedFor(quick, 10, 0.3), 10);
});
