import { until } from "../../tests/support/until.ts";

const SETTLED_MS = 5_000;
const SETTLED_SHARE = 0.01;
const TIMEOUT_MS = 90_000;

/** Memory that a process has at the moment, by its `/proc/PID/status`. */
export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** The memory of each process once none has changed by a hundredth for five seconds. */
export async function settledBytes(pids: readonly number[]): Promise<number[]> {
  let reference = pids.map(residentBytes);
  let sinceMs = performance.now();
  await until("the memory of the processes settles", () => {
    const now = pids.map(residentBytes);
    const hasChanged = now.some((bytes, at) => {
      const before = reference[at] ?? 0;
      return Math.abs(bytes - before) > SETTLED_SHARE * before;
    });
    if (hasChanged) {
      reference = now;
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs >= SETTLED_MS;
  }, { timeoutMs: TIMEOUT_MS });
  return pids.map(residentBytes);
}
