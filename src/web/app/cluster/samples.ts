import { shallowRef } from "vue";
import { cluster } from "./live.ts";

/** Seconds that the charts show. */
export const SAMPLES = 120;

export interface Series {
  /** Times in seconds since 1970. */
  readonly times: readonly number[];
  /** `null` where nothing was measured. */
  readonly values: readonly (number | null)[];
}

const empty = (): Series => ({ times: [], values: [] });

/** Entries of the log committed in each second: each carries one or more writes. */
export const throughput = shallowRef<Series>(empty());
/** Time in milliseconds of a linearizable read, from this page and back. */
export const latency = shallowRef<Series>(empty());

let commit: number | null = null;
let timer = 0;

function added(
  { times, values }: Series,
  time: number,
  value: number | null,
): Series {
  return {
    times: [...times, time].slice(-SAMPLES),
    values: [...values, value].slice(-SAMPLES),
  };
}

async function sample(): Promise<void> {
  const commits = cluster.value?.members.map(({ commitIndex }) => commitIndex ?? 0) ?? [];
  const now = commits.length === 0 ? null : Math.max(...commits);
  const time = Date.now() / 1000;
  const grown = now === null || commit === null || now < commit ? null : now - commit;
  throughput.value = added(throughput.value, time, grown);
  commit = now;
  const ms = await roundTrip();
  latency.value = added(latency.value, time, ms);
}

async function roundTrip(): Promise<number | null> {
  const start = performance.now();
  try {
    const response = await fetch("/readyz", {
      signal: AbortSignal.timeout(5_000),
    });
    await response.arrayBuffer();
    return response.ok ? performance.now() - start : null;
  } catch {
    return null;
  }
}

/** Measures each second, until the returned function is called. */
export function startSampling(): () => void {
  commit = null;
  clearInterval(timer);
  timer = setInterval(
    () => document.visibilityState === "visible" && void sample(),
    1_000,
  );
  void roundTrip(); // the first one opens a connection
  return () => clearInterval(timer);
}
