import { assertEquals } from "@std/assert";
import { progressText } from "./backup.ts";

Deno.test("progress is shown in percent and in MiB", () => {
  assertEquals(progressText(0, 0), "  0 %  0.0 of 0.0 MiB");
  assertEquals(progressText(1_500_000, 3_000_001), " 49 %  1.4 of 2.9 MiB");
  assertEquals(progressText(7, 7), "100 %  0.0 of 0.0 MiB");
});
