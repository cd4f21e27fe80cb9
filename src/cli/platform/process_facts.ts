import type { ProcessFacts } from "../../server/process_info.ts";

/** This process as the operating system sees it. */
export function processFacts(): ProcessFacts {
  return {
    processId: Deno.pid,
    startedMs: Date.now(),
    memoryBytes: () => Deno.memoryUsage(),
  };
}
