import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { until } from "../../tests/support/until.ts";
import { silentLogger } from "../base/logger.ts";
import type { BlobStorage } from "./blobs.ts";
import { FileMetadata } from "./file_metadata.ts";
import { HEALER_LIMITS } from "./healer_limits.ts";
import { Reports } from "./reports.ts";
import { Scrubber } from "./scrubber.ts";

Deno.test("a damaged file is not reported lost when a good one has taken its place", async () => {
  const clock = new ManualClock();
  const metadata = new FileMetadata(() => Promise.reject(new Error("nothing is sent")));
  const reports = new Reports("n1", metadata, silentLogger);
  const [repaired, gone] = ["1".repeat(32), "2".repeat(32)];
  const present = new Set([repaired, gone]);
  const local = {
    ids: () => [repaired, gone],
    has: (id: string) => present.has(id),
    verify(id: string) {
      if (id === gone) present.delete(id);
      return Promise.resolve(false);
    },
  } as unknown as BlobStorage;
  const found: boolean[] = [];
  const scrubber = new Scrubber({
    local,
    reports,
    place: { load: () => Promise.resolve(""), save: () => Promise.resolve() },
    clock,
    logger: silentLogger,
    limits: HEALER_LIMITS,
    onCorrupt: () => void found.push(reports.hasLost),
  });
  scrubber.start();
  await until("a round is over", () => {
    clock.advance(10);
    return scrubber.status.rounds === 1;
  });
  assertEquals(found, [true]); // of the second one only
  assertEquals(scrubber.status.corrupt, 2);
  await scrubber.stop();
});
