import type { ProcessFacts } from "../../src/platform/process.ts";

/** Fixed facts of no real process. */
export const PROCESS_FACTS: ProcessFacts = {
  processId: 1,
  startedMs: 0,
  runId: "0".repeat(40),
  os: "Test",
  executable: "",
  systemMemoryBytes: 0,
  heapLimitBytes: 0,
  memoryBytes: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0 }),
};
